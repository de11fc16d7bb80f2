"""The reads of jobs' rows: by id, by status, and the list of them, newest first."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from models.errors import JobNotFound
from models.job import Job, searchable
from models.lifecycle import JobStatus
from models.store.sql import places, select
from models.store.statements import Query, Reader
from models.validation import MAX_NAME, has_control_characters, name_or_none

MAX_PAGE = 500
"""The most jobs on one page."""


def one_query(columns: Iterable[str], id: int) -> Query:
    """The query for columns of a job."""
    return Query(select("job", columns, 'WHERE "id" = ?'), [id])


def key_query(key: str) -> Query:
    """The query for the job that was made with a key."""
    return Query(select("job", Job._fields, 'WHERE "key" = ?'), [key])


async def find_job(reader: Reader, id: int) -> Job | None:
    """The job with that id, or None."""
    rows = await reader.rows(one_query(Job._fields, id))
    return Job.of(rows[0]) if rows else None


async def job_of_key(reader: Reader, key: str) -> Job | None:
    """The job that was made with a key, or None."""
    cleaned = name_or_none(key)
    rows = [] if cleaned is None else await reader.rows(key_query(cleaned))
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
    return {job.id: job for job in await _jobs(reader, Query(select("job", Job._fields, rest), [*ids]))}


async def changed_since(reader: Reader, change: int, limit: int) -> list[Job]:
    """The first jobs whose last change is a later one, as they now are, in the order of these changes."""
    rest = 'WHERE "change" > ? ORDER BY "change" LIMIT ?'
    return await _jobs(reader, Query(select("job", Job._fields, rest), [change, limit]))


async def promised_jobs(reader: Reader) -> list[Job]:
    """The RUNNING jobs whose loops promised signs."""
    rest = 'WHERE "status" = ? AND "beat_seconds" IS NOT NULL'
    return await _jobs(reader, Query(select("job", Job._fields, rest), [JobStatus.RUNNING.value]))


async def jobs_in(reader: Reader, status: JobStatus) -> list[Job]:
    """All jobs in a status."""
    query = Query(select("job", Job._fields, 'WHERE "status" = ?'), [status.value])
    return await _jobs(reader, query, in_thread=True)


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
    return await _jobs(reader, Query(select("job", Job._fields, 'WHERE "metric_count" >= ? ORDER BY "id"'), [least]))


async def jobs_named(reader: Reader, prefix: str) -> list[Job]:
    """The jobs whose name begins with `prefix`, which has neither % nor _, by id."""
    return await _jobs(reader, Query(select("job", Job._fields, 'WHERE "name" LIKE ? ORDER BY "id"'), [f"{prefix}%"]))


async def _jobs(reader: Reader, query: Query, *, in_thread: bool = False) -> list[Job]:
    """The jobs of a query for all columns."""
    return [Job.of(row) for row in await reader.rows(query, in_thread=in_thread)]


NOT_ARCHIVED = '"archived_at" IS NULL'


def newest_query(columns: Iterable[str], status: JobStatus | None, limit: int) -> Query:
    """The query for columns of the first page of all jobs that are not archived, or of those in one status."""
    return _page(columns, {NOT_ARCHIVED: []} | ({} if status is None else {'"status" = ?': [status.value]}), limit)


async def newest_first(
    reader: Reader,
    *,
    status: Collection[JobStatus] | None,
    search: str | None,
    after: int | None,
    limit: int,
    project: str | None = None,
) -> list[Job]:
    """Jobs that are not archived, the newest first, then by id, beginning below the job with the id `after`.

    `status`, `project`: only these; `search`: only those with this text in their name or model name, whatever its
    case. The page begins at its place in an index, so its cost does not grow with depth. Raises JobNotFound where
    `after` is no job.
    """
    conditions: dict[str, list[Any]] = {NOT_ARCHIVED: []}
    if project is not None:
        project = name_or_none(project)
        if project is None:
            return []
        conditions['"project" = ?'] = [project]
    if search:
        if len(search) > MAX_NAME or has_control_characters(search):
            return []  # no name is like that
        pattern = "".join(f"!{letter}" if letter in "%_!" else letter for letter in searchable(search))
        conditions["\"searchable\" LIKE ? ESCAPE '!'"] = [f"%{pattern}%"]
    if after is not None:
        last = await find_job(reader, after)
        if last is None:
            raise JobNotFound(after)
        # The first condition finds the place in the index, the second drops those of the same instant.
        conditions['"created_at" <= ? AND ("created_at" < ? OR "id" < ?)'] = [last.created_at, last.created_at, last.id]
    scans = bool(search)  # every job, until the page is full
    if status is None:
        return await _jobs(reader, _page(Job._fields, conditions, limit), in_thread=scans)
    # Each status has an index in this order, several at once would be sorted anew. Read in the order of a job's life:
    # one that moves on meanwhile is met twice and kept as it is last, never missed.
    found: dict[int, Job] = {}
    for each in JobStatus:
        if each in status:
            of_status = {'"status" = ?': [each.value]} | conditions
            found |= {job.id: job for job in await _jobs(reader, _page(Job._fields, of_status, limit), in_thread=scans)}
    return sorted(found.values(), key=lambda job: (job.created_at, job.id), reverse=True)[:limit]


def _page(columns: Iterable[str], conditions: dict[str, list[Any]], limit: int) -> Query:
    """The query for the first page of the jobs that meet all conditions: SQL -> its parameters."""
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    parameters = [parameter for some in conditions.values() for parameter in some]
    return Query(select("job", columns, f'{where}ORDER BY "created_at" DESC, "id" DESC LIMIT ?'), [*parameters, limit])
