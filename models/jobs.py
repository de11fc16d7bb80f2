"""The verbs: everything that changes a job.

Each verb is one transaction that begins with a guarded write, and publishes what it did once that is committed; so
two callers never both win, and nothing is published that did not happen.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.deployment import hold_changes
from models.errors import IllegalTransition, InvalidInput, JobNotFound, PointsNotMade, SimulationFailed
from models.feed.channel import Feed, JobChanged, JobDeleted, MetricsRecorded
from models.job import Job, now
from models.job_reads import get_job, key_query, one_query
from models.job_writes import (
    beaten,
    changed,
    created,
    deleted,
    ended,
    held,
    logged,
    resumed,
    simulated,
    started,
    updated,
)
from models.lifecycle import ENDED, JobKind, JobStatus, Outcome, sources_of
from models.metric import Point, Recorded
from models.points import Kept, kept_points, store
from models.series import Definition, checked_definitions, defined
from models.store.database import Database, uninterrupted
from models.store.errors import Busy, StoreFailure, Unreachable
from models.store.statements import Work
from models.validation import (
    MAX_BATCH,
    MAX_SEED,
    SIMULATED_BATCH_SIZE,
    NewJob,
    check_points,
    failure_reason,
    why_not_simulated,
)

NOT_STORED = "Its points could not be stored; the log has the reason."
UNEXPECTED = "An unexpected error; the server's log has it."

LOST = "Its loop was silent for three times as long as it had promised."
MIN_BEAT, MAX_BEAT = 1, 3600
"""Seconds within which a loop may promise its next sign."""
NOT_RUNNING = frozenset(JobStatus) - {JobStatus.RUNNING}

log = logging.getLogger(__name__)

PointMaker = Callable[[Job, int, int], Sequence[Point]]
"""(job, first step, how many) -> the points of those steps, or fewer, but at least the first.

Raises PointsNotMade to fail the job for a reason that clients may see; anything else fails it too, and its reason is
for the log."""


@dataclass(frozen=True, slots=True)
class Created:
    """What creating a job came to."""

    job: Job
    created: bool
    """False where its key was known: the job is the one that was made with it, as it now is."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What logging a batch came to: the points that were new."""

    job: Job
    metrics: Sequence[Recorded]
    skipped: Sequence[tuple[str, str]] = ()
    """The field and the broken rule of each point that was left out."""

    @property
    def stop_requested(self) -> bool:
        """Whether the loop is to end by itself."""
        return self.job.stop_requested_at is not None


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
        total = self.job.total_steps
        return min(1.0, self.metrics[-1].step / total) if self.metrics and total else 1.0


class OutdatedError(Exception):
    """The job went on while what is to be written of it was worked out."""


