"""The list of jobs, newest first, a page at a time."""

from collections.abc import Collection, Iterable, Mapping

from tortoise.expressions import Q
from tortoise.functions import Count
from tortoise.queryset import QuerySet

from models.errors import JobNotFound
from models.job import Job
from models.lifecycle import JobStatus
from models.store.reader import Query
from models.validation import MAX_NAME, has_control_characters

__all__ = ["MAX_PAGE", "count_by_status", "newest_first", "newest_query", "one_query"]

MAX_PAGE = 500
"""The most jobs on one page."""


def one_query(columns: Iterable[str], id: int) -> Query:
    """The query for columns of a job."""
    return Query(f"SELECT {_selected(columns)} FROM job WHERE id = ?", [id])  # noqa: S608  # our own names


def newest_query(columns: Iterable[str], status: JobStatus | None, limit: int) -> Query:
    """The query for columns of the first page of all jobs, or of those in one status."""
    where = "" if status is None else "WHERE status = ? "
    query = f"SELECT {_selected(columns)} FROM job {where}ORDER BY created_at DESC, id DESC LIMIT ?"  # noqa: S608  # our own names
    return Query(query, [limit] if status is None else [status.value, limit])


async def count_by_status() -> Mapping[JobStatus, int]:
    """How many jobs are in each status, read from an index."""
    rows = await Job.annotate(count=Count("id")).group_by("status").values_list("status", "count")
    return dict.fromkeys(JobStatus, 0) | {JobStatus(status): count for status, count in rows}


async def newest_first(
    *, status: Collection[JobStatus] | None, search: str | None, after: int | None, limit: int
) -> list[Job]:
    """Jobs by creation, the newest first, then by id, beginning below the job with the id `after`.

    `status`: only these; `search`: only those with this text in their name or model name, whatever its case. The page
    begins at its place in an index, so its cost does not grow with depth. Raises JobNotFound where `after` is no job.
    """
    query = Job.all().order_by("-created_at", "-id").limit(limit)
    if search:
        if len(search) > MAX_NAME or has_control_characters(search):
            return []  # no name is like that
        query = query.filter(searchable__contains=Job.folded(search))
    if after is not None:
        last = await Job.get_or_none(id=after)
        if last is None:
            raise JobNotFound(after)
        # The first condition finds the place in the index, the second drops those of the same instant.
        below = Q(created_at__lt=last.created_at) | Q(id__lt=last.id)
        query = query.filter(Q(created_at__lte=last.created_at) & below)
    return await query if status is None else await _of_statuses(query, status, limit)


async def _of_statuses(query: QuerySet[Job], wanted: Collection[JobStatus], limit: int) -> list[Job]:
    """The page of those in some statuses: each status has an index in this order, several at once would be sorted anew.

    Read in the order of a job's life: one that moves on meanwhile is met twice and kept as it is last, never missed.
    """
    found: dict[int, Job] = {}
    for status in JobStatus:
        if status in wanted:
            found |= {job.id: job for job in await query.filter(status=status)}
    return sorted(found.values(), key=lambda job: (job.created_at, job.id), reverse=True)[:limit]


def _selected(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
