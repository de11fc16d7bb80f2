"""Answers by compiled plans, for operations that have one, and remembered for as long as the store stays as it is.

What is answered here is the same, byte for byte, as what Strawberry answers; whatever is unusual about a request, its
document, its arguments or the store is left to Strawberry.
"""

import asyncio
import functools
import logging
from collections import OrderedDict
from collections.abc import Mapping
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import orjson
from graphql import FragmentDefinitionNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType

from graph.execution.body import Body
from graph.execution.documents import MAX_REMEMBERED, REMEMBERED, Known, get_to_know, known
from graph.execution.limits import Limits
from graph.execution.results import TimedOut, payload_of
from graph.execution.running import Operations
from graph.plans.mutation import Done, Mutation, MutationPlan, plan_mutation
from graph.plans.query import Query, QueryPlan, plan_query
from graph.telemetry.call import current_call
from models.jobs import Jobs
from models.store.database import OUTAGES, Database

__all__ = ["Answers"]

log = logging.getLogger(__name__)

KEPT_BYTES = 6 * 2**20
"""Answers that are remembered, in bytes."""
KEPT_SHARE = 4
"""No answer takes more than this part of them."""
ENTRY_BYTES = 500
"""What remembering one costs beside its texts."""
OUTAGE_SECONDS = 5.0
"""How long after an outage the usual way is gone at once: it would be waited out twice."""
MEMBERS = frozenset({"query", "variables", "operationName", "extensions"})


class Remembered(NamedTuple):
    """The answer to a request that was met before."""

    version: int
    """Of the store, when it was read."""
    answer: bytes
    operation: str
    """What it calls itself; empty where it has no name."""


class Answers:
    """Answers requests as far as they have plans."""

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        operations: Operations,
        database: Database,
        jobs: Jobs,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._operations = operations
        self._database = database
        self._jobs = jobs
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()
        self._kept_bytes = 0
        self._outage_until = 0.0
        self._long = asyncio.Lock()
        """Long answers are made one after another: together they would take as long, and all of their memory."""

    async def answer(self, body: Body, *, may_write: bool = True) -> bytes | Done | None:
        """The answer to a request whose body this is; None where it has no plan, or would write and may not.

        Done where it is a verb's, which has been done and must not be done again, and which the usual way is to answer.
        """
        try:
            return self._recalled(await body.read()) or await self._made_in_time(body, may_write=may_write)
        except OUTAGES:  # the usual way meets it too, and tells it
            self._outage_until = monotonic() + OUTAGE_SECONDS
        except Exception:
            log.warning("a plan failed, and the usual way is gone", exc_info=True)
        return None

    async def _made_in_time(self, body: Body, *, may_write: bool) -> bytes | Done | None:
        answer = await self._operations.run(self._made(body, may_write=may_write))
        return orjson.dumps(payload_of(answer)) if isinstance(answer, TimedOut) else answer

    async def _made(self, body: Body, *, may_write: bool) -> bytes | Done | None:
        request = await _request_of(body)
        if request is None:
            return None
        await get_to_know(self._schema, self._limits, request.query)
        operation = _bound(self._schema, self._limits, request)
        if isinstance(operation, Mutation):
            return await self._done(operation) if may_write else None
        if operation is None or monotonic() < self._outage_until:
            return None
        raw = await body.read()
        if not operation.is_long:
            return await self._read(raw, operation)
        async with self._long:
            return self._recalled(raw) or await self._read(raw, operation)

    async def _read(self, body: bytes, query: Query) -> bytes | None:
        reader, call, began = self._database.reader, current_call(), perf_counter()
        # Before it is read: what is committed meanwhile may be in it, and is looked for again the next time.
        version = reader.version()
        try:
            data = await query.read(reader)
            if data is None:
                return None
            answer = _encoded(data)
        finally:
            if call:
                call.resolved = perf_counter() - began
        if version is not None:
            self._remember(body, Remembered(version, answer, call.operation if call else ""))
        return answer

    async def _done(self, mutation: Mutation) -> bytes | Done:
        call, began = current_call(), perf_counter()
        try:
            done = await mutation.run(self._jobs)
        finally:
            if call:
                call.resolved = perf_counter() - began
        if done.error:
            return done
        try:
            return _encoded(mutation.data(done))
        except Exception:
            log.exception("a plan failed, and the usual way answers what was done")
            return done

    def _recalled(self, body: bytes) -> bytes | None:
        remembered = self._remembered.get(body)
        if remembered is None or remembered.version != self._database.reader.version():
            return None
        self._remembered.move_to_end(body)
        if call := current_call():
            call.know(remembered.operation, "query")
        return remembered.answer

    def _remember(self, body: bytes, remembered: Remembered) -> None:
        self._forget(body)
        if _size(body, remembered) > KEPT_BYTES // KEPT_SHARE:
            return
        self._remembered[body] = remembered
        self._kept_bytes += _size(body, remembered)
        while self._kept_bytes > KEPT_BYTES:
            self._forget(next(iter(self._remembered)))

    def _forget(self, body: bytes) -> None:
        remembered = self._remembered.pop(body, None)
        if remembered is not None:
            self._kept_bytes -= _size(body, remembered)


def _size(body: bytes, remembered: Remembered) -> int:
    return len(body) + len(remembered.answer) + ENTRY_BYTES


def _encoded(data: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"data": data})


class _Request(NamedTuple):
    query: str
    name: str | None
    variables: Mapping[str, Any] | None


async def _request_of(body: Body) -> _Request | None:
    """What is asked for; None where it is more than a document that may have a plan, its variables and a name."""
    try:
        request = await body.said()
    except orjson.JSONDecodeError:
        return None
    if type(request) is not dict or not request.keys() <= MEMBERS or request.get("extensions") not in (None, {}):
        return None
    query, name, variables = request.get("query"), request.get("operationName"), request.get("variables")
    if type(query) is not str or len(query) > MAX_REMEMBERED or not isinstance(variables, dict | None):
        return None
    return _Request(query, name, variables)


def _bound(schema: GraphQLSchema, limits: Limits, request: _Request) -> Query | Mutation | None:
    """The operation that is asked for, where it has a plan."""
    query, name, variables = request
    planned = _plan(schema, limits, query)
    if planned is None:
        return None
    document, plan = planned
    if name not in (None, plan.operation.name and plan.operation.name.value) or document.too_costly(name, variables):
        return None
    if call := current_call():
        call.know(plan.operation.name.value if plan.operation.name else None, plan.operation.operation.value)
    try:
        return plan.bind(variables or {})
    except GraphQLError:  # an argument that only its value shows to be wrong
        return None


@functools.lru_cache(REMEMBERED)  # a pure function of its arguments, none of which is long
def _plan(schema: GraphQLSchema, limits: Limits, query: str) -> tuple[Known, QueryPlan | MutationPlan] | None:
    found = known(schema, limits, query)
    if found.valid is None:
        return None
    definitions = found.valid.definitions
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        return None
    (operation,) = operations
    plan: QueryPlan | MutationPlan | None = None
    if operation.operation is OperationType.QUERY:
        plan = plan_query(schema, operation, fragments)
    elif operation.operation is OperationType.MUTATION:
        plan = plan_mutation(schema, operation, fragments)
    return None if plan is None else (found, plan)
