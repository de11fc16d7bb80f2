"""The operations of one app while they are executed, and what bounds them."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from graphql import Executor, GraphQLError, GraphQLSchema, OperationDefinitionNode

from graph.execution.deadline import TimeLimit
from graph.execution.documents import Document, Documents
from graph.execution.executor import TurnsExecutor
from graph.execution.fair_semaphore import FairSemaphore
from graph.execution.results import TimedOut
from graph.execution.variables import is_long, shortened
from graph.execution.worker_thread import WorkerThread
from graph.settings import Settings
from graph.telemetry.call import current_call, current_client

__all__ = ["MAX_WAITING", "READS", "SMALL", "Operations"]

SMALL = 20_000
"""Cost of an operation that never waits for others: a search, or a page of jobs with their last points. Making its
answer takes at most four megabytes."""
MAX_WAITING = 100
"""Operations of one client that wait at once, with their variables in memory."""
READS = 2
"""Long reads at once: one computes while the other waits for the store."""

Result = TypeVar("Result")


class Operations:
    """Runs each within its time, and all together within the cost that one may have, for they hold their answers in
    memory.
    """

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._settings = settings
        self._time = TimeLimit(settings.operation_seconds)
        self.worker = WorkerThread(self._time)
        self.documents = Documents(schema, settings, self.worker)
        self._schema = schema
        self._budget = FairSemaphore(settings.max_cost, MAX_WAITING)
        self._reads = FairSemaphore(READS)

    async def run(self, operation: Coroutine[Any, Any, Result], cost: int = 0) -> Result | TimedOut:
        """What the operation returns, or that it took too long, which the call records."""
        result = await self._time.run(_holding(self._budget, cost, operation) if cost > SMALL else operation)
        if isinstance(result, TimedOut) and (call := current_call()):
            call.outcome = "timeout"
        return result

    async def executor(
        self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any], context: Any
    ) -> Executor[Any] | list[GraphQLError]:
        """The executor of an operation of a valid document, or what is wrong with its variables.

        Raises GraphQLError where they have too many values, or are not coerced in time.
        """
        node, name = document.node, operation.name.value if operation.name else None
        assert node is not None
        hidden = not self._settings.suggestions

        def build(variables: dict[str, Any]) -> Executor[Any] | list[GraphQLError]:
            return TurnsExecutor.build(self._schema, node, None, context, variables, name, hide_suggestions=hidden)

        if not is_long(variables):
            return build(variables)
        return await self.worker.run(build, shortened(operation, variables, self._settings))

    async def read(self, reading: Coroutine[Any, Any, Result]) -> Result:
        """What a read returns that takes as long as thousands of values: clients take turns."""
        return await _holding(self._reads, 1, reading)


async def _holding(semaphore: FairSemaphore, permits: int, work: Coroutine[Any, Any, Result]) -> Result:
    try:
        async with semaphore.hold(current_client(), permits):
            return await work
    finally:
        work.close()  # it may not have begun
