"""The writes of a job's row. Each is guarded by the statuses that allow it, so of two callers one wins."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from models.attempts import Cuts, closed
from models.config import merged
from models.config import stored as keep_config
from models.deployment import next_change
from models.errors import IllegalTransition, JobNotFound
from models.job import Job, now, searchable
from models.job_reads import one_query
from models.lifecycle import JobKind, JobStatus, Outcome, progress_of, sources_of
from models.points import Kept
from models.series import replaced
from models.store.sql import insert, places, select, update
from models.store.statements import Query, Row, Work
from models.tags import tagged
from models.tally import SYSTEM
from models.validation import Faults, NewJob, check_config, checked_changes, tags_text


def created(new: NewJob) -> Work[Job]:
    """A new row, QUEUED, or RUNNING where that is asked for."""
    at = now()
    born = new.created_at or at
    job = Job(
        id=0,
        name=new.name,
        project=new.project,
        group_name=new.group,
        tag_list=tags_text(new.tags),
        notes=new.notes,
        model_name=new.model_name,
        parent_id=new.parent_id,
        kind=None,
        status=JobStatus.QUEUED,
        epochs=new.epochs,
        stated_steps_per_epoch=new.steps_per_epoch,
        stated_total_steps=new.total_steps,
        learning_rate=new.learning_rate,
        batch_size=new.batch_size,
        scenario=new.scenario,
        schedule=new.schedule,
        seed=new.seed,
        metric_count=0,
        furthest_step=-1,
        progress_step=0,
        progress=None,
        created_at=born,
        updated_at=at,
        started_at=None,
        finished_at=None,
        archived_at=None,
        last_point_at=None,
        last_beat_at=None,
        beat_seconds=None,
        lost_since=None,
        attempt=1,
        attempt_started_at=None,
        attempt_from_step=None,
        attempt_first_seq=1,
        cuts="[]",
        stop_requested_at=None,
        stop_received_at=None,
        stop_reason=None,
        outcome=None,
        failure_reason=None,
        change=(yield from next_change()),
    )
    job = job._replace(progress=progress_of(job.status, 0, job.total_steps))
    if new.start:
        job = job._replace(status=JobStatus.RUNNING, started_at=born, attempt_started_at=born)
    values = {**job._asdict(), "searchable": searchable(new.name, new.model_name), "key": new.key}
    del values["id"]
    ((id,),) = yield Query(insert("job", (*values,), rest='RETURNING "id"'), [*values.values()])
    yield from tagged(id, new.tags, is_new=True)
    if new.config is not None or new.source is not None:
        yield from keep_config(id, new.config, new.source, is_new=True)
    return job._replace(id=id)


def held(id: int, verb: str, allowed: Collection[JobStatus] = (JobStatus.RUNNING,)) -> Work[Job]:
    """Take the row of a job in one of these statuses until the transaction ends, and give it as it is.

    Raises JobNotFound, IllegalTransition.
    """
    statuses = [status.value for status in allowed]
    rows = yield Query(_held_sql(len(statuses)), [id, *statuses], locks=True)
    return (yield from _won(rows, id, verb))


@cache  # at most one for each status
def _held_sql(statuses: int) -> str:
    return select("job", Job._fields, f'WHERE "id" = ? AND "status" IN ({places(range(statuses))})')


def changed(job: Job, **columns: Any) -> Work[Job]:
    """Change columns of a row that is held, and give it as it then is, with its place among all changes."""
    columns = {"updated_at": now(), **columns, "change": (yield from next_change())}
    yield Query(update("job", columns, '"id" = ?'), [*columns.values(), job.id])
    columns.pop("searchable", None)
    return job._replace(**columns)


def started(job: Job, at: datetime | None) -> Work[Job]:
    """QUEUED -> RUNNING. `at`: when it happened, if not now; here and below."""
    assert job.status in sources_of(JobStatus.RUNNING)
    moment = now()
    at = at or moment
    columns = {"status": JobStatus.RUNNING, "started_at": at, "attempt_started_at": at, "updated_at": moment}
    return (yield from changed(job, **columns))


def ended(job: Job, target: JobStatus, outcome: Outcome, at: datetime | None, reason: str | None = None) -> Work[Job]:
    """QUEUED or RUNNING -> COMPLETE or FAILED: the end of its attempt."""
    assert job.status in sources_of(target)
    moment = now()
    at = at or moment
    begun = job.attempt_started_at or at
    columns: dict[str, Any] = {
        "updated_at": moment,
        "status": target,
        "outcome": outcome,
        "failure_reason": reason,
        "finished_at": max(at, begun),
        "attempt_started_at": begun,
        "lost_since": None,
    }
    if target is JobStatus.COMPLETE:
        columns["progress"] = 1.0
    return (yield from changed(job, **columns))


def simulated(job: Job, seed: int, batch_size: int) -> Work[Job]:
    """Make the job one with simulated points: what was not said of the simulation is as it is by default."""
    columns: dict[str, Any] = {
        "kind": JobKind.SIMULATED,
        "scenario": job.scenario or "healthy",
        "schedule": job.schedule or "constant",
        "seed": seed if job.seed is None else job.seed,
        "batch_size": job.batch_size or batch_size,
    }
    yield Query(update("job", columns, '"id" = ?'), [*columns.values(), job.id])
    return job._replace(**columns)


def logged(job: Job) -> Work[Job]:
    """Make the job, whose first points were logged, one without a simulation, though it may have asked for one."""
    columns: dict[str, Any] = {"scenario": None, "schedule": None, "seed": None}
    yield Query(update("job", columns, '"id" = ?'), [*columns.values(), job.id])
    return job._replace(**columns)


def resumed(job: Job, at: datetime | None, from_step: int | None, kept: Kept | None) -> Work[Job]:
    """COMPLETE or FAILED -> RUNNING, the next attempt. `kept`: what stays, where it supersedes points."""
    assert job.status in sources_of(JobStatus.RUNNING)
    yield from closed(job)
    moment = now()
    first_seq = job.metric_count + 1
    if kept is not None and from_step is not None:
        yield from replaced(job.id, kept.tally)
        steps = [step for name, step in kept.tally.furthest() if not name.startswith(SYSTEM)]
        cuts = Cuts.of(job).with_one(first_seq, from_step)
        job = job._replace(cuts=cuts.text, furthest_step=kept.furthest_step, progress_step=max(steps, default=0))
    columns: dict[str, Any] = {
        "updated_at": moment,
        "status": JobStatus.RUNNING,
        "outcome": None,
        "failure_reason": None,
        "finished_at": None,
        "archived_at": None,
        "beat_seconds": None,
        "started_at": job.started_at or job.attempt_started_at,
        "attempt": job.attempt + 1,
        "attempt_started_at": at or moment,
        "attempt_from_step": from_step,
        "attempt_first_seq": first_seq,
        "stop_requested_at": None,
        "stop_received_at": None,
        "stop_reason": None,
        "cuts": job.cuts,
        "furthest_step": job.furthest_step,
        "progress_step": job.progress_step,
        "progress": progress_of(JobStatus.RUNNING, job.progress_step, job.total_steps),
    }
    return (yield from changed(job, **columns))


def beaten(job: Job, every_seconds: float) -> Work[Job]:
    """Take a sign of the job's loop, and its promise of the next. It is no change of the job."""
    columns: dict[str, Any] = {"last_beat_at": now(), "beat_seconds": every_seconds}
    yield Query(update("job", columns, '"id" = ?'), [*columns.values(), job.id])
    return job._replace(**columns)


