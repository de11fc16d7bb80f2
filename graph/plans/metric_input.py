"""Points from the JSON of `logMetrics`, without GraphQL's coercion of each value: it takes longer than storing them."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from models.errors import InvalidInput
from models.metric import NonFinite, Point
from models.validation import MAX_BATCH, MAX_VALUES, check_value_name

__all__ = ["points_from_json"]

BESIDE = ("loss", "accuracy", "learningRate")
FIELDS = frozenset({"step", "epoch", "values", *BESIDE})
VALUE_FIELDS = frozenset({"name", "value", "nonFinite"})
MAX_INT = 2**31


class _SurpriseError(Exception):
    """Something that is wrong, or rare: GraphQL says what, or takes it."""


def points_from_json(metrics: object) -> list[Point] | None:
    """The points that a variable of the type [MetricInput!]! means; None where GraphQL had better look at it itself."""
    if type(metrics) is not list or len(metrics) > MAX_BATCH:
        return None
    try:
        return [_point(metric) for metric in metrics]
    except (_SurpriseError, InvalidInput, OverflowError):
        return None


def _point(metric: object) -> Point:
    if type(metric) is not dict or not metric.keys() <= FIELDS:
        raise _SurpriseError
    values: dict[str, float] = {}
    for name in BESIDE:
        if (value := metric.get(name)) is not None:
            # What most are is looked at here: a call for each takes longer than the look.
            values[name] = value if type(value) is float and isfinite(value) else _number(value)
    if "values" in metric:
        others = metric["values"]
        if type(others) is not list or len(others) > MAX_VALUES:
            raise _SurpriseError
        for other in others:
            _add(values, other)
    epoch = metric.get("epoch")
    return Point(_int(metric.get("step")), values, None if epoch is None else _int(epoch))


def _add(values: dict[str, float], given: object) -> None:
    if type(given) is not dict or not given.keys() <= VALUE_FIELDS:
        raise _SurpriseError
    name, value = given.get("name"), given.get("value")
    if type(name) is not str or name in values:
        raise _SurpriseError
    check_value_name("name", name)
    if (non_finite := given.get("nonFinite")) is None:
        values[name] = value if type(value) is float and isfinite(value) else _number(value)
    elif value is None:
        values[name] = _named(non_finite)
    else:
        raise _SurpriseError


def _int(value: object) -> int:
    if type(value) is float and value.is_integer():  # as some languages write whole numbers
        value = int(value)
    if type(value) is not int or not -MAX_INT <= value < MAX_INT:
        raise _SurpriseError
    return value


def _number(value: object) -> float:
    # bool is an int, but not by its type.
    if type(value) is not float:
        if type(value) is not int:
            raise _SurpriseError
        value = float(value)
    if not isfinite(value):
        raise _SurpriseError
    return value


def _named(name: object) -> float:
    names: Mapping[Any, NonFinite] = NonFinite.__members__
    if type(name) is not str or name not in names:
        raise _SurpriseError
    return float(names[name])
