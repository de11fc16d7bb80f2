"""The verbs: everything that changes a job.

Each verb is one transaction that begins with a guarded write, and publishes what it did once that is committed; so
two callers never both win, and nothing is published that did not happen.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.errors import IllegalTransition, JobNotFound, PointsNotMade, SimulationFailed
from models.feed.channel import Feed, JobChanged, MetricsRecorded
from models.job import Job, now
from models.job_writes import created, held, moved
from models.lifecycle import JobStatus
from models.metric import Point, Recorded
from models.points import store
from models.store.database import Database, uninterrupted
from models.store.errors import Busy, StoreFailure, Unreachable
from models.store.statements import Work
from models.validation import MAX_BATCH, NewJob, check_points, failure_reason

NOT_STORED = "Its points could not be stored; the log has the reason."
UNEXPECTED = "An unexpected error; the server's log has it."

log = logging.getLogger(__name__)

PointMaker = Callable[[Job, int, int], Sequence[Point]]
"""(job, first step, how many) -> the points of those steps, or fewer, but at least the first.

Raises PointsNotMade to fail the job for a reason that clients may see; anything else fails it too, and its reason is
for the log."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The job, and the points that a batch added to it: those that were new."""

    job: Job
    metrics: Sequence[Recorded]


@dataclass(frozen=True, slots=True)
class Simulated(Logged):
    """The job, and the points that simulated steps added to it: none where they completed it."""

    @property
    def complete(self) -> bool:
        """Whether the job is complete now."""
        return self.job.status is JobStatus.COMPLETE

    @property
    def progress(self) -> float:
        """0 to 1: the last step added over the total; 1 once complete."""
        return min(1.0, self.metrics[-1].step / self.job.total_steps) if self.metrics else 1.0


class Jobs:
    """The verbs of one store, which publish to a feed."""

    def __init__(self, database: Database, feed: Feed, max_batch: int = MAX_BATCH) -> None:
        self.database = database
        self._max_batch = max_batch
        self._publish = feed.publish

    @uninterrupted
    async def create(self, new: NewJob) -> Job:
        """A new job, QUEUED. Raises InvalidInput where a setting breaks a rule."""
        new = new.checked()
        return await self._changed(lambda: created(new))

    @uninterrupted
    async def start(self, id: int) -> Job:
        """QUEUED -> RUNNING. Raises JobNotFound, IllegalTransition."""
        return await self._changed(lambda: moved(id, JobStatus.RUNNING, "start"))

    @uninterrupted
    async def fail(self, id: int, reason: str | None = None) -> Job:
        """QUEUED or RUNNING -> FAILED. Raises JobNotFound, IllegalTransition."""
        return await self._fail(id, failure_reason(reason))

    @uninterrupted
    async def complete(self, id: int) -> Job:
        """RUNNING -> COMPLETE. Raises JobNotFound, IllegalTransition."""
        return await self._changed(lambda: moved(id, JobStatus.COMPLETE, "complete"))

    @uninterrupted
    async def simulate(self, id: int, make_points: PointMaker, count: int = 1) -> Simulated:
        """The next `count` simulated points of a RUNNING job, fewer at its end; past its last step it completes.

        A step is the number of points recorded + 1. Raises JobNotFound, IllegalTransition; and SimulationFailed, with
        the job FAILED, where `make_points` or the write raises.
        """
        trying = False

        def step() -> Work[Simulated]:
            nonlocal trying
            trying = False
            job = yield from held(id, "simulate")
            trying = True
            first, remaining = job.metric_count + 1, job.total_steps - job.metric_count
            if remaining <= 0:
                return Simulated((yield from moved(id, JobStatus.COMPLETE, "simulate")), [])
            points = make_points(job, first, min(count, remaining))
            return Simulated(*(yield from store(job, points, now())))

        def stored(step: Simulated) -> None:
            nonlocal trying
            trying = False
            self._publish(
                JobChanged(step.job) if step.complete else MetricsRecorded(step.job, step.metrics, simulated=True)
            )

        try:
            return await self.database.write(step, stored)
        except (JobNotFound, IllegalTransition, Busy, Unreachable):
            raise  # no fault of the simulation's: the job goes on where it was
        except Exception as error:
            if not trying:  # no step was tried: a store that was busy is no reason to fail the job
                raise
            # The promise: whatever the simulator or the write raises fails the job. A store that is gone cannot even
            # record that, and then raises here itself. What was not expected is for the log, not for clients.
            is_expected = isinstance(error, PointsNotMade)
            if is_expected:
                reason = failure_reason(str(error))
            elif isinstance(error, StoreFailure):
                reason = NOT_STORED
                log.warning("job %s failed, for its points cannot be stored: %s", id, error)
            else:
                reason = UNEXPECTED
                log.exception("job %s failed, for the simulator raised", id)
            raise SimulationFailed(await self._fail(id, reason), is_expected=is_expected) from error

    @uninterrupted
    async def log(self, id: int, points: Sequence[Point]) -> Logged:
        """Store all that is new of a batch, or nothing. Raises InvalidInput, JobNotFound, IllegalTransition."""
        check_points(points, self._max_batch)

        def batch() -> Work[Logged]:
            job = yield from held(id, "log")
            return Logged(*(yield from store(job, points, now(), once=True)))

        def stored(batch: Logged) -> None:
            if batch.metrics:
                self._publish(MetricsRecorded(batch.job, batch.metrics))

        return await self.database.write(batch, stored)

    async def _fail(self, id: int, reason: str) -> Job:
        return await self._changed(lambda: moved(id, JobStatus.FAILED, "fail", reason))

    async def _changed(self, begin: Callable[[], Work[Job]]) -> Job:
        return await self.database.write(begin, lambda job: self._publish(JobChanged(job)))
