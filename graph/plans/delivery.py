"""Shared delivery: one execution and one encoding for each event and selection, however many subscribers there are.

All that select the same fields of an event (a point, a job, a batch of points) get the same bytes, so these are kept
for a while. What cannot be shared is left to Strawberry: see `plan_subscription`.
"""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Hashable
from contextlib import aclosing
from typing import Any, NamedTuple, cast

import orjson
from cachetools import LRUCache
from graphql import (
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    create_source_event_stream,
    execute_subscription_event,
    get_named_type,
    get_nullable_type,
    is_list_type,
    print_ast,
)
from strawberry.types.execution import ExecutionResult as StrawberryResult
from strawberry.types.execution import PreExecutionError

from graph.execution.results import Encoded, logged_and_masked
from graph.plans.fields import Fragments, Maker
from graph.plans.jobs import maker_of_points

__all__ = ["PartKey", "Parts", "Results", "SubscriptionPlan", "deliver", "plan_subscription"]

VARIABLE = re.compile(r"\$(\w+)")
OF_OTHERS = re.compile(r"\b(parent|children|alerts)\b")
"""Fields of a job that read what is no part of it: it may change while the job stays the same."""
SHARED_CHARACTERS = 2_000
"""Of variables that are part of a selection, as text; results selected by longer ones are not shared."""
PART_BYTES = 600
"""What keeping a part costs beside its text and that of what is selected: its place, the result around it."""
KEPT_BYTES = 8 * 2**20
"""Of encoded events: thousands of points, whatever is selected of them."""
PartKey = tuple[str, *tuple[Hashable, ...]]
"""What is selected of an event, and its identity, which says all of it; or of a batch those at its ends."""
Results = AsyncGenerator[StrawberryResult, None]


class SubscriptionPlan(NamedTuple):
    """How to share the results of a subscription."""

    response_name: str
    is_list: bool
    """Whether an event is a list of parts, and not a part."""
    selection: str
    """What is selected of each part, as text, with the fragments it uses, and its name in the response."""
    variables: tuple[str, ...]
    """The variables that are used in the selection, and those of the operation that a text in it seems to name."""
    make: Maker | None
    """Makes the objects of a list of points, where their selection has a plan."""


def plan_subscription(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments
) -> SubscriptionPlan | None:
    """The plan for a subscription of a valid document; None unless it is one plain field at the root, of jobs or points
    alone."""
    root = operation.selection_set.selections[0]
    if operation.directives or len(operation.selection_set.selections) > 1:
        return None
    if not isinstance(root, FieldNode) or root.directives or root.selection_set is None:
        return None
    assert schema.subscription_type is not None
    text = "".join(map(print_ast, (root.selection_set, *fragments.values())))
    response_name = (root.alias or root.name).value
    type = schema.subscription_type.fields[root.name.value].type
    is_list, of = is_list_type(get_nullable_type(type)), get_named_type(type)
    assert isinstance(of, GraphQLObjectType)
    if of.name not in {"Job", "Metric"} or OF_OTHERS.search(text):
        return None
    return SubscriptionPlan(
        response_name=response_name,
        is_list=is_list,
        selection=f"{response_name}{'[]' if is_list else ''} {text}",
        variables=tuple(sorted({*VARIABLE.findall(text)})),
        make=maker_of_points(of, root.selection_set, fragments) if is_list else None,
    )


class Parts:
    """The parts of one app that were used last, up to KEPT_BYTES, and those that are being made."""

    def __init__(self) -> None:
        self._kept: LRUCache[PartKey, tuple[int, Encoded]] = LRUCache(KEPT_BYTES, getsizeof=lambda kept: kept[0])
        self.making: dict[PartKey, asyncio.Task[Encoded | None]] = {}

    def get(self, key: PartKey) -> Encoded | None:
        """The part, if it is still kept."""
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def keep(self, key: PartKey, json: str) -> Encoded:
        """Keep a payload, for which the least recently used ones make room. One longer than KEPT_BYTES is not kept."""
        part = Encoded(data=None, errors=None, json=json)
        size = PART_BYTES + sys.getsizeof(key[0]) + sys.getsizeof(json)
        if size <= KEPT_BYTES:
            self._kept[key] = (size, part)
        return part

    def make(self, key: PartKey, coroutine: Coroutine[Any, Any, Encoded | None]) -> "asyncio.Task[Encoded | None]":
        """Make the part in a task that several subscribers can await."""
        task = self.making[key] = asyncio.create_task(coroutine)
        task.add_done_callback(lambda _: self.making.pop(key))
        return task


