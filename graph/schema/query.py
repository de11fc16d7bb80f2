"""What can be read."""

from typing import Annotated

import strawberry

from graph.schema.arguments import bad_argument, in_range
from graph.schema.enums import JobStatus
from graph.schema.job import Job, job_id_of
from models.errors import JobNotFound
from models.job import Job as JobRow
from models.listing import MAX_PAGE, newest_first

__all__ = ["Query"]


@strawberry.type(description="What can be read. Every read is fresh.")
class Query:
    @strawberry.field(description="All jobs, newest first (by `createdAt`, then `id`), a page at a time.")
    async def jobs(
        self,
        status: Annotated[
            list[JobStatus] | None, strawberry.argument(description="Only jobs in one of these; all where it is null.")
        ] = None,
        search: Annotated[
            str | None,
            strawberry.argument(description="Only jobs with this text in their name or model name, whatever its case."),
        ] = None,
        after: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The id of the last job already seen: the page begins below it."),
        ] = None,
        limit: Annotated[int, strawberry.argument(description="The most jobs to give: 1 to 500.")] = 100,
    ) -> list[Job]:
        in_range("limit", limit, 1, MAX_PAGE)
        try:
            last = None if after is None else job_id_of(after)
            rows = await newest_first(status=status, search=search, after=last, limit=limit)
        except JobNotFound as error:
            raise bad_argument("after", error.message) from error
        return [Job.of(row) for row in rows]

    @strawberry.field(description="One job; null where there is no such job.")
    async def job(self, id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]) -> Job | None:
        try:
            row = await JobRow.get_or_none(id=job_id_of(id))
        except JobNotFound as error:
            raise bad_argument("id", error.message) from error
        return None if row is None else Job.of(row)
