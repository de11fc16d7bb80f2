"""The list of jobs, newest first, a page at a time."""

from collections.abc import Collection, Iterable
from typing import Any

from models.errors import JobNotFound
from models.job import Job, searchable
from models.job_reads import find_job, jobs_of
from models.lifecycle import JobStatus
from models.store.sql import select
from models.store.statements import Query, Reader
from models.validation import MAX_NAME, has_control_characters

__all__ = ["MAX_PAGE", "newest_first", "newest_query"]

MAX_PAGE = 500
"""The most jobs on one page."""


def newest_query(columns: Iterable[str], status: JobStatus | None, limit: int) -> Query:
    """The query for columns of the first page of all jobs, or of those in one status."""
    return _page(columns, {} if status is None else {'"status" = ?': [status.value]}, limit)


async def newest_first(
    reader: Reader, *, status: Collection[JobStatus] | None, search: str | None, after: int | None, limit: int
) -> list[Job]:
    """Jobs by creation, the newest first, then by id, beginning below the job with the id `after`.

    `status`: only these; `search`: only those with this text in their name or model name, whatever its case. The page
    begins at its place in an index, so its cost does not grow with depth. Raises JobNotFound where `after` is no job.
    """
    conditions: dict[str, list[Any]] = {}
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
        return await jobs_of(reader, _page(Job._fields, conditions, limit), in_thread=scans)
    # Each status has an index in this order, several at once would be sorted anew. Read in the order of a job's life:
    # one that moves on meanwhile is met twice and kept as it is last, never missed.
    found: dict[int, Job] = {}
    for each in JobStatus:
        if each in status:
            of_status = {'"status" = ?': [each.value]} | conditions
            found |= {
                job.id: job for job in await jobs_of(reader, _page(Job._fields, of_status, limit), in_thread=scans)
            }
    return sorted(found.values(), key=lambda job: (job.created_at, job.id), reverse=True)[:limit]


def _page(columns: Iterable[str], conditions: dict[str, list[Any]], limit: int) -> Query:
    """The query for the first page of the jobs that meet all conditions: SQL -> its parameters."""
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    parameters = [parameter for some in conditions.values() for parameter in some]
    return Query(select("job", columns, f'{where}ORDER BY "created_at" DESC, "id" DESC LIMIT ?'), [*parameters, limit])
