"""A point of a training curve, as the API shows it and as it takes it."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self, cast

import strawberry
from strawberry.types.base import get_object_definition

from graph.schema.enums import NonFinite
from models.errors import InvalidInput
from models.metric import Point, Recorded
from models.validation import check_value_name

__all__ = ["Metric", "MetricInput", "MetricValue", "MetricValueInput", "as_metrics", "points_of"]


@strawberry.type(description="One value of a point, by name.")
class MetricValue:
    name: str = strawberry.field(description="What was measured, as it was logged: loss, val_loss, train/grad_norm…")
    value: float | None = strawberry.field(
        description="The value; null where it is not finite: `nonFinite` then says what it was."
    )
    non_finite: NonFinite | None = strawberry.field(
        description="What the value was where JSON has no number for it; null where it is finite."
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

    seq: int = strawberry.field(
        description="1, 2, 3… within the job in order of arrival, without a gap: the cursor for `after`."
    )
    step: int = strawberry.field(description="Its place on the axis: the training step it was measured at.")
    epoch: int = strawberry.field(description="The epoch that the step belongs to, counted from 1.")
    loss: float | None = strawberry.field(
        description="The training loss; null where it is not finite (a diverged run), and where it was not logged."
    )
    accuracy: float | None = strawberry.field(
        description="The training accuracy, 0 to 1; null where it is not finite or was not logged."
    )
    learning_rate: float | None = strawberry.field(
        description="The learning rate of the step; null where it is not finite or was not logged."
    )
    recorded_at: datetime = strawberry.field(description="When the point was stored, in UTC.")

    @strawberry.field(
        description="Every value of the point by name, in the order it was logged: loss, accuracy and learningRate "
        "among them, and whatever else was logged; all, or those asked for."
    )
    def values(
        point: strawberry.Parent[Recorded],  # noqa: N805  # what GraphQL resolves on is no Metric
        names: Annotated[
            list[str] | None, strawberry.argument(description="Only the values with these names; all where it is null.")
        ] = None,
    ) -> list[MetricValue]:
        wanted = None if names is None else set(names)
        return [MetricValue.of(name, value) for name, value in point.values.items() if wanted is None or name in wanted]


def as_metrics(points: Sequence[Recorded]) -> list[Metric]:
    """Stored points for a resolver to give."""
    return cast("list[Metric]", points)


@strawberry.input(
    description="A value by name, each name once in a point; exactly one of `value` and `nonFinite` (JSON has no NaN)."
)
class MetricValueInput:
    name: str = strawberry.field(
        description="What was measured: 1 to 200 characters, any but control characters; train/loss is a name."
    )
    value: float | None = strawberry.field(default=None, description="The value, where it is finite.")
    non_finite: NonFinite | None = strawberry.field(
        default=None, description="What the value is, where it is not finite."
    )


@strawberry.input(description="A point to record.")
class MetricInput:
    step: int = strawberry.field(description="The training step it was measured at: 0 or more.")
    epoch: int | None = strawberry.field(
        default=None, description="The epoch it belongs to; from `step` and `stepsPerEpoch`, where it is left out."
    )
    loss: float | None = strawberry.field(default=None, description="The training loss.")
    accuracy: float | None = strawberry.field(default=None, description="The training accuracy, 0 to 1.")
    learning_rate: float | None = strawberry.field(default=None, description="The learning rate of the step.")
    values: list[MetricValueInput] = strawberry.field(
        default_factory=list,
        description="Whatever else was measured, by name, at most 1000; each name once, those above included.",
    )


def _as_it_is(_: type, given: Mapping[str, Any], __: object) -> Mapping[str, Any]:
    """One of a batch as GraphQL has made it: Strawberry would take five times as long to make objects of them."""
    return given


get_object_definition(MetricInput, strict=True).from_input = _as_it_is


def points_of(metrics: Sequence[MetricInput]) -> list[Point]:
    """The points that the input means. Raises InvalidInput where a name or a value breaks a rule."""
    given = cast("Sequence[Mapping[str, Any]]", metrics)
    return [
        Point(each["step"], _values_of(f"metrics[{index}]", each), each.get("epoch"))
        for index, each in enumerate(given)
    ]


def _values_of(path: str, metric: Mapping[str, Any]) -> dict[str, float]:
    values = {
        name: _finite(f"{path}.{name}", value)
        for name in ("loss", "accuracy", "learningRate")
        if (value := metric.get(name)) is not None
    }
    for index, given in enumerate(metric["values"]):
        field = f"{path}.values[{index}]"
        name, value, non_finite = given["name"], given.get("value"), given.get("nonFinite")
        check_value_name(f"{field}.name", name)
        if name in values:
            raise InvalidInput(f"{field}.name", f"{name!r} is named twice in one point.")
        if (value is None) == (non_finite is None):
            raise InvalidInput(field, "must have exactly one of value and nonFinite.")
        values[name] = _finite(f"{field}.value", value) if value is not None else float(non_finite)
    return values


def _finite(field: str, value: float) -> float:
    # JSON has no infinity, but a document may have a number that is too large: 1e400.
    if not math.isfinite(value):
        raise InvalidInput(field, "must be finite; what is not goes into values, as nonFinite.")
    return value
