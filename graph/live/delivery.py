"""Shared delivery: one execution and one encoding for each event and selection, however many subscribers there are.

The naive way executes the subscriber's operation for each event and subscriber, though all who select the same fields
get the same bytes. So the parts of an event (a point, a job) are executed and encoded once for each selection, the
encoded parts are kept for a while, and a subscriber's message is put together from them. What cannot be shared is left
to Strawberry: see `plan_of`.
"""

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationType,
    VariableNode,
    Visitor,
    create_source_event_stream,
    execute_subscription_event,
    get_operation_ast,
    parse,
    print_ast,
    validate,
    visit,
)
from strawberry.types.execution import ExecutionResult as StrawberryResult
from strawberry.types.execution import PreExecutionError

from graph.fast.points import PointEncoder, compile_points

__all__ = ["Encoded", "Part", "Parts", "Plan", "deliver", "plan_of"]

KEPT_BYTES = 8 * 2**20
"""Encoded parts that are kept, in bytes: enough for thousands of points, whatever is selected of them."""


class Part(Protocol):
    """Something that a subscription sends, alone or in a list, and that looks the same to all."""

    @property
    def identity(self) -> Hashable:
        """What it is and in which state: two parts with one identity look the same in every selection."""


@dataclass
class Encoded(StrawberryResult):
    """A result that is encoded already: `json` is the whole payload."""

    json: str = ""


