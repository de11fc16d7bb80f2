"""The points that the argument of `logMetrics` means: as a variable's JSON has it, or as GraphQL has coerced it.

GraphQL's coercion of each value takes longer than storing it. So plans read JSON as it is; where it is not what the
schema says, GraphQL coerces it, and says what is wrong.
"""

from math import isfinite

from models.errors import InvalidInput
from models.metric import NonFinite, Point
from models.validation import MAX_VALUES, check_batch, check_value_name

__all__ = ["NotCoercibleError", "points_of"]

BESIDE = ("loss", "accuracy", "learningRate")
FIELDS = frozenset({"step", "epoch", "values", *BESIDE})
VALUE_FIELDS = frozenset({"name", "value", "nonFinite"})
MAX_INT = 2**31


class NotCoercibleError(Exception):
    """It is not of the type [MetricInput!]!, or written in a rare way that GraphQL takes."""


def points_of(metrics: object) -> list[Point]:
    """The points. Raises InvalidInput where one breaks a rule, NotCoercibleError."""
    if type(metrics) is not list:
        raise NotCoercibleError
    check_batch(len(metrics))
    return [_point(index, metric) for index, metric in enumerate(metrics)]


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
    others = metric.get("values", [])
    if type(others) is not list:
        raise NotCoercibleError
    if len(others) > MAX_VALUES:
        raise InvalidInput(f"metrics[{index}].values", f"a point has at most {MAX_VALUES} values.")
    for place, other in enumerate(others):
        _add(values, other, index, place)
    epoch = metric.get("epoch")
    return Point(_int(metric.get("step")), values, None if epoch is None else _int(epoch))


def _add(values: dict[str, float], given: object, index: int, place: int) -> None:
    if type(given) is not dict or not given.keys() <= VALUE_FIELDS:
        raise NotCoercibleError
    name, value, non_finite = given.get("name"), given.get("value"), given.get("nonFinite")
    if type(name) is not str:
        raise NotCoercibleError
    try:
        check_value_name("name", name)
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


def _int(value: object) -> int:
    if type(value) is float and value.is_integer():  # as some languages write whole numbers
        value = int(value)
    if type(value) is not int or not -MAX_INT <= value < MAX_INT:
        raise NotCoercibleError
    return value


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
