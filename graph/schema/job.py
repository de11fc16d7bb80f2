"""A training job, as the API shows it and as it takes it."""

from datetime import datetime
from typing import Annotated, cast

import strawberry

from graph.context import GraphInfo
from graph.plans.fields import computed
from graph.schema.arguments import bad_argument, in_range
from graph.schema.enums import JobStatus, Scenario, Schedule
from graph.schema.metric import Curve, Metric, as_metrics
from models.curves.curve import MAX_POINTS, MIN_POINTS, Wanted
from models.errors import InvalidInput
from models.job import Job as JobRow
from models.lifecycle import progress_of
from models.points import MAX_READ
from models.validation import check_value_name

__all__ = ["CreateJobInput", "Job", "as_job"]


@strawberry.type(description="One training run: its settings, its status and its points.")
class Job:
    """A `JobRow` to GraphQL, which resolves the fields on it by their names; none of these is ever made."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="The name of the run.")
    model_name: str = strawberry.field(description="The model that is trained.")
    status: JobStatus = strawberry.field(description="Its status.")
    epochs: int = strawberry.field(description="Passes over the data that the run is to make.")
    steps_per_epoch: int = strawberry.field(description="Steps in one epoch.")
    total_steps: int = computed(
        "epochs * steps_per_epoch", description="Steps of the whole run: epochs × stepsPerEpoch."
    )
    learning_rate: float = strawberry.field(description="The learning rate that the schedule starts from.")
    batch_size: int = strawberry.field(description="Examples in one step.")
    scenario: Scenario = strawberry.field(description="How the simulated run develops.")
    schedule: Schedule = strawberry.field(description="How the learning rate of the simulated run changes.")
    seed: int = strawberry.field(description="Seed of a simulated run's noise: the same seed, the same curves.")
    metric_count: int = strawberry.field(description="Points recorded so far: the `seq` of the latest.")
    progress: float = computed(
        "progress_of(status, furthest_step, epochs * steps_per_epoch)",
        progress_of=progress_of,
        description="0 to 1: the furthest step recorded over `totalSteps`; 1 once COMPLETE.",
    )
    created_at: datetime = strawberry.field(description="When it was created, in UTC.")
    updated_at: datetime = strawberry.field(description="When it last changed, its points included, in UTC.")
    started_at: datetime | None = strawberry.field(description="When it was started; null before.")
    finished_at: datetime | None = strawberry.field(description="When it completed or failed; null before.")
    failure_reason: str | None = strawberry.field(description="Why it failed; null unless FAILED.")

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
            check_value_name("name", name)
        except InvalidInput as error:
            raise bad_argument("name", error.message) from error
        wanted = Wanted(job.id, job.metric_count, name, points, first, last)
        return Curve.of(name, await info.context.curve(wanted))


def as_job(row: JobRow) -> Job:
    """A stored job, for a resolver to return."""
    return cast("Job", row)


@strawberry.input(description="The settings of a new job.")
class CreateJobInput:
    name: str = strawberry.field(description="The name of the run: 1 to 200 characters.")
    model_name: str = strawberry.field(description="The model that is trained: 1 to 200 characters.")
    epochs: int = strawberry.field(description="Passes over the data: 1 to 100000.")
    learning_rate: float = strawberry.field(description="Above 0, at most 1000.")
    steps_per_epoch: int = strawberry.field(default=100, description="Steps in one epoch: 1 to 1000000.")
    scenario: Scenario = strawberry.field(default=Scenario.HEALTHY, description="How the simulated run develops.")
    schedule: Schedule = strawberry.field(
        default=Schedule.CONSTANT, description="How the learning rate of the simulated run changes."
    )
    seed: int | None = strawberry.field(
        default=None, description="Seed of a simulated run's noise, 0 or more; random where it is null."
    )
    batch_size: int = strawberry.field(default=32, description="Examples in one step: a power of two.")
