"""How operations are executed, where GraphQL's libraries leave something to be desired."""

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Coroutine
from time import perf_counter
from types import CoroutineType
from typing import Any

from graphql import Executor, GraphQLError
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graph.execution.variables import Coerced, without_variables

__all__ = ["EventExecutor", "Numbers"]


TURN_SECONDS = 0.002
"""For so long an operation goes through its lists before it lets others have a turn."""
SHORT = 100
"""Items of a list that is gone through in one turn."""


class Numbers(list[Any]):
    """Numbers that are known to be what the schema says of them, so that they are not looked at one by one."""


Made = list[Coroutine[Any, Any, Any]]


class EventExecutor(StrawberryGraphQLCoreExecutionContext):
    """Takes turns with other operations, breaks off without complaints, and suggests names only where that is wanted.

    graphql-core goes through a list of ten thousand objects in one go. It forgets, where an operation is cancelled, the
    coroutines of fields that had not begun, of each of which Python then complains. And it remembers the sub-fields of
    each value that it has resolved, by its identity in memory, and shares this among the events of a stream: it would
    grow for as long as the stream is open. And it is a ring, which would stay, with all that was read, until Python
    looks for garbage.
    """

    _turn_ends = 0.0
    _turns: asyncio.Lock | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.async_helpers = _helpers_of(self)

    @classmethod
    def build(cls, *args: Any, **options: Any) -> "list[GraphQLError] | Executor[Any]":
        """The executor of an operation, or why its variables are refused."""
        schema, document, root, context, variables, *others = args  # as graphql-core calls it, and as we do
        options["hide_suggestions"] = not context.limits.suggestions
        if not isinstance(variables, Coerced):
            return super().build(*args, **options)
        if isinstance(variables.found, list):
            return variables.found
        executor = super().build(schema, without_variables(document), root, context, {}, *others, **options)
        if not isinstance(executor, list):
            executor.variable_values = variables.found
        return executor

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event."""
        executor = super().build_per_event_executor(payload)
        executor.async_helpers = _helpers_of(executor)
        executor._relevant_sub_fields = {}  # noqa: SLF001  # no public way
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result of the operation, or of one event, or what to await for it."""
        made: Made = []
        is_awaitable = self.is_awaitable

        def is_awaited(value: Any) -> bool:  # which is asked of whatever a field gives
            if isinstance(value, CoroutineType):
                made.append(value)
                return True
            return is_awaitable(value)

        self.is_awaitable = is_awaited  # type: ignore[assignment]  # tells as much as graphql-core's TypeGuard
        result = super().execute_operation(serially)
        return _closed_with(result, made) if isinstance(result, Awaitable) else result

    def complete_list_value(self, return_type: Any, *args: Any) -> Any:
        """The list of a field as it is answered; `args` end with what the resolver gave, and a place in a stream."""
        result = args[-2]
        if isinstance(result, Numbers):
            return result
        if isinstance(result, list) and len(result) > SHORT:
            args = (*args[:-2], self._in_turns(result), args[-1])
        return super().complete_list_value(return_type, *args)

    def complete_list_item_value(self, item: Any, completed_results: list[Any], *args: Any) -> bool:
        """Add what is answered of an item to its list, and tell whether that is to be awaited."""
        return super().complete_list_item_value(item, completed_results, *args) and self.is_awaitable(
            completed_results[-1]
        )

    async def _in_turns(self, items: list[Any]) -> AsyncIterator[Any]:
        for item in items:
            if perf_counter() > self._turn_ends:
                # One list of the operation after the other: a hundred of them would otherwise each take a turn at once.
                self._turns = self._turns or asyncio.Lock()
                async with self._turns:
                    await asyncio.sleep(0)
                    self._turn_ends = perf_counter() + TURN_SECONDS
            yield item


def _helpers_of(executor: Executor[Any]) -> GraphQLResolveInfoHelpers:
    """What resolvers may ask of an executor, which does not hold it as its own methods would."""
    it = weakref.proxy(executor)
    return GraphQLResolveInfoHelpers(
        lambda values: it.gather_async_work(values), lambda values: it.track_async_work(values)
    )


async def _closed_with(result: Awaitable[Any], made: Made) -> Any:
    """The result; where it is no longer wanted, whatever had not begun is closed."""
    try:
        return await result
    except (asyncio.CancelledError, GeneratorExit):
        for coroutine in made:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        raise
