"""The subscriptions."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

import strawberry
from graphql import GraphQLError

from graph.context import GraphInfo
from graph.schema.alert import Alert, as_alert
from graph.schema.arguments import bad_argument, in_range, job_id_in
from graph.schema.job import DeletedJob, Job
from graph.schema.job_list import JobFilter
from graph.schema.metric import Metric
from models.cursors import change_of
from models.feed.channel import AlertRaised
from models.validation import name_or_none

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
        description="A job as it is after its creation and each change of its status, of being lost, stopped, resumed, "
        "archived or edited; all jobs, one, or those of a filter. With `since`, first each job that changed after it, "
        "as it now is, then live: no change is missed. That of one job completes when the job has ended, or is "
        "deleted. With `everyMs`, also a RUNNING job as it is whenever points were recorded: each job at most once in "
        "that time, and always its latest in the end. Changes do not wait for that, and after a job's end no progress "
        "of it comes."
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
                "null for changes alone."
            ),
        ] = None,
        current: Annotated[
            bool,
            strawberry.argument(
                description="Whether to begin with the job as it now is, so that nothing is missed between a query and "
                "this; for one job only."
            ),
        ] = False,
        filter: Annotated[
            JobFilter | None,
            strawberry.argument(
                description="Only the jobs that it means, as they now are. Where it is null, archived jobs are among "
                "them."
            ),
        ] = None,
        since: Annotated[
            str | None,
            strawberry.argument(description="The `cursor` of the last event seen; null for what happens from now on."),
        ] = None,
    ) -> AsyncGenerator[Job, None]:
        in_range("everyMs", every_ms, MIN_PROGRESS_MS, MAX_PROGRESS_MS)
        if current and id is None:
            raise bad_argument("current", "is for one job: name its id.")
        job = None if id is None else await _existing(info, id, "id")
        every = None if every_ms is None else every_ms / 1000
        given = None if filter is None else filter.of_domain()
        change = await _change(info, since)
        jobs = info.context.streams.changes.follow(job, every, current, filter=given, since=change)
        return cast("AsyncGenerator[Job, None]", jobs)

    @strawberry.subscription(
        description="Jobs as they are deleted; with `since`, first those that were deleted after it: deletions are "
        "known for 30 days."
    )
    async def job_deleted(
        self,
        info: GraphInfo,
        since: Annotated[
            str | None,
            strawberry.argument(
                description="The `cursor` of the last event seen, or of a job; null for what happens from now on."
            ),
        ] = None,
    ) -> AsyncGenerator[DeletedJob, None]:
        deletions = info.context.streams.changes.deletions(await _change(info, since))
        return cast("AsyncGenerator[DeletedJob, None]", deletions)

    @strawberry.subscription(description="Each alert once, when it is raised; of all jobs, of one, or of a project's.")
    async def alert_raised(
        self,
        info: GraphInfo,
        job_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only those of this job.")] = None,
        project: Annotated[str | None, strawberry.argument(description="Only those of jobs of this project.")] = None,
    ) -> AsyncGenerator[Alert, None]:
        job = None if job_id is None else await _existing(info, job_id, "jobId")
        named = None if project is None else name_or_none(project) or ""
        return _shown(info.context.streams.alerts.follow(job, named))


async def _shown(events: AsyncGenerator[AlertRaised, None]) -> AsyncGenerator[Alert, None]:
    async with aclosing(events):
        async for event in events:
            yield as_alert(event.alert)


async def _existing(info: GraphInfo, id: strawberry.ID, argument: str) -> int:
    job_id = job_id_in(argument, id)
    if not await info.context.streams.has_job(job_id):
        raise GraphQLError(f"There is no job with the id {id}.", extensions={"code": "NOT_FOUND"})
    return job_id


async def _change(info: GraphInfo, cursor: str | None) -> int | None:
    """The number of the change that a cursor stands for. Raises GraphQLError where it is none of this store's."""
    if cursor is None:
        return None
    try:
        change = change_of(cursor)
    except ValueError as error:
        raise bad_argument("since", str(error)) from error
    if change > await info.context.streams.changes.count():
        raise bad_argument("since", "is a cursor of a change that this store never had: read the jobs anew.")
    return change
