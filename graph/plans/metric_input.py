"""The points that the argument of `logMetrics` means: as a variable's JSON has it, or as GraphQL has coerced it.

GraphQL's coercion of each value takes longer than storing it. So plans read JSON as it is; where it is not what the
schema says, GraphQL coerces it, and says what is wrong.
"""

from datetime import UTC, datetime
from math import isfinite

from models.errors import InvalidInput
from models.metric import NonFinite, Point, microseconds
from models.validation import MAX_LONG, MAX_VALUES, check_batch, check_point, check_series_name

__all__ = ["NotCoercibleError", "points_of"]

BESIDE = ("loss", "accuracy", "learningRate")
FIELDS = frozenset({"step", "epoch", "values", "loggedAt", *BESIDE})
VALUE_FIELDS = frozenset({"name", "value", "nonFinite"})


class NotCoercibleError(Exception):
    """It is not of the type [MetricInput!]!, or written in a rare way that GraphQL takes."""


def points_of(metrics: object, skipped: list[tuple[str, str]] | None = None) -> list[Point]:
    """The points. Raises InvalidInput where one breaks a rule, NotCoercibleError.

    `skipped`: takes the field and the rule of each point that breaks one, which is then left out.
    """
    if type(metrics) is not list:
        raise NotCoercibleError
    check_batch(len(metrics))
    if skipped is None:
        return [_point(index, metric) for index, metric in enumerate(metrics)]
    points = []
    for index, metric in enumerate(metrics):
        try:
            point = _point(index, metric)
            check_point(index, point)
        except InvalidInput as error:
            skipped.append((error.field, error.message))
        else:
            points.append(point)
    return points


def _point(index: int, metric: object) -> Point:
    if type(metric) is not dict or not metric.keys() <= FIELDS:
        raise NotCoercibleError
    values: dict[str, float] = {}
    for name in BESIDE:
        if (value := metric.get(name)) is not None:
            # Checked here first: a call for each takes longer than the check.
            if type(value) is not float or not isfinite(value):
                value = _number(value, f"metrics[{index}].{name}")
            values[name] = value
    if "values" in metric:
        others = metric["values"]
        if type(others) is not list:
            raise NotCoercibleError
        if len(others) > MAX_VALUES:
            raise InvalidInput(f"metrics[{index}].values", f"a point has at most {MAX_VALUES} values.")
        for place, other in enumerate(others):
            _add(values, other, index, place)
    epoch, at = metric.get("epoch"), metric.get("loggedAt")
    return Point(
        _long(metric.get("step")),
        values,
        None if epoch is None else _number(epoch, f"metrics[{index}].epoch"),
        None if at is None else _micros(at),
    )


def _add(values: dict[str, float], given: object, index: int, place: int) -> None:
    if type(given) is not dict or not given.keys() <= VALUE_FIELDS:
        raise NotCoercibleError
    name, value, non_finite = given.get("name"), given.get("value"), given.get("nonFinite")
    if type(name) is not str:
        raise NotCoercibleError
    try:
        name = check_series_name("name", name)
    except InvalidInput as error:
        raise InvalidInput(f"metrics[{index}].values[{place}].name", error.message) from None
    if name in values:
        raise InvalidInput(f"metrics[{index}].values[{place}].name", f"{name!r} is named twice in one point.")
    if (value is None) == (non_finite is None):
        raise InvalidInput(f"metrics[{index}].values[{place}]", "must have exactly one of value and nonFinite.")
    if value is None:
        values[name] = _named(non_finite)
    elif type(value) is float and isfinite(value):
        values[name] = value
    else:
        values[name] = _number(value, f"metrics[{index}].values[{place}].value")


def _long(value: object) -> int:
    if type(value) is float and value.is_integer():  # as some languages write whole numbers
        value = int(value)
    if type(value) is not int or abs(value) > MAX_LONG:
        raise NotCoercibleError
    return value


def _micros(value: object) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise NotCoercibleError from None
    if not isinstance(value, datetime):
        raise NotCoercibleError
    return microseconds(value if value.tzinfo else value.replace(tzinfo=UTC))


def _number(value: object, field: str) -> float:
    if type(value) is not int and type(value) is not float:  # bool is an int, but not by its type
        raise NotCoercibleError
    try:
        number = float(value)
    except OverflowError:
        raise NotCoercibleError from None
    if not isfinite(number):  # JSON has no infinity, but a document may have a number that is too large: 1e400
        raise InvalidInput(field, "must be finite; what is not goes into values, as nonFinite.")
    return number


def _named(name: object) -> float:
    if isinstance(name, NonFinite):
        return float(name)
    if type(name) is not str or name not in NonFinite.__members__:
        raise NotCoercibleError
    return float(NonFinite[name])
