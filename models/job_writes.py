"""The writes of a job's row. Each is guarded by the statuses that allow it, so of two callers one wins."""

from collections.abc import Sequence
from dataclasses import asdict

from models.errors import IllegalTransition, JobNotFound
from models.job import Job, now, searchable
from models.job_reads import one_query
from models.lifecycle import JobStatus, sources_of
from models.store.sql import insert, names, places, select, update
from models.store.statements import Query, Row, Work
from models.validation import NewJob


def created(new: NewJob) -> Work[Job]:
    """A new row, QUEUED."""
    at = now()
    values = {
        **asdict(new),
        "searchable": searchable(new.name, new.model_name),
        "status": JobStatus.QUEUED.value,
        "metric_count": 0,
        "furthest_step": 0,
        "created_at": at,
        "updated_at": at,
        "status_changed_at": at,
    }
    (row,) = yield Query(insert("job", (*values,), rest=f"RETURNING {names(Job._fields)}"), [*values.values()])
    return Job.of(row)


def moved(id: int, target: JobStatus, verb: str, reason: str | None = None) -> Work[Job]:
    """Change the status, and give the job as it then is. Raises JobNotFound, IllegalTransition."""
    at = now()
    sources = sorted(source.value for source in sources_of(target))
    values = {
        "status": target.value,
        "failure_reason": reason,
        "status_changed_at": at,
        "updated_at": at,
        "started_at" if target is JobStatus.RUNNING else "finished_at": at,
    }
    guard = f'"id" = ? AND "status" IN ({places(sources)})'
    rows = yield Query(update("job", values, guard, returning=Job._fields), [*values.values(), id, *sources])
    return (yield from _won(rows, id, verb))


def held(id: int, verb: str) -> Work[Job]:
    """Take the RUNNING job's row until the transaction ends, and give it as it is. Raises as `moved`."""
    query = select("job", Job._fields, 'WHERE "id" = ? AND "status" = ?')
    rows = yield Query(query, [id, JobStatus.RUNNING.value], locks=True)
    return (yield from _won(rows, id, verb))


def _won(rows: Sequence[Row], id: int, verb: str) -> Work[Job]:
    """The job of the one row that the guard let through; where there is none, raises why."""
    if rows:
        return Job.of(rows[0])
    there = yield one_query(Job._fields, id)
    if not there:
        raise JobNotFound(id)
    raise IllegalTransition(Job.of(there[0]), verb)