class Parts:
    """The encoded parts of one app that were made last, up to KEPT_BYTES, and those that are being made."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, str] = {}
        self._bytes = 0
        self._making: dict[Hashable, asyncio.Task[str | None]] = {}

    def get(self, key: Hashable) -> str | None:
        """The part, if it is still kept."""
        return self._kept.get(key)

    def keep(self, key: Hashable, part: str) -> None:
        """Keep a part, and drop the oldest where there are too many."""
        self._bytes += len(part) - len(self._kept.pop(key, ""))
        self._kept[key] = part
        while self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def making(self, key: Hashable) -> asyncio.Task[str | None] | None:
        """The task that makes the part now, if there is one."""
        return self._making.get(key)

    def make(self, key: Hashable, coroutine: Coroutine[Any, Any, str | None]) -> asyncio.Task[str | None]:
        """Make the part in a task that others can wait for too."""
        task = self._making[key] = asyncio.create_task(coroutine)
        task.add_done_callback(lambda _: self._making.pop(key))
        return task


@dataclass(frozen=True)
class Plan:
    """A subscription whose results can be shared."""

    document: DocumentNode
    response_name: str
    selection: str
    """What is selected of each part, as text, with the fragments it uses."""
    variables: tuple[str, ...]
    """The variables that are used in the selection."""
    encode_points: PointEncoder | None
    """The compiled way to encode points, for a selection that has one."""


@functools.lru_cache(maxsize=1_000)
def plan_of(schema: GraphQLSchema, query: str, operation_name: str | None) -> Plan | None:
    """How to share the results of an operation; None where it is no valid subscription, or one of an unusual shape.

    Usual is one plain field at the root: directives and fragments there may mean anything.
    """
    try:
        document = parse(query)
    except GraphQLError:
        return None
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION or operation.directives:
        return None
    root = operation.selection_set.selections[0]
    if len(operation.selection_set.selections) > 1 or not isinstance(root, FieldNode) or root.directives:
        return None
    if root.selection_set is None or validate(schema, document):
        return None
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    selected = (root.selection_set, *fragments.values())
    return Plan(
        document=document,
        response_name=(root.alias or root.name).value,
        selection="".join(map(print_ast, selected)),
        variables=tuple(sorted({name for node in selected for name in _variables_in(node)})),
        encode_points=compile_points(root.selection_set, fragments) if root.name.value == "metricsAdded" else None,
    )


async def deliver(
    schema: GraphQLSchema,
    plan: Plan,
    operation_name: str | None,
    variables: Mapping[str, Any] | None,
    context: Any,
    parts: Parts,
) -> AsyncGenerator[StrawberryResult, None]:
    """The results of a subscription, Encoded where they could be shared; a PreExecutionError where it is refused.

    Raises what its source of events raises.
    """
    executor = Executor.build(schema, plan.document, None, context, dict(variables or {}), operation_name)
    if isinstance(executor, list):
        yield PreExecutionError(data=None, errors=executor)
        return
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        yield PreExecutionError(data=None, errors=source.errors)
        return
    shared = _Shared(executor, plan, parts)
    async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
        async for event in events:
            yield await shared.result(event)


class _Shared:
    """One subscriber's way to the shared parts."""

    __slots__ = ("_before", "_encode_points", "_executor", "_name", "_parts", "_selection")

    def __init__(self, executor: Executor[Any], plan: Plan, parts: Parts) -> None:
        self._executor = executor
        self._parts = parts
        self._name = plan.response_name
        self._encode_points = plan.encode_points
        self._before = f'{{"data":{{"{plan.response_name}":'
        coerced = executor.variable_values.coerced
        # By repr: values may be lists and objects, which are no keys.
        self._selection = (plan.selection, *(repr(coerced[name]) for name in plan.variables if name in coerced))

    async def result(self, event: Any) -> StrawberryResult:
        """The message for an event: from shared parts, or, where its execution finds errors, the subscriber's own."""
        if isinstance(event, Sequence):
            encoded = self._compiled(event) or await self._list(event)
        else:
            encoded = self._parts.get((self._selection, event.identity)) or await self._one(event)
        if encoded is not None:
            return Encoded(data=None, errors=None, json=f"{self._before}{encoded}}}}}")
        result = await self._execute(event)
        return StrawberryResult(data=result.data, errors=result.errors)

    async def _one(self, part: Part) -> str | None:
        key = (self._selection, part.identity)
        making = self._parts.making(key)
        if making is None:
            result = execute_subscription_event(self._executor.build_per_event_executor(part))
            if not self._executor.is_awaitable(result):
                return self._made(key, cast("ExecutionResult", result))
            making = self._parts.make(key, self._made_later(key, result))
        # Whoever leaves must not take the others' part with them.
        return await asyncio.shield(making)

    async def _made_later(self, key: Hashable, result: Awaitable[Any]) -> str | None:
        return self._made(key, await result)

    def _made(self, key: Hashable, result: ExecutionResult) -> str | None:
        return None if result.errors else self._kept(key, cast("dict[str, Any]", result.data)[self._name])

    def _compiled(self, event: Sequence[Part]) -> str | None:
        points = getattr(event, "rows", None)
        return self._encode_points(points).decode() if self._encode_points and points is not None else None

    async def _list(self, parts: Sequence[Part]) -> str | None:
        keys = [(self._selection, part.identity) for part in parts]
        encoded = [self._parts.get(key) for key in keys]
        missing = [index for index, part in enumerate(encoded) if part is None]
        if missing:
            result = await self._execute([parts[index] for index in missing])
            if result.errors:
                return None
            for index, made in zip(missing, cast("dict[str, Any]", result.data)[self._name], strict=True):
                encoded[index] = self._kept(keys[index], made)
        return f"[{','.join(cast('list[str]', encoded))}]"

    def _kept(self, key: Hashable, made: Any) -> str:
        encoded = orjson.dumps(made).decode()
        self._parts.keep(key, encoded)
        return encoded

    async def _execute(self, event: Any) -> ExecutionResult:
        result = execute_subscription_event(self._executor.build_per_event_executor(event))
        if self._executor.is_awaitable(result):
            result = await result
        return cast("ExecutionResult", result)


def _variables_in(node: Node) -> set[str]:
    """The names of the variables that a part of a document uses."""
    names: set[str] = set()

    class Collector(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            names.add(variable.name.value)

    visit(node, Collector())
    return names