async def deliver(executor: Executor[Any], plan: SubscriptionPlan | None = None, parts: Parts | None = None) -> Results:
    """The results of a subscription, Encoded where they could be shared; a PreExecutionError where it is refused.

    Without a plan nothing is shared. An error that the source of events raises is the last result.
    """
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        yield PreExecutionError(data=None, errors=logged_and_masked(source.errors or []))
        return
    shared = None if plan is None or parts is None else _Shared(executor, plan, parts)
    try:
        async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
            async for event in events:
                result = await shared.result(event) if shared else await _executed(executor, event)
                if result.errors:
                    result.errors = logged_and_masked(result.errors)
                yield result
    except Exception as error:  # noqa: BLE001  # reported and logged, as Strawberry has it
        yield StrawberryResult(data=None, errors=logged_and_masked([GraphQLError(str(error), original_error=error)]))


class _Shared:
    """Takes the results of one subscription from the shared parts, or adds what is missing there."""

    __slots__ = ("_executor", "_is_shared", "_parts", "_plan", "_selection")

    def __init__(self, executor: Executor[Any], plan: SubscriptionPlan, parts: Parts) -> None:
        self._executor = executor
        self._parts = parts
        self._plan = plan
        coerced = executor.variable_values.coerced
        # By repr: values may be lists and objects, which are no keys. As one string: its hash is computed once.
        used = " ".join(f"{name}={coerced[name]!r}" for name in plan.variables if name in coerced)
        self._is_shared = len(used) <= SHARED_CHARACTERS
        self._selection = f"{plan.selection} {used}" if used and self._is_shared else plan.selection

    async def result(self, event: Any) -> StrawberryResult:
        """The result for an event: shared or, where its execution finds errors, the subscriber's own."""
        shared = await self._shared(event) if self._is_shared else None
        return shared or await _executed(self._executor, event)

    async def _shared(self, event: Any) -> Encoded | None:
        key = self._key(event)
        kept = self._parts.get(key)
        if kept is not None:
            return kept
        if self._plan.make is not None:
            return self._kept(key, ExecutionResult({self._plan.response_name: self._plan.make(event)}))
        making = self._parts.making.get(key)
        if making is None:
            result = _execution(self._executor, event)
            if not isinstance(result, Awaitable):
                return self._kept(key, result)
            making = self._parts.make(key, self._kept_later(key, result))
        # A subscriber that leaves must not take the others' part with it.
        return await asyncio.shield(making)

    def _key(self, event: Any) -> PartKey:
        if self._plan.is_list:
            return self._selection, event[0].identity, event[-1].identity  # a batch of points has no gap
        return self._selection, event.identity

    def _kept(self, key: PartKey, result: ExecutionResult) -> Encoded | None:
        return None if result.errors else self._parts.keep(key, orjson.dumps({"data": result.data}).decode())

    async def _kept_later(self, key: PartKey, result: Awaitable[ExecutionResult]) -> Encoded | None:
        return self._kept(key, await result)


def _execution(executor: Executor[Any], event: Any) -> ExecutionResult | Awaitable[ExecutionResult]:
    return execute_subscription_event(executor.build_per_event_executor(event))


async def _executed(executor: Executor[Any], event: Any) -> StrawberryResult:
    result = _execution(executor, event)
    executed = await result if isinstance(result, Awaitable) else result
    return StrawberryResult(data=executed.data, errors=executed.errors)
