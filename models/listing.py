"""The list of jobs, newest first, a page at a time."""

from collections.abc import Sequence

from tortoise.expressions import Q

from models.errors import JobNotFound
from models.job import Job
from models.lifecycle import JobStatus

__all__ = ["MAX_PAGE", "newest_first"]

MAX_PAGE = 500
"""The most jobs on one page."""


async def newest_first(
    *, status: Sequence[JobStatus] | None, search: str | None, after: int | None, limit: int
) -> list[Job]:
    """Jobs by creation, the newest first, then by id, beginning below the job with the id `after`.

    `status`: only these; `search`: only those with this text in their name or model name, whatever its case. The page
    begins at its place in an index, so its cost does not grow with depth. Raises JobNotFound where `after` is no job.
    """
    query = Job.all()
    if status is not None:
        query = query.filter(status__in=status)
    if search:
        query = query.filter(Q(name__icontains=search) | Q(model_name__icontains=search))
    if after is not None:
        last = await Job.get_or_none(id=after)
        if last is None:
            raise JobNotFound(after)
        # The first condition finds the place in the index, the second drops those of the same instant.
        below = Q(created_at__lt=last.created_at) | Q(id__lt=last.id)
        query = query.filter(Q(created_at__lte=last.created_at) & below)
    return await query.order_by("-created_at", "-id").limit(limit)
