"""The queries."""

import asyncio
from typing import Annotated, cast

import strawberry

from graph.context import GraphInfo
from graph.schema.alert import AlertQuery, alert_or_rule
from graph.schema.arguments import bad_argument, in_range, job_id_in
from graph.schema.enums import JobStatus
from graph.schema.errors import InvalidInput, failures_as_data, result_of
from graph.schema.job import Job, JobConnection, Node, as_job, connection
from graph.schema.job_input import CreateJobInput
from graph.schema.job_list import JobFilter, JobOrder, Project
from graph.schema.metric import Curve
from graph.schema.scalars import Long
from models.curves.curve import MIN_POINTS
from models.errors import JobNotFound
from models.job_list import JobOrder as JobOrderRow
from models.job_list import list_projects
from models.job_reads import MAX_PAGE, job_of_key, newest_first
from models.validation import is_job_id
from simulator.preview import MAX_PREVIEW, preview

__all__ = ["Query"]


@strawberry.type(description="What a simulated run would look like.")
class JobPreview:
    total_steps: Long = strawberry.field(description="Steps of the whole run: epochs × stepsPerEpoch.")
    curves: list[Curve] = strawberry.field(
        description="One for each name that a simulated run measures: loss, accuracy, learningRate, grad_norm, "
        "tokens_per_second, val_loss and val_accuracy, in this order. `seq` equals `step`."
    )


PreviewJobResult = Annotated[JobPreview | InvalidInput, result_of("previewJob")]


@strawberry.type(description="Reads of jobs and points. Every read is fresh.")
class Query(AlertQuery):
    @strawberry.field(
        description="All jobs that are not archived, newest first (by `createdAt`, then `id`), a page at a time."
    )
    async def jobs(
        self,
        info: GraphInfo,
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
        limit: Annotated[int, strawberry.argument(description="The most jobs to return: 1 to 500.")] = 100,
        project: Annotated[
            str | None, strawberry.argument(description="Only jobs of this project; of all where it is null.")
        ] = None,
    ) -> list[Job]:
        in_range("limit", limit, 1, MAX_PAGE)
        last = None if after is None else job_id_in("after", after)
        reading = newest_first(
            info.context.database.reader, status=status, search=search, after=last, limit=limit, project=project
        )
        try:
            rows = await (info.context.operations.read(reading) if search else reading)
        except JobNotFound as error:
            raise bad_argument("after", error.message) from error
        return [as_job(row) for row in rows]

    @strawberry.field(description="One job; null where there is no such job.")
    async def job(
        self, info: GraphInfo, id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]
    ) -> Job | None:
        row = await info.context.job(job_id_in("id", id))
        return None if row is None else as_job(row)

    @strawberry.field(description="The job that a createJob with this key made; null where there is none.")
    async def job_by_key(
        self, info: GraphInfo, key: Annotated[str, strawberry.argument(description="As createJob was given it.")]
    ) -> Job | None:
        row = await job_of_key(info.context.database.reader, key)
        return None if row is None else as_job(row)

    @strawberry.field(description="Jobs by any order, as a connection.")
    async def job_list(
        self,
        info: GraphInfo,
        first: Annotated[int, strawberry.argument(description="The most to return: 1 to 500.")] = 50,
        after: Annotated[
            str | None,
            strawberry.argument(description="A cursor of the same filter and order: the page begins behind it."),
        ] = None,
        filter: Annotated[
            JobFilter | None,
            strawberry.argument(description="Only such jobs; all that are not archived where it is null."),
        ] = None,
        order_by: Annotated[
            JobOrder | None, strawberry.argument(description="The order; the newest first where it is null.")
        ] = None,
    ) -> JobConnection:
        order = JobOrderRow() if order_by is None else order_by.of_domain()
        return await connection(info, (filter or JobFilter()).of_domain(), order, first, after)

    @strawberry.field(description="The projects that have jobs, that of the latest activity first.")
    async def projects(self, info: GraphInfo) -> list[Project]:
        return cast("list[Project]", await info.context.operations.read(list_projects(info.context.database.reader)))

    @strawberry.field(
        description="What is known by an id that no other thing has: a job by its number; ids of other types carry a "
        "prefix. Null where there is no such thing."
    )
    async def node(
        self, info: GraphInfo, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Node | None:
        if not is_job_id(id):
            return await alert_or_rule(info, id)
        row = await info.context.job(int(id))
        return None if row is None else as_job(row)

    @strawberry.field(
        description="What a simulated run of these settings would look like; nothing is stored. The points are those "
        "that the job would record. Where no `seed` is given it is 0, so that the preview stays the same while "
        "other settings change; a job that is created draws its own."
    )
    @failures_as_data
    async def preview_job(
        self,
        info: GraphInfo,
        input: Annotated[CreateJobInput, strawberry.argument(description="The settings, as for `createJob`.")],
        points: Annotated[
            int,
            strawberry.argument(
                description="The most points of each curve, 2 to 1000: steps spread evenly from the first to the last "
                "that has a point, and for validation the ends of epochs nearest to them."
            ),
        ] = 100,
    ) -> PreviewJobResult:
        in_range("points", points, MIN_POINTS, MAX_PREVIEW)
        new = input.new_job()
        # Tens of milliseconds, in which others are served.
        made = await info.context.operations.read(asyncio.to_thread(preview, new, points))
        curves = [Curve.of(name, curve) for name, curve in made.curves.items()]
        return JobPreview(total_steps=Long(made.total_steps), curves=curves)
