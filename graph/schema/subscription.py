"""The subscriptions."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

import strawberry
from graphql import GraphQLError

from graph.context import GraphInfo
from graph.schema.arguments import bad_argument, in_range, job_id_in
from graph.schema.job import Job
from graph.schema.metric import Metric

__all__ = ["Subscription"]

MAX_EVERY_MS = 10_000
MIN_PROGRESS_MS, MAX_PROGRESS_MS = 100, 60_000


@strawberry.type(description="Streams that lose nothing and repeat nothing.")
class Subscription:
    # Coroutines that give a generator, not generators: what they raise before it begins refuses the operation.

    @strawberry.subscription(
        description="Every point of the job with `seq` > `after`, in the order of `seq`, each exactly once: first what "
        "is stored, then live. Completes when the job has ended and its last point was sent."
    )
    async def metric_added(
        self,
        info: GraphInfo,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")],
        after: Annotated[
            int | None,
            strawberry.argument(
                description="The `seq` of the last point already seen; null for only what is recorded from now on."
            ),
        ] = None,
    ) -> AsyncGenerator[Metric, None]:
        in_range("after", after, 0)
        job = await _existing(info, job_id, "jobId")
        return cast("AsyncGenerator[Metric, None]", info.context.streams.metrics(job, after))

    @strawberry.subscription(
        description="The same stream as `metricAdded`, with the same promises, in batches of all that is ready, up to "
        "1000 points: for replaying long runs, and for watching loops that log thousands of points a second."
    )
    async def metrics_added(
        self,
        info: GraphInfo,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")],
        after: Annotated[int | None, strawberry.argument(description="As for `metricAdded`.")] = None,
        every_ms: Annotated[
            int, strawberry.argument(description="The least time between two batches, in milliseconds: 0 to 10000.")
        ] = 100,
    ) -> AsyncGenerator[list[Metric], None]:
        in_range("after", after, 0)
        in_range("everyMs", every_ms, 0, MAX_EVERY_MS)
        job = await _existing(info, job_id, "jobId")
        batches = info.context.streams.batches(job, after, every_ms / 1000)
        return cast("AsyncGenerator[list[Metric], None]", batches)

    @strawberry.subscription(
        description="A job as it is after each change of its status, its creation included; all jobs, or one. "
        "That of one job completes when the job has ended. With `everyMs`, also a RUNNING job as it is whenever points "
        "were recorded: each job at most once in that time, and always its latest in the end. Changes of status do not "
        "wait for that, and after a job's end nothing more of it comes."
    )
    async def job_changed(
        self,
        info: GraphInfo,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only this job; all where it is null.")
        ] = None,
        every_ms: Annotated[
            int | None,
            strawberry.argument(
                description="The least time between two reports of one job's progress, in milliseconds: 100 to 60000; "
                "null for changes of status alone."
            ),
        ] = None,
        current: Annotated[
            bool,
            strawberry.argument(
                description="Whether to begin with the job as it now is, so that nothing is missed between a query and "
                "this; for one job only."
            ),
        ] = False,
    ) -> AsyncGenerator[Job, None]:
        in_range("everyMs", every_ms, MIN_PROGRESS_MS, MAX_PROGRESS_MS)
        if current and id is None:
            raise bad_argument("current", "is for one job: name its id.")
        job = None if id is None else await _existing(info, id, "id")
        every = None if every_ms is None else every_ms / 1000
        return cast("AsyncGenerator[Job, None]", info.context.streams.changes.follow(job, every, current))


async def _existing(info: GraphInfo, id: strawberry.ID, argument: str) -> int:
    job_id = job_id_in(argument, id)
    if not await info.context.streams.has_job(job_id):
        raise GraphQLError(f"There is no job with the id {id}.", extensions={"code": "NOT_FOUND"})
    return job_id
