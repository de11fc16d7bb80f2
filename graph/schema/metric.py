"""A point of a training curve, as the API shows it and as it takes it; and one value over all points."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self, cast

import strawberry
from strawberry.types.base import get_object_definition

from graph.execution.executor import Numbers
from graph.plans.fields import computed
from graph.schema.enums import CurveAxis, NonFinite
from graph.schema.scalars import JSON, Long
from models.curves.curve import Curve as CurveRead
from models.curves.curve import Integers
from models.metric import Recorded, instant, metric_id
from models.validation import series_names

__all__ = ["Curve", "Metric", "MetricInput", "MetricValue", "MetricValueInput", "as_metrics"]


MAX_INT = 2**31 - 1
"""GraphQL's largest."""


@strawberry.type(description="One value of a point, by name.")
class MetricValue:
    name: str = strawberry.field(description="The name as it was logged: loss, val_loss, train/grad_norm…")
    value: float | None = computed(
        "value if isfinite(value) else None",
        isfinite=math.isfinite,
        description="The value; null where it is not finite: `nonFinite` then says what it was.",
    )
    non_finite: NonFinite | None = computed(
        "None if isfinite(value) else non_finite(value)",
        isfinite=math.isfinite,
        non_finite=NonFinite.of,
        description="What the value was where JSON has no number for it; null where it is finite.",
    )

    @classmethod
    def of(cls, name: str, value: float) -> Self:
        """The value as the API shows it."""
        if math.isfinite(value):
            return cls(name=name, value=value, non_finite=None)
        return cls(name=name, value=None, non_finite=NonFinite.of(value))


@strawberry.type(description="One recorded point of a job's curves.")
class Metric:
    """A `Recorded` to GraphQL, which resolves the fields on it by their names; none of these is ever made."""

    id: strawberry.ID = computed(
        "metric_id(job_id, seq)",
        metric_id=metric_id,
        description="Of the job and `seq`: no other point has it.",
    )
    seq: int = strawberry.field(
        description="1, 2, 3… within the job in order of arrival, without a gap: the cursor for `after`."
    )
    step: Long = strawberry.field(description="The training step it was measured at: its place on the axis.")
    epoch: float | None = strawberry.field(
        description="The epoch, as it was logged, else max(1, ceil(step / stepsPerEpoch)); null where neither is known."
    )
    loss: float | None = strawberry.field(
        description="The training loss; null where it is not finite (a diverged run), and where it was not logged."
    )
    accuracy: float | None = strawberry.field(
        description="The training accuracy; null where it is not finite or was not logged."
    )
    learning_rate: float | None = strawberry.field(
        description="The learning rate of the step; null where it is not finite or was not logged."
    )
    logged_at: datetime | None = computed(
        "instant(logged_us)",
        instant=instant,
        description="When the loop measured it, as it says; null where it did not.",
    )
    recorded_at: datetime = strawberry.field(description="When the point was stored, in UTC.")

    @strawberry.field(
        description="Every value of the point by name, in the order it was logged: loss, accuracy and learningRate "
        "among them, and whatever else was logged; all, or those in `names`."
    )
    def values(
        point: strawberry.Parent[Recorded],  # noqa: N805  # what GraphQL resolves on is no Metric
        names: Annotated[
            list[str] | None, strawberry.argument(description="Only the values with these names; all where it is null.")
        ] = None,
    ) -> list[MetricValue]:
        wanted = None if names is None else series_names(names)
        return [MetricValue.of(name, value) for name, value in point.values.items() if wanted is None or name in wanted]


def as_metrics(points: Sequence[Recorded]) -> list[Metric]:
    """Stored points, for a resolver to return."""
    return cast("list[Metric]", points)


@strawberry.type(
    description="One named value over an axis: lists of one length, a point at each place, in ascending order of `x`."
)
class Curve:
    name: str = strawberry.field(description="The name as it was logged: loss, val_loss, train/grad_norm…")
    x: list[float] = strawberry.field(
        description="Its place on the axis: the step, the `seq`, or the seconds since the job's `startedAt`."
    )
    seq: list[int] = strawberry.field(description="The `seq` of each point.")
    step: list[Long] = strawberry.field(description="The step of each point.")
    value: list[float | None] = strawberry.field(description="The value at each point; null where it is not finite.")

    @classmethod
    def of(cls, name: str, curve: CurveRead, axis: CurveAxis = CurveAxis.STEP, origin: int = 0) -> Self:
        """The curve as the API shows it; `origin`: where time begins, in microseconds since 1970."""
        if curve.us is not None:
            x = ((curve.us - origin) / 1e6).tolist()
        else:
            x = curve.places(axis).astype(float).tolist()
        return cls(
            name=name,
            x=Numbers(x),
            seq=_whole(curve.seq),
            step=cast("list[Long]", Numbers(curve.step.tolist())),
            value=Numbers(value if math.isfinite(value) else None for value in curve.value.tolist()),
        )


def _whole(column: Integers) -> list[int]:
    """Whole numbers, as they are where each is one that GraphQL has."""
    return Numbers(column.tolist()) if not len(column) or column.max() <= MAX_INT else column.tolist()


@strawberry.input(
    description="A value by name, each name once in a point; exactly one of `value` and `nonFinite` (JSON has no NaN)."
)
class MetricValueInput:
    name: str = strawberry.field(
        description="What was measured: 1 to 250 characters, trimmed and NFC, any but control and "
        "bidirectional formatting characters: train/loss is a name."
    )
    value: float | None = strawberry.field(default=None, description="The value, where it is finite.")
    non_finite: NonFinite | None = strawberry.field(
        default=None, description="What the value is, where it is not finite."
    )


@strawberry.input(description="A point to record.")
class MetricInput:
    step: Long = strawberry.field(description="The training step it was measured at: 0 or more.")
    epoch: float | None = strawberry.field(
        default=None,
        description="The epoch it belongs to; from `step` and `stepsPerEpoch`, where it is left out and these are "
        "known.",
    )
    loss: float | None = strawberry.field(
        default=None,
        description='The training loss. Here and wherever a point has a Float of a series, variables may have "NaN", '
        '"Infinity" and "-Infinity".',
    )
    accuracy: float | None = strawberry.field(default=None, description="The training accuracy.")
    learning_rate: float | None = strawberry.field(default=None, description="The learning rate of the step.")
    values: list[MetricValueInput] = strawberry.field(
        default_factory=list,
        description="Whatever else was measured, by name, at most 1000; each name once, those above included.",
    )
    scalars: JSON | None = strawberry.field(
        default=None,
        description='The same in the shape that loops have it: an object from names to numbers, or to "NaN", '
        '"Infinity", "-Infinity". Beside `values`, each name once.',
    )
    logged_at: datetime | None = strawberry.field(default=None, description="When it was measured.")


# As GraphQL has coerced it: Strawberry would take ten times as long to make objects of a batch.
get_object_definition(MetricInput, strict=True).from_input = lambda _, given, __: given
