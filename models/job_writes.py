"""The writes of a job's row. Each is guarded by the statuses that allow it, so of two callers one wins."""

from collections.abc import Sequence

from models.errors import IllegalTransition, JobNotFound
from models.job import Job, now
from models.lifecycle import JobStatus, sources_of
from models.store.reader import Query, Row
from models.store.transaction import Work
from models.validation import NewJob

__all__ = ["created", "held", "moved"]

_NAMES = tuple(Job._meta.fields_db_projection.values())  # noqa: SLF001  # the columns of the table
_COLUMNS = ", ".join(f'"{name}"' for name in _NAMES)


def created(new: NewJob) -> Work[Job]:
    """A new row, QUEUED."""
    at = now()
    values = {
        "name": new.name,
        "model_name": new.model_name,
        "searchable": Job.folded(new.name, new.model_name),
        "status": JobStatus.QUEUED.value,
        "epochs": new.epochs,
        "steps_per_epoch": new.steps_per_epoch,
        "learning_rate": new.learning_rate,
        "scenario": new.scenario,
        "schedule": new.schedule,
        "seed": new.seed,
        "batch_size": new.batch_size,
        "metric_count": 0,
        "furthest_step": 0,
        "created_at": at,
        "updated_at": at,
        "status_changed_at": at,
    }
    columns, places = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
    insert = f'INSERT INTO "job" ({columns}) VALUES ({places}) RETURNING {_COLUMNS}'  # noqa: S608  # names of ours
    (row,) = yield Query(insert, [*values.values()])
    return _job(row)


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
    changes, statuses = ", ".join(f'"{name}" = ?' for name in values), ", ".join("?" * len(sources))
    update = f'UPDATE "job" SET {changes} WHERE "id" = ? AND "status" IN ({statuses}) RETURNING {_COLUMNS}'  # noqa: S608  # names of ours, and places
    rows = yield Query(update, [*values.values(), id, *sources])
    return (yield from _won(rows, id, verb))


def held(id: int, verb: str) -> Work[Job]:
    """Take the RUNNING job's row until the transaction ends, and give it as it is. Raises as `moved`."""
    # A write that changes nothing: in every store it takes the row's lock.
    rows = yield Query(_HOLD, [id, JobStatus.RUNNING.value])
    return (yield from _won(rows, id, verb))


_HOLD = f'UPDATE "job" SET "metric_count" = "metric_count" WHERE "id" = ? AND "status" = ? RETURNING {_COLUMNS}'  # noqa: S608  # names of ours
_READ = f'SELECT {_COLUMNS} FROM "job" WHERE "id" = ?'  # noqa: S608  # as above


def _won(rows: Sequence[Row], id: int, verb: str) -> Work[Job]:
    """The job of the one row that was written; who wrote none is told why."""
    if rows:
        return _job(rows[0])
    there = yield Query(_READ, [id])
    if not there:
        raise JobNotFound(id)
    raise IllegalTransition(_job(there[0]), verb)


def _job(row: Row) -> Job:
    return Job._init_from_db(**dict(zip(_NAMES, row, strict=True)))  # noqa: SLF001  # as Tortoise makes them of rows