class Jobs:
    """The verbs of one store. Each publishes to the feed what it did."""

    def __init__(self, database: Database, feed: Feed, max_batch: int = MAX_BATCH) -> None:
        self.database = database
        self._max_batch = max_batch
        self._publish = feed.publish

    async def create(self, new: NewJob) -> Job:
        """A new job, or the one that was made with the same key. Raises InvalidInput, with all broken rules."""
        return (await self.create_once(new)).job

    @uninterrupted
    async def create_once(self, new: NewJob) -> Created:
        """The same, and whether it is new."""
        new = new.checked()

        def create() -> Work[Created]:
            if new.key is not None and (known := (yield key_query(new.key))):
                return Created(Job.of(known[0]), created=False)
            if new.parent_id is not None:
                # Held, as all rows of jobs are before changes are: it must not be deleted meanwhile.
                found = yield one_query(("id",), new.parent_id)._replace(locks=True)
                if not found:
                    raise InvalidInput("parent_id", f"there is no job with the id {new.parent_id}.")
            if new.key is not None:
                yield from hold_changes()
                if known := (yield key_query(new.key)):  # made by another process since the first look
                    return Created(Job.of(known[0]), created=False)
            return Created((yield from created(new)), created=True)

        def stored(done: Created) -> None:
            if done.created:
                self._publish(JobChanged(done.job))

        return await self.database.write(create, stored)

    @uninterrupted
    async def start(self, id: int, at: datetime | None = None) -> Job:
        """QUEUED -> RUNNING. Raises JobNotFound, IllegalTransition."""

        def start() -> Work[Job]:
            job = yield from held(id, "start", (JobStatus.QUEUED,))
            return (yield from started(job, at))

        return await self._changed(start)

    @uninterrupted
    async def fail(
        self, id: int, reason: str | None = None, outcome: Outcome = Outcome.FAILED, at: datetime | None = None
    ) -> Job:
        """QUEUED or RUNNING -> FAILED. Raises JobNotFound, IllegalTransition."""
        return await self._fail(id, failure_reason(reason), outcome, at)

    @uninterrupted
    async def complete(self, id: int, at: datetime | None = None) -> Job:
        """RUNNING -> COMPLETE; its outcome is STOPPED where a stop was requested.

        Raises JobNotFound, IllegalTransition.
        """

        def complete() -> Work[Job]:
            return (yield from _completed((yield from held(id, "complete")), at))

        return await self._changed(complete)

    @uninterrupted
    async def simulate(self, id: int, make_points: PointMaker, count: int = 1) -> Simulated:
        """The next `count` simulated points of a RUNNING job, fewer at its end; past its last step it completes.

        A step is the number of points recorded + 1. Raises JobNotFound, and IllegalTransition, also where the job logs
        points or has no plan that the simulator can run; and SimulationFailed, with the job FAILED, where `make_points`
        or the write raises.
        """
        trying = False

        def step() -> Work[Simulated]:
            nonlocal trying
            trying = False
            job = yield from held(id, "simulate")
            if job.kind is None:
                job = yield from _simulated(job)
            elif job.kind is not JobKind.SIMULATED:
                raise IllegalTransition(job, "simulate", "a job that logs its points has no simulated ones")
            trying = True
            assert job.total_steps is not None
            first, remaining = job.metric_count + 1, job.total_steps - job.metric_count
            if remaining <= 0:
                return Simulated((yield from _completed(job, None)), [])
            points = make_points(job, first, min(count, remaining))
            return Simulated(*(yield from store(job, points, JobKind.SIMULATED, now())))

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
    async def log(
        self, id: int, points: Sequence[Point], *, late: bool = False, skipped: Sequence[tuple[str, str]] = ()
    ) -> Logged:
        """Store a batch of real points of a RUNNING job: all of it, or none; those it already has are left out.

        `late`: also of a job that has ended; `skipped`: of points of the batch that were left out, which may be all of
        it, the field and the broken rule. Raises InvalidInput, JobNotFound, and IllegalTransition, also where the
        job has simulated points.
        """
        if points or not skipped:
            check_points(points, self._max_batch)
        allowed = {JobStatus.RUNNING, *(ENDED if late else ())}
        is_changed = False

        def batch() -> Work[Logged]:
            nonlocal is_changed
            job = yield from held(id, "log", allowed)
            if job.kind is JobKind.SIMULATED:
                raise IllegalTransition(job, "log", "a job with simulated points logs none")
            before = job.change
            kind = job.kind
            job, metrics = yield from store(job, points, JobKind.LOGGED, now(), once=True)
            if kind is None and metrics:
                job = yield from logged(job)
            if not metrics and job.status is JobStatus.RUNNING and job.beat_seconds is not None:
                job = yield from beaten(job, job.beat_seconds)  # a loop that sends what is known already lives too
            job = yield from _signed(job, is_late=job.status in ENDED and bool(metrics))
            is_changed = job.change != before
            return Logged(job, metrics, skipped)

        def stored(batch: Logged) -> None:
            if batch.metrics:
                self._publish(MetricsRecorded(batch.job, batch.metrics))
            if is_changed:
                self._publish(JobChanged(batch.job))

        return await self.database.write(batch, stored)

    @uninterrupted
    async def beat(self, id: int, every_seconds: float) -> Job:
        """The loop of a RUNNING job lives, and promises another sign within so many seconds, 1 to 3600.

        Raises InvalidInput, JobNotFound, IllegalTransition.
        """
        if not MIN_BEAT <= every_seconds <= MAX_BEAT:
            raise InvalidInput("every_seconds", f"must be {MIN_BEAT} to {MAX_BEAT}, got {every_seconds:g}.")
        before = 0

        def beat() -> Work[Job]:
            nonlocal before
            job = yield from held(id, "beat")
            before = job.change
            job = yield from beaten(job, every_seconds)
            return (yield from _signed(job))

        def stored(job: Job) -> None:
            if job.change != before:
                self._publish(JobChanged(job))

        return await self.database.write(beat, stored)

    @uninterrupted
    async def request_stop(self, id: int, reason: str | None = None) -> Job:
        """Ask the loop of a RUNNING job to end by itself; a second request changes nothing.

        Raises JobNotFound, and IllegalTransition, also where the job has simulated points.
        """

        def request() -> Work[Job]:
            job = yield from held(id, "stop")
            if job.kind is JobKind.SIMULATED:
                raise IllegalTransition(job, "stop", "a job with simulated points has no loop that could be asked")
            if job.stop_requested_at is not None:
                return job
            text = None if reason is None else failure_reason(reason)
            return (yield from changed(job, stop_requested_at=now(), stop_reason=text))

        return await self._changed(request)

    @uninterrupted
    async def resume(self, id: int, from_step: int | None = None, at: datetime | None = None) -> Job:
        """COMPLETE or FAILED -> RUNNING: the next attempt of a job that logs.

        `from_step`: points beyond it are superseded. Raises InvalidInput, JobNotFound, and IllegalTransition, also
        where the job has simulated points.
        """
        if from_step is not None and from_step < 0:
            raise InvalidInput("from_step", f"must be 0 or more, got {from_step}.")
        while True:
            kept: Kept | None = None
            if from_step is not None:
                job = await get_job(self.database.reader, id)
                if job.furthest_step > from_step:
                    kept = await kept_points(self.database.reader, job, from_step)

            def resume() -> Work[Job]:
                job = yield from held(id, "resume", ENDED)
                if job.kind is JobKind.SIMULATED:
                    raise IllegalTransition(job, "resume", "a job with simulated points is not resumed")
                supersedes = from_step is not None and job.furthest_step > from_step
                if supersedes and (kept is None or kept.until != job.metric_count):  # noqa: B023  # of this round
                    raise OutdatedError
                return (yield from resumed(job, at, from_step, kept if supersedes else None))  # noqa: B023  # as above

            with contextlib.suppress(OutdatedError):
                return await self._changed(resume)

    @uninterrupted
    async def archive(self, id: int) -> Job:
        """Take a job that is not RUNNING out of lists. Raises JobNotFound, IllegalTransition."""
        return await self._changed(lambda: _archived(id, now()))

    @uninterrupted
    async def unarchive(self, id: int) -> Job:
        """Bring it back into lists. Raises JobNotFound, IllegalTransition."""
        return await self._changed(lambda: _archived(id, None))

    @uninterrupted
    async def delete(self, id: int) -> Job:
        """Delete a job that is not RUNNING, for ever; its points follow in pieces. Gives the job as it was.

        Raises JobNotFound, IllegalTransition.
        """

        def delete() -> Work[Job]:
            job = yield from held(id, "delete", NOT_RUNNING)
            return (yield from deleted(job))

        return await self.database.write(delete, lambda job: self._publish(JobDeleted(job)))

    @uninterrupted
    async def update(self, id: int, changes: Mapping[str, Any]) -> Job:
        """Change what is said of a job: field -> its new value.

        Raises JobNotFound, and InvalidInput with all faults.
        """

        def edit() -> Work[Job]:
            job = yield from held(id, "update", [*JobStatus])
            return (yield from updated(job, changes))

        return await self._changed(edit)

    @uninterrupted
    async def define_series(self, id: int, definitions: Sequence[Definition]) -> Job:
        """Say what series are. Raises JobNotFound, InvalidInput."""
        checked = checked_definitions(definitions)

        def define() -> Work[Job]:
            job = yield from held(id, "update", [*JobStatus])
            yield from defined(id, checked)
            return (yield from changed(job))

        return await self._changed(define)

    async def lose(self, id: int, seen_at: datetime, since: datetime) -> None:
        """Mark a RUNNING job as lost `since` then, unless it gave a sign after `seen_at`."""

        def lose() -> Work[Job]:
            job = yield from _silent(id, seen_at)
            if job.lost_since is not None:
                raise OutdatedError
            return (yield from changed(job, lost_since=since))

        with contextlib.suppress(OutdatedError, IllegalTransition, JobNotFound):
            await self._changed(lose)

    async def fail_lost(self, id: int, seen_at: datetime) -> None:
        """Fail a RUNNING job that is lost, unless it gave a sign after `seen_at`."""

        def fail() -> Work[Job]:
            job = yield from _silent(id, seen_at)
            return (yield from ended(job, JobStatus.FAILED, Outcome.KILLED, None, LOST))

        with contextlib.suppress(OutdatedError, IllegalTransition, JobNotFound):
            await self._changed(fail)

    async def _fail(self, id: int, reason: str, outcome: Outcome = Outcome.FAILED, at: datetime | None = None) -> Job:
        def fail() -> Work[Job]:
            job = yield from held(id, "fail", sources_of(JobStatus.FAILED))
            return (yield from ended(job, JobStatus.FAILED, outcome, at, reason))

        return await self._changed(fail)

    async def _changed(self, begin: Callable[[], Work[Job]]) -> Job:
        return await self.database.write(begin, lambda job: self._publish(JobChanged(job)))


