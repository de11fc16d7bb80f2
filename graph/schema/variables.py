"""The variables of a request, coerced: long ones aside."""

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
)

from graph.limits.aside import aside, is_long
from graph.limits.limits import Limits

__all__ = ["Coerced", "coerced_if_long", "without_variables"]

MAX_ERRORS = 50
"""That are told of them, as graphql-core has it."""
SIZE = 100_000
"""Among what is done aside: whoever sends that much waits for all whose documents are to be read."""


class Coerced(dict[str, Any]):
    """Variables as they came, with what was found when they were coerced: what they mean, or what is wrong."""

    found: VariableValues | list[GraphQLError]


async def coerced_if_long(
    schema: GraphQLSchema, limits: Limits, document: DocumentNode, name: str | None, variables: dict[str, Any]
) -> dict[str, Any]:
    """The variables for an operation of a valid document. Raises GraphQLError where they are not coerced in time."""
    operation = get_operation_ast(document, name)
    if operation is None or not is_long(variables):
        return variables
    coerced = Coerced(variables)
    coerced.found = await aside.run(limits, SIZE, _values, schema, operation, variables, limits)
    return coerced


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
