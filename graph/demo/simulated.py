"""Jobs with simulated points: of every scenario, in every status, a sweep, and some in training."""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from itertools import cycle

from models.errors import JobError
from models.job import Job
from models.job_reads import jobs_named
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.store.errors import StoreFailure
from models.validation import NewJob
from simulator import runner
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

__all__ = ["SimulatedJobs"]

log = logging.getLogger(__name__)

PREFIX = "demo "
PROJECT = "vision"
MODELS = ("resnet-50", "vit-base", "gpt2-small", "bert-base", "unet", "whisper-tiny", "llama-1b")
LIVELY = (Scenario.SPIKES, Scenario.OVERFITTING, Scenario.NOISY, Scenario.PLATEAU, Scenario.HEALTHY)
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""What the sweep tries."""
STEPS_PER_SECOND = 4.0
TRAINING = 3
"""Jobs that train at any moment."""
KEPT = 200
"""Jobs after which no new ones are made: a demo that runs for weeks must not fill the disk."""


class SimulatedJobs:
    """The simulated jobs of a demo."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._made = 0
        self._scenarios = cycle(LIVELY)

    async def furnish(self) -> None:
        """A job of every scenario that has run to its end, one that was stopped, some that wait, and a sweep.

        Each has a key: what is there already, of an earlier demo, stays as it is, and what it left half done is ended.
        """
        self._made = 0
        for scenario in Scenario:
            await self._run_once(await self._furniture(scenario, epochs=3))
        stopped = await self._furniture(Scenario.HEALTHY, epochs=20)
        if stopped.status not in {JobStatus.COMPLETE, JobStatus.FAILED}:
            await self._run_once(stopped, steps=230 - stopped.metric_count)
            with contextlib.suppress(JobError):  # stopped by a user meanwhile
                await self._jobs.fail(stopped.id, "Stopped by hand: the learning rate was too high.")
        for scenario in (Scenario.PLATEAU, Scenario.DIVERGENCE):
            await self._furniture(scenario, epochs=5)
        await self._sweep()

    async def train(self) -> None:
        """Keep some jobs in training: those that an earlier demo left running, then ever new ones."""
        stored = await jobs_named(self._jobs.database.reader, PREFIX)  # jobs of users have other names
        self._made = max(self._made, len(stored))
        left = deque(job for job in stored if job.status is JobStatus.RUNNING and job.simulation is not None)
        await asyncio.gather(*(self._train_one_after_another(left) for _ in range(TRAINING)))

    async def _train_one_after_another(self, left: deque[Job]) -> None:
        while left or self._made < KEPT:
            job: Job | None = None
            try:
                job = left.popleft() if left else await self._started(next(self._scenarios), epochs=6)
                await self._run(job, per_second=STEPS_PER_SECOND)
            except JobError as ended:
                log.info("demo: %s", ended)  # a user has stopped it
            except StoreFailure as outage:
                log.warning("demo: %s", outage)
                if job is not None:
                    left.append(job)
                await asyncio.sleep(1)

    async def _sweep(self) -> None:
        """A run, and the same with other learning rates: its children."""
        parent: Job | None = None
        for rate in (3e-4, *RATES):
            name = f"{PREFIX}sweep: lr {rate:g}" if parent else f"{PREFIX}sweep: baseline"
            new = NewJob(
                name=name,
                key=name,
                project=PROJECT,
                group="learning rate",
                tags=["sweep"] if parent else ["sweep", "baseline"],
                parent_id=parent.id if parent else None,
                config={
                    "optimizer": {"name": "adamw", "lr": rate, "weight_decay": 0.01},
                    "data": {"name": "cifar-10", "augment": True},
                },
                model_name=MODELS[0],
                epochs=4,
                steps_per_epoch=50,
                learning_rate=rate,
                scenario=(Scenario.DIVERGENCE if rate == max(RATES) else Scenario.HEALTHY).value,
                schedule=Schedule.COSINE.value,
                seed=7,
            )
            job = await self._jobs.create(new)
            parent = parent or job
            await self._run_once(job)

    async def _furniture(self, scenario: Scenario, epochs: int) -> Job:
        new = self._next(scenario, epochs)
        return await self._jobs.create(replace(new, key=new.name))

    async def _started(self, scenario: Scenario, epochs: int) -> Job:
        return await self._jobs.create(replace(self._next(scenario, epochs), start=True))

    def _next(self, scenario: Scenario, epochs: int) -> NewJob:
        self._made = number = self._made + 1
        schedules = tuple(Schedule)
        return NewJob(
            name=f"{PREFIX}{number}: {scenario.value}",
            project=PROJECT,
            model_name=MODELS[number % len(MODELS)],
            epochs=epochs,
            learning_rate=3e-4,
            scenario=scenario.value,
            schedule=schedules[number % len(schedules)].value,
            seed=number,
        )

    async def _run_once(self, job: Job, steps: int | None = None) -> None:
        """Run a job to its end, or some steps, unless it has ended."""
        with contextlib.suppress(JobError):  # the crash is to fail; and users may stop any
            if job.status is JobStatus.QUEUED:
                await self._jobs.start(job.id)
            await self._run(job, steps)

    async def _run(self, job: Job, steps: int | None = None, per_second: float | None = None) -> None:
        async for _ in runner.run(self._jobs, job.id, steps=steps, per_second=per_second):
            pass