def deleted(job: Job) -> Work[Job]:
    """Delete the row; what belongs to it follows. Gives the job as it was, with this as its last change."""
    # Children first, as all rows of jobs come before the change: whoever changes one of them takes it in this order.
    yield Query('UPDATE "job" SET "parent_id" = NULL WHERE "parent_id" = ?', [job.id])
    job = job._replace(change=(yield from next_change()))
    row = {"job_id": job.id, "change": job.change, "at": now(), "metric_count": job.metric_count, "is_swept": False}
    yield Query(insert("deleted_job", (*row,)), [*row.values()])
    yield Query('DELETE FROM "job" WHERE "id" = ?', [job.id])
    return job


def updated(job: Job, changes: Mapping[str, Any]) -> Work[Job]:
    """Change what is said of a job: field -> its new value, None to clear it. Raises InvalidInput, with all faults."""
    faults = Faults()
    columns = checked_changes(faults, job, changes)
    config = changes.get("config")
    if config is not None:
        stored = yield Query('SELECT "config", "source" FROM "config" WHERE "job_id" = ?', [job.id])
        old, source = (None if text is None else orjson.loads(text) for text in stored[0]) if stored else (None, None)
        if faults.checked("config", lambda: check_config("config", config), None) is not None:
            new = merged(old, config)
            faults.checked("config", lambda: check_config("config", new), b"")
        if not faults.found:
            yield from keep_config(job.id, new, source, is_new=not stored)
    faults.end()
    after = job._replace(**columns)
    columns["progress"] = progress_of(job.status, job.progress_step, after.total_steps)
    columns["searchable"] = searchable(after.name, after.model_name)
    if after.tag_list != job.tag_list:
        yield from tagged(job.id, after.tags)
    return (yield from changed(job, **columns))


def _won(rows: Sequence[Row], id: int, verb: str) -> Work[Job]:
    """The job of the one row that the guard let through; where there is none, raises why."""
    if rows:
        return Job.of(rows[0])
    there = yield one_query(Job._fields, id)
    if not there:
        raise JobNotFound(id)
    raise IllegalTransition(Job.of(there[0]), verb)
