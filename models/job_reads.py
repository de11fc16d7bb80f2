"""The reads of jobs' rows. Lists, page by page, are in `models.listing`."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from models.errors import JobNotFound
from models.job import Job
from models.lifecycle import JobStatus
from models.store.sql import places, select
from models.store.statements import Query, Reader

__all__ = [
    "changed_since",
    "count_by_status",
    "find_job",
    "get_job",
    "jobs_by_id",
    "jobs_named",
    "jobs_of",
    "one_query",
    "running_counts",
    "with_points",
]


def one_query(columns: Iterable[str], id: int) -> Query:
    """The query for columns of a job."""
    return Query(select("job", columns, 'WHERE "id" = ?'), [id])


async def find_job(reader: Reader, id: int) -> Job | None:
    """The job with that id, or None."""
    rows = await reader.rows(one_query(Job._fields, id))
    return Job.of(rows[0]) if rows else None


async def get_job(reader: Reader, id: int) -> Job:
    """The job with that id. Raises JobNotFound."""
    job = await find_job(reader, id)
    if job is None:
        raise JobNotFound(id)
    return job


async def jobs_by_id(reader: Reader, ids: Collection[int]) -> dict[int, Job]:
    """Those of the jobs that there are, by their ids, in one query."""
    rest = f'WHERE "id" IN ({places(ids)})'
    return {job.id: job for job in await jobs_of(reader, Query(select("job", Job._fields, rest), [*ids]))}


async def changed_since(reader: Reader, moment: datetime) -> list[Job]:
    """The jobs that took on their status then or later, in that order."""
    rest = 'WHERE "status_changed_at" >= ? ORDER BY "status_changed_at", "id"'
    return await jobs_of(reader, Query(select("job", Job._fields, rest), [moment]))


async def running_counts(reader: Reader) -> list[tuple[int, int]]:
    """(id, metric_count) of each RUNNING job."""
    query = Query(select("job", ("id", "metric_count"), 'WHERE "status" = ?'), [JobStatus.RUNNING.value])
    return [(id, count) for id, count in await reader.rows(query)]


async def count_by_status(reader: Reader) -> Mapping[JobStatus, int]:
    """How many jobs are in each status, read from an index."""
    rows = await reader.rows(Query('SELECT "status", count(*) FROM "job" GROUP BY "status"'), in_thread=True)
    return dict.fromkeys(JobStatus, 0) | {JobStatus(status): count for status, count in rows}


async def with_points(reader: Reader, least: int) -> list[Job]:
    """The jobs with at least so many points, by id."""
    return await jobs_of(reader, Query(select("job", Job._fields, 'WHERE "metric_count" >= ? ORDER BY "id"'), [least]))


async def jobs_named(reader: Reader, prefix: str) -> list[Job]:
    """The jobs whose name begins with `prefix`, which has neither % nor _, by id."""
    return await jobs_of(reader, Query(select("job", Job._fields, 'WHERE "name" LIKE ? ORDER BY "id"'), [f"{prefix}%"]))


async def jobs_of(reader: Reader, query: Query, *, in_thread: bool = False) -> list[Job]:
    """The jobs of a query for all columns."""
    return [Job.of(row) for row in await reader.rows(query, in_thread=in_thread)]
