"""The operations of one app while they are executed, and what bounds them."""

from collections.abc import Coroutine, Mapping
from contextlib import closing, nullcontext
from time import perf_counter
from typing import Any, TypeVar

from graphql import Executor, GraphQLError, GraphQLSchema, OperationDefinitionNode, print_ast

from graph.execution.documents import Document, Documents
from graph.execution.executor import TurnsExecutor
from graph.execution.not_finite import coercible
from graph.execution.results import TimedOut, limit_error
from graph.execution.turns import MAX_WAITING, FairSemaphore, WorkerThread, within
from graph.settings import Settings
from graph.telemetry.calls import current_call, current_client
from models.validation import MAX_BATCH

__all__ = ["READS", "SMALL", "Operations", "declared", "is_long"]

SMALL = 20_000
"""Cost of an operation that never waits for others: a search, or a page of jobs with their last points. Making its
answer takes at most four megabytes."""
READS = 2
"""Long reads at once: one computes while the other waits for the store."""
LONG = 500
"""Values, lists and objects included, that GraphQL coerces in a few milliseconds."""
POINT = "MetricInput"
"""The type of a point to log: batches of points have a limit of their own."""

Result = TypeVar("Result")


class Operations:
    """Runs each within its time, and all, as they hold answers in memory, within the cost that one may have."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._settings = settings
        self.worker = WorkerThread(settings.operation_seconds)
        self.documents = Documents(schema, settings, self.worker)
        self._schema = schema
        self._budget = FairSemaphore(settings.max_cost, MAX_WAITING)
        self._reads = FairSemaphore(READS)

    async def run(self, operation: Coroutine[Any, Any, Result], cost: int = 0) -> Result:
        """What the operation returns or raises; the call records its time. Raises TimedOut."""
        try:
            return await within(self._settings.operation_seconds, self._run(operation, cost))
        except TimedOut:
            if call := current_call():
                call.outcome = "timeout"
            raise

    async def _run(self, operation: Coroutine[Any, Any, Result], cost: int) -> Result:
        with closing(operation):  # it may not begin
            async with self._budget.hold(current_client(), cost) if cost > SMALL else nullcontext():
                began = perf_counter()
                try:
                    return await operation
                finally:
                    if call := current_call():
                        call.resolved = perf_counter() - began

    async def executor(
        self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any], context: Any
    ) -> Executor[Any] | list[GraphQLError]:
        """The executor of an operation of a valid document, or what is wrong with its variables.

        Raises GraphQLError where they have too many values, or are not coerced in time.
        """
        node, name = document.node, operation.name.value if operation.name else None
        assert node is not None
        hidden = not self._settings.suggestions

        batches = _batches(operation)

        def build(variables: dict[str, Any]) -> Executor[Any] | list[GraphQLError]:
            variables = {name: coercible(value) if name in batches else value for name, value in variables.items()}
            return TurnsExecutor.build(self._schema, node, None, context, variables, name, hide_suggestions=hidden)

        if not is_long(variables):
            return build(variables)
        return await self.worker.run(build, _shortened(operation, variables, self._settings))

    async def read(self, reading: Coroutine[Any, Any, Result]) -> Result:
        """What a read returns that takes as long as thousands of values: clients take turns."""
        with closing(reading):  # it may not begin
            async with self._reads.hold(current_client()):
                return await reading


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
    """The variables that the operation declares: a stream would keep the others too for as long as it is open."""
    names = {each.variable.name.value for each in operation.variable_definitions or ()}
    return {name: value for name, value in (variables or {}).items() if name in names}


def _batches(operation: OperationDefinitionNode) -> set[str]:
    """The variables of the type [MetricInput!]!, with or without its marks."""
    return {each.variable.name.value for each in operation.variable_definitions or () if POINT in print_ast(each.type)}


def _shortened(operation: OperationDefinitionNode, variables: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The variables, batches of points cut where they are too long. Raises GraphQLError where others are too many."""
    batches = _batches(operation)
    if is_long([value for name, value in variables.items() if name not in batches], settings.max_variable_values):
        raise limit_error(settings, "max_variable_values", "The variables have {} values")
    return {
        name: value[: MAX_BATCH + 1] if name in batches and isinstance(value, list) else value
        for name, value in variables.items()
    }
