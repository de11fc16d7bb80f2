"""The points that the argument of `logMetrics` means: as a variable's JSON has it, or as GraphQL has coerced it.

GraphQL's coercion of each value takes longer than storing it. So plans read JSON as it is; where it is not what the
schema says, GraphQL coerces it, and says what is wrong.
"""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite

from graph.execution.not_finite import BESIDE, TEXTS
from models.errors import InvalidInput
from models.metric import NonFinite, Point, microseconds
from models.validation import MAX_LONG, MAX_VALUES, Faults, check_batch, check_point, check_series_name

__all__ = ["NotCoercibleError", "points_of"]

FIELDS = frozenset({"step", "epoch", "values", "scalars", "loggedAt", *BESIDE})
VALUE_FIELDS = frozenset({"name", "value", "nonFinite"})


class NotCoercibleError(Exception):
    """It is not of the type [MetricInput!]!, or written in a rare way that GraphQL takes."""


def points_of(metrics: object, skipped: list[tuple[str, str]] | None = None) -> list[Point]:
    """The points. Raises InvalidInput where some break a rule, with the first as its field, NotCoercibleError.

    `skipped`: takes the field and the rule of each point that breaks one, which is then left out.
    """
    if type(metrics) is not list:
        raise NotCoercibleError
    check_batch(len(metrics))
    if skipped is None:
        with contextlib.suppress(InvalidInput):  # then all that is wrong is looked for
            return [_point(index, metric) for index, metric in enumerate(metrics)]
    points, faults = list[Point](), Faults()
    for index, metric in enumerate(metrics):
        try:
            point = _point(index, metric)
            check_point(index, point)
        except InvalidInput as error:
            faults.add(error.field, error.message)
        else:
            points.append(point)
    if skipped is not None:
        skipped += faults.found
    else:
        faults.end()
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
    if (scalars := metric.get("scalars")) is not None:
        _add_scalars(values, scalars, f"metrics[{index}].scalars")
    epoch, at = metric.get("epoch"), metric.get("loggedAt")
    return Point(
        _long(metric.get("step")),
        values,
        None if epoch is None else _finite(epoch, f"metrics[{index}].epoch"),
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
        raise InvalidInput(f"metrics[{index}].values[{place}].name", _twice(name))
    if (value is None) == (non_finite is None):
        raise InvalidInput(f"metrics[{index}].values[{place}]", "must have exactly one of value and nonFinite.")
    if value is None:
        values[name] = _named(non_finite)
    elif type(value) is float and isfinite(value):
        values[name] = value
    else:
        values[name] = _number(value, f"metrics[{index}].values[{place}].value")


def _add_scalars(values: dict[str, float], scalars: object, field: str) -> None:
    """Any JSON is of their type, so whatever is wrong with them breaks a rule."""
    if not isinstance(scalars, Mapping):
        raise InvalidInput(field, "must be an object from names to numbers.")
    if len(scalars) > MAX_VALUES:
        raise InvalidInput(field, f"a point has at most {MAX_VALUES} values.")
    for given, value in scalars.items():
        try:
            name = check_series_name(field, given)
        except InvalidInput as error:
            raise InvalidInput(field, f"the name {_shown(given)} {error.message}") from None
        if name in values:
            raise InvalidInput(field, _twice(name))
        if type(value) is float and isfinite(value):
            values[name] = value
            continue
        try:
            values[name] = _number(value, field)
        except (InvalidInput, NotCoercibleError):
            message = f'the value of {name!r} must be a finite number, or "NaN", "Infinity" or "-Infinity".'
            raise InvalidInput(field, message) from None


def _twice(name: str) -> str:
    return f"{name!r} is named twice in one point."


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "…")


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
    try:
        return microseconds(value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))
    except OverflowError:
        raise NotCoercibleError from None


def _number(value: object, field: str) -> float:
    """A number of a series, which need not be finite."""
    if type(value) is str and value in TEXTS:
        return TEXTS[value]
    if type(value) is float and any(value is each for each in TEXTS.values()):
        return value
    return _finite(value, field)


def _finite(value: object, field: str) -> float:
    if type(value) is not int and type(value) is not float:  # bool is an int, but not by its type
        raise NotCoercibleError
    try:
        number = float(value)
    except OverflowError:
        raise NotCoercibleError from None
    if not isfinite(number):  # JSON has no infinity, but a document may have a number that is too large: 1e400
        raise InvalidInput(field, 'must be finite; what is not is given as "NaN", "Infinity" or "-Infinity".')
    return number


def _named(name: object) -> float:
    if isinstance(name, NonFinite):
        return float(name)
    if type(name) is not str or name not in NonFinite.__members__:
        raise NotCoercibleError
    return float(NonFinite[name])
