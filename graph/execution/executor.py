"""graphql-core's executor, adapted to a server that executes many operations at once."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Coroutine
from time import perf_counter
from types import CoroutineType
from typing import Any

from graphql import Executor
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

__all__ = ["Numbers", "TurnsExecutor"]

TURN_SECONDS = 0.002
"""For so long an operation goes through its lists before it yields to others."""
SHORT = 100
"""Items of a list that is gone through without yielding."""


class Numbers(list[Any]):
    """Numbers that are known to fit the type of their field, so that they are not checked one by one."""


class TurnsExecutor(StrawberryGraphQLCoreExecutionContext):
    """Yields to other operations in long lists, which graphql-core goes through in one go. Where an operation is
    cancelled it closes the coroutines of fields that had not begun: graphql-core drops them, and Python warns of each.
    """

    _turn_ends = 0.0
    _turn: asyncio.Lock | None = None

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event. graphql-core's would share a cache with this one, into which each event writes."""
        return type(self)(
            self.schema,
            self.fragment_definitions,
            self.fragments,
            payload,
            self.context_value,
            self.operation,
            self.variable_values,
            self.field_resolver,
            self.type_resolver,
            self.subscribe_field_resolver,
            hide_suggestions=self.hide_suggestions,
        )

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result of the operation, or of one event, or an awaitable of it."""
        made: list[Coroutine[Any, Any, Any]] = []

        def is_awaitable(value: Any) -> bool:  # called with whatever a field returns
            if isinstance(value, CoroutineType):
                made.append(value)
                return True
            return optimized_is_awaitable(value)

        self.is_awaitable = is_awaitable  # type: ignore[assignment]  # a TypeGuard in graphql-core
        result = super().execute_operation(serially)
        return _closing(result, made) if isinstance(result, Awaitable) else result

    def complete_list_value(self, return_type: Any, *args: Any) -> Any:
        """The answer for a list; `args` end with what the resolver returned, and a position in a stream."""
        result = args[-2]
        if isinstance(result, Numbers):
            return result
        if isinstance(result, list) and len(result) > SHORT:
            args = (*args[:-2], self._yielding(result), args[-1])
        return super().complete_list_value(return_type, *args)

    def complete_list_item_value(self, item: Any, completed_results: list[Any], *args: Any) -> bool:
        """Add the answer for an item to its list; returns whether it is to be awaited."""
        return super().complete_list_item_value(item, completed_results, *args) and self.is_awaitable(
            completed_results[-1]
        )

    async def _yielding(self, items: list[Any]) -> AsyncIterator[Any]:
        for item in items:
            if perf_counter() > self._turn_ends:
                # One list of the operation after the other: a hundred of them would otherwise each take a turn at once.
                self._turn = self._turn or asyncio.Lock()
                async with self._turn:
                    await asyncio.sleep(0)
                    self._turn_ends = perf_counter() + TURN_SECONDS
            yield item


async def _closing(result: Awaitable[Any], made: list[Coroutine[Any, Any, Any]]) -> Any:
    """The result; where its task is cancelled, coroutines that had not begun are closed."""
    try:
        return await result
    except (asyncio.CancelledError, GeneratorExit):
        for coroutine in made:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        raise