def _completed(job: Job, at: datetime | None) -> Work[Job]:
    outcome = Outcome.COMPLETED if job.stop_requested_at is None else Outcome.STOPPED
    return (yield from ended(job, JobStatus.COMPLETE, outcome, at))


def _signed(job: Job, *, is_late: bool = False) -> Work[Job]:
    """The loop gave a sign: it is lost no more, and the answer tells it of a stop that was requested.

    `is_late`: whether points came after its end, which is a change too. However much changes, it is one change.
    """
    columns: dict[str, Any] = {}
    if job.lost_since is not None:
        columns["lost_since"] = None
    if job.stop_requested_at is not None and job.stop_received_at is None:
        columns["stop_received_at"] = now()
    return (yield from changed(job, **columns)) if columns or is_late else job


def _silent(id: int, seen_at: datetime) -> Work[Job]:
    """Hold a RUNNING job that gave no sign after `seen_at`."""
    job = yield from held(id, "beat")
    if job.last_seen_at != seen_at:
        raise OutdatedError
    return job


def _archived(id: int, at: datetime | None) -> Work[Job]:
    job = yield from held(id, "archive", NOT_RUNNING)
    if (job.archived_at is None) == (at is None):
        return job
    return (yield from changed(job, archived_at=at))


def _simulated(job: Job) -> Work[Job]:
    """Make a job without points a simulated one, if it has a plan that the simulator can run."""
    for field, message in why_not_simulated(job):
        raise IllegalTransition(job, "simulate", f"{field.replace('_', ' ')}: {message.rstrip('.')}")
    return (yield from simulated(job, secrets.randbelow(MAX_SEED + 1), SIMULATED_BATCH_SIZE))
