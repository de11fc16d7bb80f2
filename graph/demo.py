"""The demo: jobs of every scenario in every status, and some in training."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from itertools import cycle

from models.errors import IllegalTransition, SimulationFailed
from models.job import Job
from models.job_reads import jobs_named
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.store.errors import StoreFailure
from models.validation import NewJob
from simulator import runner
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

__all__ = ["demo_jobs"]

log = logging.getLogger(__name__)

PREFIX = "demo "
MODELS = ("resnet-50", "vit-base", "gpt2-small", "bert-base", "unet", "whisper-tiny", "llama-1b")
LIVELY = (Scenario.SPIKES, Scenario.OVERFITTING, Scenario.NOISY, Scenario.PLATEAU, Scenario.HEALTHY)
STEPS_PER_SECOND = 4.0
TRAINING = 3
"""Jobs that train at any moment."""
KEPT = 200
"""Jobs after which no new ones are made: a demo that runs for weeks must not fill the disk."""


@contextlib.asynccontextmanager
async def demo_jobs(jobs: Jobs) -> AsyncIterator[None]:
    """Inside, the demo's jobs are there and training."""
    stored = await jobs_named(jobs.database.reader, PREFIX)
    demo = _Demo(jobs, made=len(stored))
    if not stored:
        await demo.furnish()
    # Jobs that an earlier demo left running; jobs of users have other names.
    left = deque(job for job in stored if job.status is JobStatus.RUNNING)
    training = [asyncio.create_task(demo.train_one_after_another(left)) for _ in range(TRAINING)]
    try:
        yield
    finally:
        for task in training:
            task.cancel()
        await asyncio.gather(*training, return_exceptions=True)


class _Demo:
    def __init__(self, jobs: Jobs, made: int) -> None:
        self.jobs = jobs
        self.made = made
        self._scenarios = cycle(LIVELY)

    async def furnish(self) -> None:
        """A job of every scenario that has run to its end, one that was stopped, and some that wait."""
        for scenario in Scenario:
            with contextlib.suppress(SimulationFailed):  # the crash is to fail
                await self._run(await self._started(scenario, epochs=3))
        stopped = await self._started(Scenario.HEALTHY, epochs=20)
        await self._run(stopped, steps=230)
        await self.jobs.fail(stopped.id, "Stopped by hand: the learning rate was too high.")
        for scenario in (Scenario.PLATEAU, Scenario.DIVERGENCE):
            await self._create(scenario, epochs=5)

    async def train_one_after_another(self, left: deque[Job]) -> None:
        """Train the jobs that were left running, then ever new ones."""
        while left or self.made < KEPT:
            job: Job | None = None
            try:
                job = left.popleft() if left else await self._started(next(self._scenarios), epochs=6)
                await self._run(job, per_second=STEPS_PER_SECOND)
            except (IllegalTransition, SimulationFailed) as ended:
                log.info("demo: %s", ended)  # a user has stopped it
            except StoreFailure as outage:
                log.warning("demo: %s", outage)
                if job is not None:
                    left.append(job)
                await asyncio.sleep(1)

    async def _run(self, job: Job, steps: int | None = None, per_second: float | None = None) -> None:
        async for _ in runner.run(self.jobs, job.id, steps=steps, per_second=per_second):
            pass

    async def _started(self, scenario: Scenario, epochs: int) -> Job:
        return await self.jobs.start((await self._create(scenario, epochs)).id)

    async def _create(self, scenario: Scenario, epochs: int) -> Job:
        self.made = number = self.made + 1
        schedules = tuple(Schedule)
        return await self.jobs.create(
            NewJob(
                name=f"{PREFIX}{number}: {scenario.value}",
                model_name=MODELS[number % len(MODELS)],
                epochs=epochs,
                learning_rate=3e-4,
                scenario=scenario.value,
                schedule=schedules[number % len(schedules)].value,
                seed=number,
            )
        )
