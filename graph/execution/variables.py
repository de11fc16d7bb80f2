"""The variables of a request, coerced: long ones aside."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableValues,
    get_operation_ast,
    get_variable_values,
    print_ast,
)

from graph.execution.limits import Limits, beyond
from graph.execution.worker_thread import aside, is_long
from models.validation import MAX_BATCH, MAX_VALUES

__all__ = ["Coerced", "coerced_if_long", "declared", "without_variables"]

MAX_ERRORS = 50
"""That are told of them, as graphql-core has it."""
POINT = "MetricInput"
"""The type of a point to log."""
SIZE = 100_000
"""Among what is done aside: whoever sends that much waits for all whose documents are to be read."""


class Coerced(dict[str, Any]):
    """Variables as they came, with what was found when they were coerced: what they mean, or what is wrong."""

    found: VariableValues | list[GraphQLError]


async def coerced_if_long(
    schema: GraphQLSchema, limits: Limits, document: DocumentNode, name: str | None, variables: dict[str, Any]
) -> dict[str, Any]:
    """The variables for an operation of a valid document.

    Raises GraphQLError where they have too many values, or are not coerced in time.
    """
    operation = get_operation_ast(document, name)
    if operation is None or not is_long(variables):
        return variables
    batches = {
        each.variable.name.value
        for each in operation.variable_definitions or ()
        if POINT in print_ast(each.type)  # [MetricInput!]!, in whatever dress
    }
    others = {name: value for name, value in variables.items() if name not in batches} if batches else variables
    if is_long(others, limits.max_variable_values):
        raise beyond("max_variable_values", limits.max_variable_values, "The variables have {} values")
    coerced = Coerced(variables)
    cut = {name: _cut(value) if name in batches else value for name, value in variables.items()}
    coerced.found = await aside.run(limits, SIZE, _values, schema, operation, cut, limits)
    return coerced


def declared(operation: OperationDefinitionNode, variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those that the operation declares: a stream would keep the others too for as long as it is open."""
    names = {each.variable.name.value for each in operation.variable_definitions or ()}
    return {name: value for name, value in (variables or {}).items() if name in names}


def _cut(batch: object) -> object:
    """A batch no longer than tells that it is too long."""
    if not isinstance(batch, list):
        return batch
    return [_cut_point(point) for point in batch[: MAX_BATCH + 1]]


def _cut_point(point: object) -> object:
    values = point.get("values") if isinstance(point, dict) else None
    if isinstance(point, dict) and isinstance(values, list) and len(values) > MAX_VALUES:
        return {**point, "values": values[: MAX_VALUES + 1]}
    return point


def without_variables(document: DocumentNode) -> DocumentNode:
    """The document as if its operations had none."""
    return replace(
        document,
        definitions=tuple(
            replace(node, variable_definitions=()) if isinstance(node, OperationDefinitionNode) else node
            for node in document.definitions
        ),
    )


def _values(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: dict[str, Any], limits: Limits
) -> VariableValues | list[GraphQLError]:
    definitions = operation.variable_definitions or ()
    return get_variable_values(schema, definitions, variables, MAX_ERRORS, not limits.suggestions)
