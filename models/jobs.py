"""The verbs: everything that changes a job.

Each verb is one transaction that begins with a guarded write, and publishes what it did once that is committed; so
two callers never both win, and nobody hears of what did not happen.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tortoise.expressions import F

from models.database import UNREACHABLE, Database, uninterrupted
from models.errors import IllegalTransition, JobNotFound, PointsNotMade, SimulationFailed
from models.feed import Event, Feed, JobChanged, MetricsRecorded
from models.job import Job, now
from models.lifecycle import JobStatus, sources_of
from models.metric import Point, Recorded
from models.points import store, unrecorded
from models.rules import NewJob, check_points, failure_reason

__all__ = ["Jobs", "Logged", "PointMaker", "Simulated"]

UNEXPECTED = "An unexpected error; the server's log has it."

log = logging.getLogger(__name__)

PointMaker = Callable[[Job, int, int], Sequence[Point]]
"""(job, first step, how many) -> the points of those steps, or fewer, but at least the first.

Raises PointsNotMade to fail the job for a reason that people are told; anything else fails it too, for one
that they are not."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulated step came to: the points it added, or none where it completed the job."""

    job: Job
    metrics: list[Recorded]

    @property
    def complete(self) -> bool:
        """Whether the job is complete now."""
        return self.job.status is JobStatus.COMPLETE

    @property
    def progress(self) -> float:
        """0 to 1: the last step added over the total; 1 once complete."""
        return min(1.0, self.metrics[-1].step / self.job.total_steps) if self.metrics else 1.0


@dataclass(frozen=True, slots=True)
class Logged:
    """What logging a batch came to: the points that were new."""

    job: Job
    metrics: list[Recorded]


class Jobs:
    """The verbs of one store, and whom they tell."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self.database = database
        self._feed = feed

    @uninterrupted
    async def create(self, new: NewJob) -> Job:
        """A new job, QUEUED. Raises InvalidInput where a setting breaks a rule."""
        new = new.checked()
        at = now()
        async with self.database.transaction():
            job = await Job.create(
                name=new.name,
                model_name=new.model_name,
                searchable=Job.folded(new.name, new.model_name),
                epochs=new.epochs,
                steps_per_epoch=new.steps_per_epoch,
                learning_rate=new.learning_rate,
                scenario=new.scenario,
                schedule=new.schedule,
                seed=new.seed,
                batch_size=new.batch_size,
                created_at=at,
                updated_at=at,
                status_changed_at=at,
            )
        self._feed.publish(JobChanged(job))
        return job

    @uninterrupted
    async def start(self, id: int) -> Job:
        """QUEUED -> RUNNING. Raises JobNotFound, IllegalTransition."""
        async with self.database.transaction():
            job = await self._moved(id, JobStatus.RUNNING, "start")
        self._feed.publish(JobChanged(job))
        return job

    @uninterrupted
    async def fail(self, id: int, reason: str | None = None) -> Job:
        """QUEUED or RUNNING -> FAILED. Raises JobNotFound, IllegalTransition."""
        return await self._fail(id, failure_reason(reason))

    @uninterrupted
    async def complete(self, id: int) -> Job:
        """RUNNING -> COMPLETE. Raises JobNotFound, IllegalTransition."""
        async with self.database.transaction():
            job = await self._moved(id, JobStatus.COMPLETE, "complete")
        self._feed.publish(JobChanged(job))
        return job

    @uninterrupted
    async def simulate(self, id: int, make_points: PointMaker, count: int = 1) -> Simulated:
        """The next `count` simulated points of a RUNNING job, fewer at its end; past its last step it completes.

        A step is the number of points recorded + 1. Raises JobNotFound, IllegalTransition; and SimulationFailed, with
        the job FAILED, where `make_points` or the write raises.
        """
        events: list[Event] = []
        held = False
        try:
            async with self.database.transaction():
                job = await self._held(id, "simulate")
                held = True
                first, remaining = job.metric_count + 1, job.total_steps - job.metric_count
                metrics: list[Recorded] = []
                if remaining > 0:
                    points = make_points(job, first, min(count, remaining))
                    metrics = await store(job, points, now())
                    events.append(MetricsRecorded(job, tuple(metrics)))
                else:
                    job = await self._moved(id, JobStatus.COMPLETE, "simulate")
                    events.append(JobChanged(job))
        except (JobNotFound, IllegalTransition, UNREACHABLE):
            raise  # no fault of the simulation's: the job goes on where it was
        except PointsNotMade as error:
            raise SimulationFailed(await self._fail(id, failure_reason(str(error)))) from error
        except Exception as error:
            if not held:  # no step was tried: a store that was busy is no reason to fail the job
                raise
            # The promise: whatever the simulator or the write raises fails the job. A store that is gone cannot even
            # record that, and then raises here itself. What was raised is for the log, not for clients.
            log.exception("job %s: the simulation raised", id)
            raise SimulationFailed(await self._fail(id, UNEXPECTED)) from error
        for event in events:
            self._feed.publish(event)
        return Simulated(job, metrics)

    @uninterrupted
    async def log(self, id: int, points: Sequence[Point]) -> Logged:
        """Store a batch of real points of a RUNNING job: all of it, or none; those it already has are left out.

        Raises InvalidInput, JobNotFound, IllegalTransition.
        """
        check_points(points)
        async with self.database.transaction():
            job = await self._held(id, "log")
            metrics = await store(job, await unrecorded(job, points), now())
        if metrics:
            self._feed.publish(MetricsRecorded(job, tuple(metrics)))
        return Logged(job, metrics)

    async def _fail(self, id: int, reason: str) -> Job:
        async with self.database.transaction():
            job = await self._moved(id, JobStatus.FAILED, "fail", failure_reason=reason)
        self._feed.publish(JobChanged(job))
        return job

    async def _moved(self, id: int, target: JobStatus, verb: str, **also: str) -> Job:
        """Change the status in one guarded write, and give the job as it then is."""
        at = now()
        stamp = "started_at" if target is JobStatus.RUNNING else "finished_at"
        guard = Job.filter(id=id, status__in=sources_of(target))
        won = await guard.update(status=target, status_changed_at=at, updated_at=at, **{stamp: at}, **also)
        return await self._after(id, won, verb)

    async def _held(self, id: int, verb: str) -> Job:
        """Take the RUNNING job's row until the transaction ends, and give it as it is."""
        # A write that changes nothing: in every store it takes the row's lock.
        won = await Job.filter(id=id, status=JobStatus.RUNNING).update(metric_count=F("metric_count"))
        return await self._after(id, won, verb)

    async def _after(self, id: int, won: int, verb: str) -> Job:
        job = await Job.get_or_none(id=id)
        if job is None:
            raise JobNotFound(id)
        if not won:
            raise IllegalTransition(job, verb)
        return job
