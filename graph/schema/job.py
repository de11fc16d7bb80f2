"""A training job, as the API shows it."""

from collections.abc import Hashable
from datetime import datetime
from typing import Annotated, Self

import strawberry

from graph.context import GraphInfo
from graph.schema.arguments import bad_argument, in_range
from graph.schema.curve import Curve
from graph.schema.enums import JobStatus, Scenario, Schedule
from graph.schema.metric import Metric, as_metrics
from models.curves.curve import MAX_POINTS, MIN_POINTS, Wanted
from models.errors import InvalidInput
from models.job import Job as JobRow
from models.points import MAX_READ
from models.validation import check_value_name

__all__ = ["Job"]


@strawberry.type(description="One training run: its settings, where it is in its life, and its points.")
class Job:
    row: strawberry.Private[JobRow]
    id: strawberry.ID = strawberry.field(description="What it is known by.")
    name: str = strawberry.field(description="What people call it.")
    model_name: str = strawberry.field(description="The model that is trained.")
    status: JobStatus = strawberry.field(description="Where it is in its life.")
    epochs: int = strawberry.field(description="Passes over the data that the run is to make.")
    steps_per_epoch: int = strawberry.field(description="Steps in one epoch.")
    total_steps: int = strawberry.field(description="Steps of the whole run: epochs × stepsPerEpoch.")
    learning_rate: float = strawberry.field(description="The learning rate that the schedule starts from.")
    batch_size: int = strawberry.field(description="Examples in one step.")
    scenario: Scenario = strawberry.field(description="How the run fares, where it is simulated.")
    schedule: Schedule = strawberry.field(description="How the learning rate changes, where the run is simulated.")
    seed: int = strawberry.field(
        description="What a simulated run's noise is drawn from: the same seed, the same curves."
    )
    metric_count: int = strawberry.field(description="Points recorded so far: the `seq` of the latest.")
    progress: float = strawberry.field(
        description="0 to 1: the furthest step recorded over `totalSteps`; 1 once COMPLETE."
    )
    created_at: datetime = strawberry.field(description="When it was created, in UTC.")
    updated_at: datetime = strawberry.field(description="When it last changed, its points included, in UTC.")
    started_at: datetime | None = strawberry.field(description="When it was started; null before.")
    finished_at: datetime | None = strawberry.field(description="When it completed or failed; null before.")
    failure_reason: str | None = strawberry.field(description="Why it failed; null unless FAILED.")

    @property
    def identity(self) -> Hashable:
        """What tells it, in this state, from other jobs and other states."""
        return "job", self.id, self.status, self.updated_at

    @classmethod
    def of(cls, row: JobRow) -> Self:
        """The stored job as the API shows it."""
        return cls(
            row=row,
            id=strawberry.ID(str(row.id)),
            name=row.name,
            model_name=row.model_name,
            status=row.status,
            epochs=row.epochs,
            steps_per_epoch=row.steps_per_epoch,
            total_steps=row.total_steps,
            learning_rate=row.learning_rate,
            batch_size=row.batch_size,
            scenario=Scenario(row.scenario),
            schedule=Schedule(row.schedule),
            seed=row.seed,
            metric_count=row.metric_count,
            progress=row.progress,
            created_at=row.created_at,
            updated_at=row.updated_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            failure_reason=row.failure_reason,
        )

    @strawberry.field(description="Its points with `seq` > `after`, by `seq`, the first `limit` of them.")
    async def metrics(
        self,
        info: GraphInfo,
        limit: Annotated[int, strawberry.argument(description="The most points to give: 1 to 10000.")] = 200,
        after: Annotated[
            int, strawberry.argument(description="The `seq` of the last point already seen; 0 for none.")
        ] = 0,
    ) -> list[Metric]:
        in_range("limit", limit, 1, MAX_READ)
        in_range("after", after, 0)
        return as_metrics(await info.context.metrics_after(self.row, after, limit))

    @strawberry.field(description="Its last `count` points, in ascending order of `seq`.")
    async def latest_metrics(
        self,
        info: GraphInfo,
        count: Annotated[int, strawberry.argument(description="The most points to give: 1 to 10000.")] = 1,
    ) -> list[Metric]:
        in_range("count", count, 1, MAX_READ)
        return as_metrics(await info.context.latest_metrics(self.row, count))

    @strawberry.field(
        description="One named value over the steps, of the points recorded up to `metricCount`. Where several points "
        "of one step carry the name, the one with the highest `seq` counts. A curve of no more than `points` values is "
        "given whole and exactly; a longer one is downsampled so that no spike is lost: the first and the last value, "
        "the lowest and the highest are always there, and a stretch that is not finite is there as its first and its "
        "last value, as long as these are no more than half of `points`. (Below 10 points nothing is chosen: they are "
        "spread evenly.) A name that was never logged has empty lists."
    )
    async def curve(
        self,
        info: GraphInfo,
        points: Annotated[int, strawberry.argument(description="The most points to give: 2 to 10000.")] = 500,
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
        wanted = Wanted(self.row.id, self.row.metric_count, name, points, first, last)
        return Curve.of(name, await info.context.curve(wanted))
