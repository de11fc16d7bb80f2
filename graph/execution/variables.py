"""The variables of an operation before they are coerced."""

from collections.abc import Mapping
from typing import Any

from graphql import OperationDefinitionNode, print_ast

from graph.execution.limits import limit_error
from graph.settings import Settings
from models.validation import MAX_BATCH, MAX_VALUES

__all__ = ["declared", "is_long", "shortened"]

LONG = 500
"""Values, lists and objects included, that GraphQL coerces in a few milliseconds."""
POINT = "MetricInput"
"""The type of a point to log: batches of points have a limit of their own."""


def shortened(operation: OperationDefinitionNode, variables: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The variables, with batches of points no longer than it takes to see that they are too long.

    Raises GraphQLError where others have more than max_variable_values.
    """
    batches = {
        each.variable.name.value
        for each in operation.variable_definitions or ()
        if POINT in print_ast(each.type)  # [MetricInput!]!, with or without its marks
    }
    others = {name: value for name, value in variables.items() if name not in batches}
    if is_long(others, settings.max_variable_values):
        raise limit_error(settings, "max_variable_values", "The variables have {} values")
    return {name: _cut(value) if name in batches else value for name, value in variables.items()}


def is_long(value: object, most: int = LONG) -> bool:
    """Whether a value of JSON holds more values than that, lists and objects included; counted no further."""
    waiting, met = [value], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            met += len(one)
            if met > most:
                return True
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return False


def declared(operation: OperationDefinitionNode, variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those that the operation declares: a stream would keep the others too for as long as it is open."""
    names = {each.variable.name.value for each in operation.variable_definitions or ()}
    return {name: value for name, value in (variables or {}).items() if name in names}


def _cut(batch: object) -> object:
    return [_cut_point(point) for point in batch[: MAX_BATCH + 1]] if isinstance(batch, list) else batch


def _cut_point(point: object) -> object:
    values = point.get("values") if isinstance(point, dict) else None
    if isinstance(point, dict) and isinstance(values, list) and len(values) > MAX_VALUES:
        return {**point, "values": values[: MAX_VALUES + 1]}
    return point
