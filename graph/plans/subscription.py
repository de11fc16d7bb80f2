"""Shared delivery: one execution and one encoding for each event and selection, however many subscribers there are.

The naive way executes the subscriber's operation for each event and subscriber, though all who select the same fields
get the same bytes. So the parts of an event (a point, a job) are executed and encoded once for each selection, the
encoded parts are kept for a while, and a subscriber's message is put together from them. What cannot be shared is left
to Strawberry: see `plan_of`.
"""

import asyncio
import functools
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
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
    get_nullable_type,
    get_operation_ast,
    is_list_type,
    print_ast,
    visit,
)
from strawberry.types.execution import ExecutionResult as StrawberryResult
from strawberry.types.execution import PreExecutionError

from graph.execution.documents import REMEMBERED, Known, known
from graph.execution.limits import Limits
from graph.execution.results import Encoded
from graph.plans.points import PointEncoder, compile_points

__all__ = ["Key", "Part", "Parts", "Plan", "deliver", "plan_of"]

PART_BYTES = 600
"""What keeping a part costs beside its text and that of what is selected: its place, the result around it."""
KEPT_BYTES = 8 * 2**20
"""Encoded parts that are kept, in bytes: enough for thousands of points, whatever is selected of them."""
SHARED_CHARACTERS = 2_000
"""Of variables that are part of a selection, as text; who selects by longer ones shares with nobody."""


class Part(Protocol):
    """Something that a subscription sends, alone or in a list, and that looks the same to all."""

    @property
    def identity(self) -> Hashable:
        """What it is and in which state: two parts with one identity look the same in every selection."""


Made = Encoded | str
"""A part as it is kept: one that is sent alone as the whole result, one of a list as its JSON."""
Key = tuple[str, *tuple[Hashable, ...]]
"""What a part is found by: what is selected of it, and its identity, or of a batch those at its ends."""


class Parts:
    """The encoded parts of one app that were made last, up to KEPT_BYTES, and those that are being made."""

    def __init__(self) -> None:
        self._kept: dict[Key, Made] = {}
        self._bytes = 0
        self._making: dict[Key, asyncio.Task[Made | None]] = {}

    def get(self, key: Key) -> Made | None:
        """The part, if it is still kept."""
        return self._kept.get(key)

    def keep(self, key: Key, part: Made) -> None:
        """Keep a part, and drop the oldest where there are too many."""
        self._drop(key)
        self._kept[key] = part
        self._bytes += _size(key, part)
        while self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def making(self, key: Key) -> "asyncio.Task[Made | None] | None":
        """The task that makes the part now, if there is one."""
        return self._making.get(key)

    def make(self, key: Key, coroutine: Coroutine[Any, Any, Made | None]) -> "asyncio.Task[Made | None]":
        """Make the part in a task that others can wait for too."""
        task = self._making[key] = asyncio.create_task(coroutine)
        task.add_done_callback(lambda _: self._making.pop(key))
        return task

    def _drop(self, key: Key) -> None:
        part = self._kept.pop(key, None)
        if part is not None:
            self._bytes -= _size(key, part)


def _size(key: Key, part: Made) -> int:
    return PART_BYTES + sys.getsizeof(key[0]) + sys.getsizeof(part if isinstance(part, str) else part.json)


@dataclass(frozen=True)
class Plan:
    """A subscription whose results can be shared."""

    known: Known
    document: DocumentNode
    operation: str | None
    """What the operation calls itself."""
    response_name: str
    is_list: bool
    """Whether an event is a list of parts, and not a part."""
    selection: str
    """What is selected of each part, as text, with the fragments it uses, and what the result calls it."""
    variables: tuple[str, ...]
    """The variables that are used in the selection."""
    encode_points: PointEncoder | None
    """The compiled way to encode a list of points, for a selection that has one."""


@functools.lru_cache(REMEMBERED)  # a pure function of its arguments
def plan_of(schema: GraphQLSchema, limits: Limits, query: str, operation_name: str | None) -> Plan | None:
    """How to share the results of an operation; None where it is no valid subscription, or one of an unusual shape.

    Usual is one plain field at the root: directives and fragments there may mean anything.
    """
    found = known(schema, limits, query)
    document = found.valid
    if document is None:
        return None
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION or operation.directives:
        return None
    root = operation.selection_set.selections[0]
    if len(operation.selection_set.selections) > 1 or not isinstance(root, FieldNode) or root.directives:
        return None
    if root.selection_set is None:
        return None
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    selected = (root.selection_set, *fragments.values())
    response_name = (root.alias or root.name).value
    assert schema.subscription_type is not None
    is_list = is_list_type(get_nullable_type(schema.subscription_type.fields[root.name.value].type))
    return Plan(
        known=found,
        document=document,
        operation=operation.name.value if operation.name else None,
        response_name=response_name,
        is_list=is_list,
        selection=f"{response_name}{'[]' if is_list else ''} {''.join(map(print_ast, selected))}",
        variables=tuple(sorted({name for node in selected for name in _variables_in(node)})),
        encode_points=compile_points(root.selection_set, fragments) if root.name.value == "metricsAdded" else None,
    )


async def deliver(
    schema: GraphQLSchema,
    executor_class: type[Executor[Any]],
    plan: Plan,
    operation_name: str | None,
    variables: Mapping[str, Any] | None,
    context: Any,
    told: Callable[[list[GraphQLError]], list[GraphQLError]],
) -> AsyncGenerator[StrawberryResult, None]:
    """The results of a subscription, Encoded where they could be shared; a PreExecutionError where it is refused.

    `context.parts` are the shared parts; `told` gives errors as the client is told of them. One that the source of
    events raises is the last result.
    """
    executor = executor_class.build(schema, plan.document, None, context, dict(variables or {}), operation_name)
    if isinstance(executor, list):
        yield PreExecutionError(data=None, errors=told(executor))
        return
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        yield PreExecutionError(data=None, errors=told(source.errors or []))
        return
    shared = _Shared(executor, plan, context.parts)
    try:
        async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
            async for event in events:
                result = shared.kept(event) or await shared.made(event)
                if result.errors:
                    result.errors = told(result.errors)
                yield result
    except Exception as error:  # noqa: BLE001  # told and logged, as Strawberry has it
        yield StrawberryResult(data=None, errors=told([GraphQLError(str(error), original_error=error)]))


class _Shared:
    """One subscriber's way to the shared parts."""

    __slots__ = ("_executor", "_is_shared", "_parts", "_plan", "_selection")

    def __init__(self, executor: Executor[Any], plan: Plan, parts: Parts) -> None:
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

    def _key(self, part: Part) -> Key:
        return self._selection, part.identity

    async def _one(self, part: Part) -> Encoded | None:
        making = self._parts.making(self._key(part))
        if making is None:
            result = execute_subscription_event(self._executor.build_per_event_executor(part))
            if not self._executor.is_awaitable(result):
                return self._shared(part, cast("ExecutionResult", result))
            making = self._parts.make(self._key(part), self._shared_later(part, result))
        # Whoever leaves must not take the others' part with them.
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


def _variables_in(node: Node) -> set[str]:
    """The names of the variables that a part of a document uses."""
    names: set[str] = set()

    class Collector(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            names.add(variable.name.value)

    visit(node, Collector())
    return names
