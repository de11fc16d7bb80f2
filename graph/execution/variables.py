"""The executor of an operation, with its variables coerced: long ones in the worker thread."""

from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, Executor, GraphQLError, GraphQLSchema, OperationDefinitionNode, print_ast

from graph.execution.executor import TurnsExecutor
from graph.execution.limits import Limits, limit_error
from graph.execution.worker_thread import WorkerThread
from models.validation import MAX_BATCH, MAX_VALUES

__all__ = ["declared", "executor_of", "is_long"]

LONG = 500
"""Values, lists and objects included, that GraphQL coerces in a few milliseconds."""
POINT = "MetricInput"
"""The type of a point to log: batches of points have a limit of their own."""


async def executor_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: dict[str, Any],
    context: Any,
    limits: Limits,
    worker: WorkerThread,
) -> Executor[Any] | list[GraphQLError]:
    """The executor of an operation of a valid document, or what is wrong with its variables.

    Raises GraphQLError where they have too many values, or are not coerced in time.
    """
    name = operation.name.value if operation.name else None

    def build(variables: dict[str, Any]) -> Executor[Any] | list[GraphQLError]:
        hidden = not limits.suggestions
        return TurnsExecutor.build(schema, document, None, context, variables, name, hide_suggestions=hidden)

    if not is_long(variables):
        return build(variables)
    batches = {
        each.variable.name.value
        for each in operation.variable_definitions or ()
        if POINT in print_ast(each.type)  # [MetricInput!]!, with or without its marks
    }
    others = {name: value for name, value in variables.items() if name not in batches}
    if is_long(others, limits.max_variable_values):
        raise limit_error("max_variable_values", limits.max_variable_values, "The variables have {} values")
    cut = {name: _cut(value) if name in batches else value for name, value in variables.items()}
    return await worker.run(build, cut)


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
    """A batch of points, no longer than it takes to see that it is too long."""
    return [_cut_point(point) for point in batch[: MAX_BATCH + 1]] if isinstance(batch, list) else batch


def _cut_point(point: object) -> object:
    values = point.get("values") if isinstance(point, dict) else None
    if isinstance(point, dict) and isinstance(values, list) and len(values) > MAX_VALUES:
        return {**point, "values": values[: MAX_VALUES + 1]}
    return point
