"""A training job, as the API shows it and as it takes it."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Self, cast

import orjson
import strawberry

from graph.context import GraphInfo
from graph.plans.fields import computed, part
from graph.schema.arguments import bad_argument, in_range, path_in
from graph.schema.enums import CurveAxis, JobStatus, Outcome, Scenario, Schedule
from graph.schema.metric import Curve, Metric, as_metrics
from graph.schema.paging import PageInfo
from graph.schema.scalars import JSON, Long
from graph.schema.series import Series
from models.attempts import Cuts
from models.config import value_at
from models.cursors import cursor_of
from models.curves.curve import MAX_CURVES, MAX_POINTS, MIN_POINTS, Wanted
from models.curves.curve import Curve as CurveRead
from models.errors import InvalidInput
from models.job import Job as JobRow
from models.job import latest, moment_of
from models.job_list import BadCursor, JobFilter, JobOrder, Listed
from models.job_reads import MAX_PAGE
from models.lifecycle import ended_early, steps_per_epoch_of, total_steps_of
from models.metric import microseconds
from models.points import MAX_READ
from models.validation import MAX_LONG, check_series_name, series_names

__all__ = ["DeletedJob", "Job", "JobConnection", "JobEdge", "Node", "as_job", "connection"]


@strawberry.type(description="What a simulated run is made of.")
class Simulation:
    scenario: Scenario = strawberry.field(description="How it develops.")
    schedule: Schedule = strawberry.field(description="How its learning rate changes.")
    seed: int = strawberry.field(description="Seed of its noise: the same seed, the same curves.")


@strawberry.type(description="One attempt of a job.")
class Attempt:
    """An `Attempt` of the domain to GraphQL, which resolves the fields on it by their names."""

    number: int = strawberry.field(description="1, 2, 3…")
    started_at: datetime = strawberry.field(description="When it started.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it runs.")
    outcome: Outcome | None = strawberry.field(description="How it ended; null while it runs.")
    from_step: Long | None = strawberry.field(
        description="The step of the checkpoint it began at; null for the first, and for one that went on where the "
        "last had ended."
    )
    first_seq: int = strawberry.field(description="The seq of its first point, whether it has one yet or not.")


@strawberry.type(description="That the loop of a job is to end by itself.")
class Stop:
    requested_at: datetime = computed("stop_requested_at", description="When it was requested.")
    received_at: datetime | None = computed("stop_received_at", description="When an answer first told the loop.")
    reason: str | None = computed("stop_reason", description="Why; null where nobody said.")


@strawberry.interface(description="What is known by an id that no other thing has.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Its id. A job's is its number; those of other types have a prefix."
    )


@strawberry.type(description="One training run: what it is, its status and its points.")
class Job(Node):
    """A `JobRow` to GraphQL, which resolves the fields on it by their names; none of these is ever made."""

    @classmethod
    def is_type_of(cls, value: object, _: object) -> bool:
        """Whether a value is a job: it is the row of one."""
        return isinstance(value, JobRow)

    name: str = strawberry.field(description="The name of the run.")
    project: str = strawberry.field(description="Where it belongs; `default`, unless said otherwise.")
    group: str | None = computed("group_name", description="What it is compared with; null where nobody said.")
    tags: list[str] = computed(
        "loads(tag_list)", loads=orjson.loads, description="Labels, each once, in the order given."
    )
    notes: str = strawberry.field(description="Whatever was noted of it; empty where nothing was.")
    model_name: str | None = strawberry.field(description="The model that is trained; null where nobody said.")
    status: JobStatus = strawberry.field(description="Its status.")
    epochs: int | None = strawberry.field(
        description="Passes over the data that the run is to make; null where nobody said."
    )
    steps_per_epoch: int | None = computed(
        "steps_per_epoch_of(epochs, stated_steps_per_epoch, stated_total_steps, kind)",
        steps_per_epoch_of=steps_per_epoch_of,
        description="Steps in one epoch; null where they are not known. Of a job with `epochs` that says neither them "
        "nor `totalSteps` the simulator's 100, until it logs a point.",
    )
    total_steps: Long | None = computed(
        "total_steps_of(epochs, stated_steps_per_epoch, stated_total_steps, kind)",
        total_steps_of=total_steps_of,
        description="Steps of the whole run: as they were said, else epochs × stepsPerEpoch; null for a run without a "
        "known end.",
    )
    learning_rate: float | None = strawberry.field(
        description="The learning rate that it started from; null where nobody said."
    )
    batch_size: int | None = strawberry.field(description="Examples in one step; null where nobody said.")
    simulation: Simulation | None = part(
        "None not in (scenario, schedule, seed)",
        description="What the simulated run is made of; null for a job that logs, and for one that has no point yet "
        "and did not ask for a simulation.",
    )
    scenario: Scenario | None = strawberry.field(description="How the simulated run develops: that of `simulation`.")
    schedule: Schedule | None = strawberry.field(
        description="How the learning rate of the simulated run changes: that of `simulation`."
    )
    seed: int | None = strawberry.field(
        description="Seed of a simulated run's noise: the same seed, the same curves. That of `simulation`."
    )
    metric_count: int = strawberry.field(description="Points recorded so far: the `seq` of the latest.")
    progress: float | None = strawberry.field(
        description="0 to 1: the furthest step recorded over `totalSteps`, of points that are not superseded and have "
        "a name outside system/; 1 once COMPLETE; else null where the total is unknown or was passed.",
    )
    created_at: datetime = strawberry.field(description="When it was created, in UTC.")
    updated_at: datetime = strawberry.field(description="When it last changed, its points included, in UTC.")
    started_at: datetime | None = strawberry.field(description="When its first attempt started; null before.")
    finished_at: datetime | None = strawberry.field(description="When its last attempt ended; null while it runs.")
    archived_at: datetime | None = strawberry.field(description="When it was archived; null where it is not.")
    last_point_at: datetime | None = strawberry.field(description="When its latest point was stored.")
    last_seen_at: datetime | None = computed(
        "latest(moment(last_point_at), moment(last_beat_at))",
        latest=latest,
        moment=moment_of,
        description="The loop's last sign: a point, or a heartbeat.",
    )
    lost_since: datetime | None = strawberry.field(
        description="Since when it has missed the signs that it promised; null where it is not lost."
    )
    cursor: str = computed(
        "cursor_of(change)",
        cursor_of=cursor_of,
        description="Where its last change stands among the changes of all jobs, for `jobChanged(since:)`. Opaque.",
    )
    attempt: int = strawberry.field(description="1, and one more with each resume.")
    stop: Stop | None = part(
        "stop_requested_at is not None", description="Null unless a stop was requested in this attempt."
    )
    outcome: Outcome | None = strawberry.field(
        description="How it ended; null until it has. A job that completes after a stop was requested has STOPPED."
    )
    ended_early: bool = computed(
        "ended_early(status, progress_step, total_steps_of(epochs, stated_steps_per_epoch, stated_total_steps, kind))",
        ended_early=ended_early,
        total_steps_of=total_steps_of,
        description="Whether it is COMPLETE, though its total is known and was not reached.",
    )
    failure_reason: str | None = strawberry.field(description="Why it failed; null unless FAILED.")

    @strawberry.field(
        description="What it was set up with, as it was said; all of it, or what stands at a path: the longest literal "
        "key first, then by dots and list places (optimizer.lr). What looks like a secret is masked; the mask written "
        "back changes nothing."
    )
    async def config(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        path: Annotated[
            str | None, strawberry.argument(description="Such as optimizer.lr; all where it is null.")
        ] = None,
    ) -> JSON | None:
        path = None if path is None else path_in("path", path)
        config = (await info.context.config(job)).config
        return cast("JSON | None", config if path is None else value_at(config, path))

    @strawberry.field(description="Where it runs, as its loop says: host, user, command, commit, client…")
    async def source(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
    ) -> JSON | None:
        return cast("JSON | None", (await info.context.config(job)).source)

    @strawberry.field(
        description="Empty until it was started; a job that failed while queued has one, started and ended then."
    )
    async def attempts(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
    ) -> list[Attempt]:
        return cast("list[Attempt]", await info.context.attempts(job))

    @strawberry.field(description="The job that it is a part of.")
    async def parent(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
    ) -> "Job | None":
        row = None if job.parent_id is None else await info.context.job(job.parent_id)
        return None if row is None else as_job(row)

    @strawberry.field(description="The jobs that are a part of it, the newest first.")
    async def children(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        first: Annotated[int, strawberry.argument(description="The most to return: 1 to 500.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="The cursor of the last already seen.")] = None,
    ) -> "JobConnection":
        return await connection(info, JobFilter(archived=None, parent_id=job.id), JobOrder(), first, after)

    @strawberry.field(
        description="Every name that was logged, or those asked for, in the order of their first points, of points "
        "that are not superseded. It costs what it reads."
    )
    async def series(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        names: Annotated[
            list[str] | None, strawberry.argument(description="Only these names; all where it is null.")
        ] = None,
    ) -> list[Series]:
        wanted = None if names is None else series_names(names)
        return cast("list[Series]", await info.context.series(job, wanted))

    @strawberry.field(description="Its points with `seq` > `after`, by `seq`, the first `limit` of them.")
    async def metrics(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        limit: Annotated[int, strawberry.argument(description="The most points to return: 1 to 10000.")] = 200,
        after: Annotated[
            int, strawberry.argument(description="The `seq` of the last point already seen; 0 for none.")
        ] = 0,
    ) -> list[Metric]:
        in_range("limit", limit, 1, MAX_READ)
        in_range("after", after, 0)
        return as_metrics(await info.context.metrics_after(job, after, limit))

    @strawberry.field(description="Its last `count` points, in ascending order of `seq`.")
    async def latest_metrics(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        count: Annotated[int, strawberry.argument(description="The most points to return: 1 to 10000.")] = 1,
    ) -> list[Metric]:
        in_range("count", count, 1, MAX_READ)
        return as_metrics(await info.context.latest_metrics(job, count))

    @strawberry.field(
        description="One named value over the steps, of the points recorded up to `metricCount`. Where several points "
        "of one step carry the name, the one with the highest `seq` counts. A curve of no more than `points` values is "
        "returned whole and exactly; a longer one is downsampled so that no spike is lost: the first and last value, "
        "the lowest and the highest are always there, and a stretch that is not finite is there as its first and its "
        "last value, as long as these are no more than half of `points`. (Below 10 points nothing is chosen: they are "
        "spread evenly.) A name that was never logged has empty lists."
    )
    async def curve(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        points: Annotated[int, strawberry.argument(description="The most points to return: 2 to 10000.")] = 500,
        first: Annotated[
            int | None,
            strawberry.argument(name="from", description="The first step to show; null for the first there is."),
        ] = None,
        last: Annotated[
            int | None,
            strawberry.argument(name="to", description="The last step to show; null for the last there is."),
        ] = None,
        name: Annotated[str, strawberry.argument(description="The name of the value, as it was logged.")] = "loss",
    ) -> Curve:
        in_range("points", points, MIN_POINTS, MAX_POINTS)
        try:
            logged = check_series_name("name", name)
        except InvalidInput as error:
            raise bad_argument("name", error.message) from error
        wanted = Wanted(job.id, job.metric_count, name, points, first, last, cuts=Cuts.of(job).pairs)
        return Curve.of(name, await _curve(info, wanted, logged))

    @strawberry.field(
        description="Named values over an axis, in the order of `names`, each downsampled as `curve` is, superseded "
        "points left out. By STEP each step once, the point with the highest `seq` counting; by TIME and ORDER every "
        "point. Names that were never logged have empty lists."
    )
    async def curves(
        job: strawberry.Parent[JobRow],  # noqa: N805  # what GraphQL resolves on is no Job
        info: GraphInfo,
        names: Annotated[list[str], strawberry.argument(description="The names of the values: at most 100.")],
        points: Annotated[
            int, strawberry.argument(description="The most points of each curve to return: 2 to 10000.")
        ] = 500,
        axis: Annotated[CurveAxis, strawberry.argument(description="What they are drawn over.")] = CurveAxis.STEP,
        first: Annotated[
            float | None,
            strawberry.argument(name="from", description="Where on the axis to begin; null for the first point."),
        ] = None,
        last: Annotated[
            float | None,
            strawberry.argument(name="to", description="Where on the axis to end; null for the last point."),
        ] = None,
    ) -> list[Curve]:
        in_range("points", points, MIN_POINTS, MAX_POINTS)
        if len(names) > MAX_CURVES:
            raise bad_argument("names", f"must be at most {MAX_CURVES}, got {len(names)}.")
        try:
            logged = [check_series_name(f"names[{place}]", name) for place, name in enumerate(names)]
        except InvalidInput as error:
            raise bad_argument("names", f"{error.field}: {error.message}") from error
        origin = microseconds(job.started_at or job.created_at)
        begin, end = (_place(each, axis, origin, whole) for each, whole in ((first, math.ceil), (last, math.floor)))
        cuts = Cuts.of(job).pairs
        read = await asyncio.gather(
            *(
                _curve(info, Wanted(job.id, job.metric_count, name, points, begin, end, axis, cuts), stored)
                for name, stored in zip(names, logged, strict=True)
            )
        )
        return [Curve.of(name, curve, axis, origin) for name, curve in zip(names, read, strict=True)]


async def _curve(info: GraphInfo, wanted: Wanted, logged: str) -> CurveRead:
    """The curve of a name as it is given, for old versions stored it so; else of the name as it is `logged` now."""
    curve = await info.context.curve(wanted)
    return curve if len(curve.seq) or wanted.name == logged else await info.context.curve(wanted._replace(name=logged))


def _place(x: float | None, axis: CurveAxis, origin: int, whole: Callable[[float], int]) -> int | None:
    """Where a curve begins or ends, as `Wanted` has it; `whole` rounds to a step or a seq."""
    if x is None:
        return None
    if axis is CurveAxis.TIME:
        return origin + round(min(max(x, -1e12), 1e12) * 1e6)
    return whole(min(max(x, -1), float(MAX_LONG)))


@strawberry.type(description="A job that was deleted.")
class DeletedJob:
    """A `Deletion` of the domain to GraphQL, which resolves the fields on it by their names."""

    id: strawberry.ID = strawberry.field(description="Its id, which no other job will ever have.")
    cursor: str = strawberry.field(
        description="Where its deletion stands among the changes of all jobs, for `jobDeleted(since:)`. Opaque."
    )


def as_job(row: JobRow) -> Job:
    """A stored job, for a resolver to return."""
    return cast("Job", row)


@strawberry.type(description="A job in a list.")
class JobEdge:
    node: Job = strawberry.field(description="The job.")
    cursor: str = strawberry.field(description="Its place, for `after` with the same filter and order. Opaque.")


@strawberry.type(description="A page of a list of jobs.")
class JobConnection:
    edges: list[JobEdge] = strawberry.field(description="The jobs with their cursors.")
    nodes: list[Job] = strawberry.field(description="The jobs alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    filter: strawberry.Private[JobFilter]

    @strawberry.field(description="How many jobs the filter means, on all pages together.")
    async def total_count(self, info: GraphInfo) -> int:
        return await info.context.count_jobs(self.filter)

    @classmethod
    def of(cls, listed: Listed, filter: JobFilter, after: str | None) -> Self:
        """The page as the API shows it."""
        nodes = [as_job(job) for job in listed.jobs]
        return cls(
            edges=[JobEdge(node=node, cursor=cursor) for node, cursor in zip(nodes, listed.cursors, strict=True)],
            nodes=nodes,
            page_info=PageInfo.of(listed.cursors, has_next=listed.has_next, after=after),
            filter=filter,
        )


async def connection(
    info: GraphInfo, filter: JobFilter, order: JobOrder, first: int, after: str | None
) -> JobConnection:
    """The first `first` jobs behind `after`. Raises GraphQLError where an argument breaks a rule."""
    in_range("first", first, 1, MAX_PAGE)
    try:
        listed = await info.context.list_jobs(filter, order, first, after)
    except BadCursor as error:
        raise bad_argument("after", str(error)) from error
    return JobConnection.of(listed, filter, after)
