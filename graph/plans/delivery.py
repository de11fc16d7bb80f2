"""Shared delivery: one execution and one encoding for each event and selection, however many subscribers there are.

The naive way executes the subscriber's operation for each event and subscriber, though all that select the same fields
get the same bytes. So the parts of an event (a point, a job) are executed and encoded once for each selection, the
encoded parts are kept for a while, and a subscriber's message is put together from them. What cannot be shared is left
to Strawberry: see `plan_subscription`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Hashable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    create_source_event_stream,
    execute_subscription_event,
)
from strawberry.types.execution import ExecutionResult as StrawberryResult
from strawberry.types.execution import PreExecutionError

from graph.execution.errors import log_unexpected, masked
from graph.execution.executor import EventExecutor
from graph.execution.results import Encoded
from graph.plans.parts import PartKey, Parts
from graph.plans.subscription import SubscriptionPlan

__all__ = ["deliver"]

SHARED_CHARACTERS = 2_000
"""Of variables that are part of a selection, as text; results selected by longer ones are not shared."""


class Part(Protocol):
    """Something that a subscription sends, alone or in a list, and that looks the same to all."""

    @property
    def identity(self) -> Hashable:
        """What it is and in which state: two parts with one identity look the same in every selection."""


async def deliver(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, Any],
    context: Any,
    plan: SubscriptionPlan,
    parts: Parts,
) -> AsyncGenerator[StrawberryResult, None]:
    """The results of a subscription, Encoded where they could be shared; a PreExecutionError where it is refused.

    An error that the source of events raises is the last result.
    """
    executor = EventExecutor.build(schema, document, None, context, dict(variables), operation_name)
    if isinstance(executor, list):
        yield PreExecutionError(data=None, errors=_reported(executor))
        return
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        yield PreExecutionError(data=None, errors=_reported(source.errors or []))
        return
    subscriber = _Subscriber(executor, plan, parts)
    try:
        async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
            async for event in events:
                result = subscriber.kept(event) or await subscriber.made(event)
                if result.errors:
                    result.errors = _reported(result.errors)
                yield result
    except Exception as error:  # noqa: BLE001  # reported and logged, as Strawberry has it
        yield StrawberryResult(data=None, errors=_reported([GraphQLError(str(error), original_error=error)]))


class _Subscriber:
    """Takes the results of one subscription from the shared parts."""

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

    def kept(self, event: Any) -> Encoded | None:
        """The result for an event that is a part which is kept."""
        if self._plan.is_list or not self._is_shared:
            return None
        return cast("Encoded | None", self._parts.get(self._key(event)))

    async def made(self, event: Any) -> StrawberryResult:
        """The result for an event: from shared parts, or, where its execution finds errors, the subscriber's own."""
        if self._is_shared:
            shared = await (self._list(event) if self._plan.is_list else self._one(event))
            if shared is not None:
                return shared
        result = await self._execute(event)
        return StrawberryResult(data=result.data, errors=result.errors)

    def _key(self, part: Part) -> PartKey:
        return self._selection, part.identity

    async def _one(self, part: Part) -> Encoded | None:
        making = self._parts.making(self._key(part))
        if making is None:
            result = execute_subscription_event(self._executor.build_per_event_executor(part))
            if not self._executor.is_awaitable(result):
                return self._shared(part, cast("ExecutionResult", result))
            making = self._parts.make(self._key(part), self._shared_later(part, result))
        # A subscriber that leaves must not take the others' part with it.
        return cast("Encoded | None", await asyncio.shield(making))

    async def _shared_later(self, part: Part, result: Awaitable[Any]) -> Encoded | None:
        return self._shared(part, await result)

    def _shared(self, part: Part, result: ExecutionResult) -> Encoded | None:
        if result.errors:
            return None
        encoded = Encoded(data=None, errors=None, json=orjson.dumps({"data": result.data}).decode())
        self._parts.keep(self._key(part), encoded)
        return encoded

    async def _list(self, parts: Sequence[Part]) -> Encoded | None:
        if self._plan.encode_points is None:
            encoded = await self._joined(parts)
            return None if encoded is None else self._whole(encoded)
        # A batch of points has no gap: its ends say what it is.
        key = (self._selection, parts[0].identity, parts[-1].identity)
        kept = cast("Encoded | None", self._parts.get(key))
        if kept is None:
            kept = self._whole(self._plan.encode_points(cast("Any", parts)))
            self._parts.keep(key, kept)
        return kept

    def _whole(self, encoded: str) -> Encoded:
        return Encoded(data=None, errors=None, json=f'{{"data":{{"{self._plan.response_name}":{encoded}}}}}')

    async def _joined(self, parts: Sequence[Part]) -> str | None:
        encoded = [cast("str | None", self._parts.get(self._key(part))) for part in parts]
        missing = [index for index, part in enumerate(encoded) if part is None]
        if missing:
            result = await self._execute([parts[index] for index in missing])
            if result.errors:
                return None
            for index, made in zip(missing, cast("dict[str, Any]", result.data)[self._plan.response_name], strict=True):
                encoded[index] = part = orjson.dumps(made).decode()
                self._parts.keep(self._key(parts[index]), part)
        return f"[{','.join(cast('list[str]', encoded))}]"

    async def _execute(self, event: Any) -> ExecutionResult:
        result = execute_subscription_event(self._executor.build_per_event_executor(event))
        if self._executor.is_awaitable(result):
            result = await result
        return cast("ExecutionResult", result)


def _reported(errors: list[GraphQLError]) -> list[GraphQLError]:
    """The errors as the client gets them, once they are logged."""
    log_unexpected(errors)
    return masked(errors)
