"""Runs whose points are logged, as a training loop logs them: one each of what can become of a run."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from models.alert import AlertLevel, Condition
from models.alerts.alerts import Alerts, read_rules
from models.alerts.rule import NewRule
from models.errors import JobError
from models.job import Job, now
from models.jobs import Jobs
from models.lifecycle import JobStatus, Outcome
from models.metric import Point, microseconds
from models.series import Definition
from models.store.errors import StoreFailure
from models.validation import NewJob

__all__ = ["LoggedRuns"]

log = logging.getLogger(__name__)

PROJECT = "language"
SECONDS_PER_STEP = 2.0
"""Of the runs that have ended, as their loops say."""
BEFORE = timedelta(hours=1)
"""How long ago these began."""
STEPS_PER_SECOND = 2.0
BEAT_SECONDS = 15.0
ENOUGH = 50_000
"""Steps after which the open-ended run ends: a demo that runs for weeks must not fill the disk."""
CALM = 300
"""The step from which the loss of the unstable run rises."""
TOO_HIGH = 12.0
"""The loss above which the rule raises an alert."""


class LoggedRuns:
    """The logged runs of a demo. Each has a key, and a point that is logged again is not stored again.

    So what an earlier demo left half done is ended, and what is there stays as it is.
    """

    def __init__(self, jobs: Jobs, alerts: Alerts) -> None:
        self._jobs = jobs
        self._alerts = alerts

    async def furnish(self) -> None:
        """One that went on from a checkpoint, one whose loop fell silent, and one that raises alerts."""
        for make in (self._resumed, self._lost, self._alerting):
            with contextlib.suppress(JobError):  # a user has stopped or deleted it
                await make()

    async def log_on(self) -> None:
        """A run without a known end: logged point by point, until it is asked to stop."""
        job = await self._run("pretraining, open-ended")
        has_promised = False
        while job.status is JobStatus.RUNNING:
            try:
                if not has_promised:  # each point is a sign too
                    job = await self._jobs.beat(job.id, BEAT_SECONDS)
                    has_promised = True
                step = job.furthest_step + 1
                logged = await self._jobs.log(job.id, [_point(step)])
                job = logged.job
                if logged.stop_requested or step >= ENOUGH:
                    job = await self._jobs.complete(job.id)
                await asyncio.sleep(1 / STEPS_PER_SECOND)
            except JobError as ended:
                log.info("demo: %s", ended)  # a user has ended it
                return
            except StoreFailure as outage:
                log.warning("demo: %s", outage)
                await asyncio.sleep(1)

    async def _resumed(self) -> None:
        """Preempted behind its last checkpoint, then on from there: what came between is superseded."""
        job = await self._run("fine-tuning, resumed", total_steps=1_000)
        if job.attempt == 1:
            if job.status is JobStatus.RUNNING:
                await self._log(job, range(620))
                job = await self._jobs.fail(job.id, "The machine was preempted.", Outcome.KILLED, _at(job, 620))
            job = await self._jobs.resume(job.id, from_step=499, at=_at(job, 700))
        if job.status is JobStatus.RUNNING:
            await self._log(job, range(500, 1_001), pause=200)
            await self._jobs.complete(job.id, _at(job, 1_201))

    async def _lost(self) -> None:
        """Its loop promised signs of life, and gave none: it is found by the server."""
        job = await self._run("preempted trainer, lost", total_steps=2_000)
        if job.status is JobStatus.RUNNING and job.beat_seconds is None:
            await self._log(job, range(430))
            await self._jobs.beat(job.id, 1)

    async def _alerting(self) -> None:
        """Its loss rises beyond what a rule allows, and its loop tells of something too."""
        name = f"Loss above {TOO_HIGH:g}"
        if name not in {rule.name for rule in await read_rules(self._jobs.database.reader)}:
            rule = NewRule(name, Condition.ABOVE, project=PROJECT, series="loss", threshold=TOO_HIGH)
            await self._alerts.create_rule(rule)
        job = await self._run("unstable run, with alerts", total_steps=800)
        if job.status is JobStatus.RUNNING:
            await self._log(job, range(CALM))
            await self._log(job, range(CALM, 360), rising=True)
            text = "The gradients were clipped in 60 steps one after another."
            await self._alerts.raise_by_loop(job.id, "Gradients are clipped", text, AlertLevel.INFO)
            await self._jobs.fail(job.id, "The loss diverged.", at=_at(job, 360))

    async def _run(self, name: str, total_steps: int | None = None) -> Job:
        name = f"demo {name}"
        job = await self._jobs.create(
            NewJob(
                name=name,
                key=name,
                project=PROJECT,
                tags=["logged"],
                config={"optimizer": {"name": "adamw", "lr": 6e-4}, "tokenizer": "bpe-32k"},
                source={"host": "gpu-1", "command": "python train.py"},
                model_name="gpt2-small",
                total_steps=total_steps,
                start=True,
                created_at=None if total_steps is None else now() - BEFORE,
            )
        )
        if job.metric_count == 0 and job.status is JobStatus.RUNNING:
            await self._jobs.define_series(job.id, [Definition("system/gpu", unit="%")])
        return job

    async def _log(self, job: Job, steps: Iterable[int], *, pause: int = 0, rising: bool = False) -> None:
        """Log the points of some steps. `pause`: how many steps the loop stood still before."""
        points = [_point(step, phase=pause, rising=rising, at=_at(job, step + pause)) for step in steps]
        await self._jobs.log(job.id, points)


def _at(job: Job, step: int) -> datetime:
    """When the loop of a run that has ended was at a step."""
    return job.created_at + timedelta(seconds=SECONDS_PER_STEP * step)


def _point(step: int, *, phase: int = 0, rising: bool = False, at: datetime | None = None) -> Point:
    """What a loop measures at a step: always the same, so that it may be logged again."""
    wobble = math.sin(12.9898 * step + phase)
    loss = 2.2 + 8.8 * math.exp(-step / 250) + 0.2 * wobble
    values = {
        "loss": loss * math.exp((step - CALM) / 40) if rising else loss,
        "learning_rate": 6e-4 * min(1.0, (step + 1) / 100),
        "grad_norm": 1.1 + 0.4 * wobble,
        "tokens_per_second": 41_000 + 900 * math.cos(step / 7),
        "system/gpu": 93 + 4 * math.cos(step / 11),
    }
    return Point(step, values, logged_us=None if at is None else microseconds(at))
