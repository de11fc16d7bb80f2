"""Answers by compiled plans, for operations that have one, and remembered for as long as the store stays as it is.

What is answered here is the same, byte for byte, as what Strawberry answers; whatever is unusual about an operation or
its arguments is left to Strawberry.
"""

import logging
from collections.abc import Coroutine, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from cachetools import LRUCache
from graphql import (
    Executor,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from strawberry.types import ExecutionResult

from graph.execution.documents import Document
from graph.execution.results import TimedOut, json_of
from graph.execution.running import Operations, is_long
from graph.plans.delivery import Parts, Results, SubscriptionPlan, deliver, plan_subscription
from graph.plans.mutation import MutationPlan, plan_mutation
from graph.plans.query import QueryPlan, plan_query
from graph.telemetry.calls import current_call
from models.jobs import Jobs
from models.store.database import Database

__all__ = ["Answers"]

log = logging.getLogger(__name__)

REMEMBERED_BYTES = 6 * 2**20
LONGEST_REMEMBERED = REMEMBERED_BYTES // 4
ENTRY_BYTES = 500
"""What remembering one costs beside its texts."""

COMPILERS = {
    OperationType.QUERY: plan_query,
    OperationType.MUTATION: plan_mutation,
    OperationType.SUBSCRIPTION: plan_subscription,
}

Variables = Mapping[str, Any] | None


class Planned(NamedTuple):
    """An operation that has a plan."""

    document: Document
    operation: OperationDefinitionNode
    plan: QueryPlan | MutationPlan | SubscriptionPlan

    @property
    def name(self) -> str:
        """Of the operation; empty where it has none."""
        return self.operation.name.value if self.operation.name else ""


class Remembered(NamedTuple):
    """The answer to an operation of that name, or of none."""

    version: int | None
    """Of the store, when it was read; None where nothing of it was."""
    answer: bytes
    operation: str
    size: int


class Answers:
    """Answers operations as far as they have plans."""

    def __init__(self, schema: GraphQLSchema, operations: Operations, database: Database, jobs: Jobs) -> None:
        self.parts = Parts()
        self._schema = schema
        self._operations = operations
        self._database = database
        self._jobs = jobs
        self._remembered: LRUCache[bytes, Remembered] = LRUCache(REMEMBERED_BYTES, attrgetter("size"))
        self.count = 0
        """How many operations were answered by a plan, those of streams included."""

    @property
    def remembered_bytes(self) -> int:
        """What the remembered answers take in memory."""
        return int(self._remembered.currsize)

    def recalled(self, key: bytes) -> bytes | None:
        """The answer that is remembered by that, if the store is as it was."""
        remembered = self._remembered.get(key)
        if remembered is None:
            return None
        if remembered.version is not None and remembered.version != self._database.reader.version():
            return None
        if call := current_call():
            call.know(remembered.operation, "query")
        self.count += 1
        return remembered.answer

    async def find(self, query: str, name: str | None) -> Planned | None:
        """The operation of that name, or the only one; None where it has no plan."""
        return self._planned(await self._operations.documents.get(query), name)

    async def answer(
        self, query: str, variables: Variables, name: str | None, *, may_write: bool, key: bytes | None = None
    ) -> bytes | None:
        """The answer to a query or a mutation, as JSON; None where it has no plan, or would write and may not.

        `key`: the body that says all this, by which the caller has not found a remembered answer.
        """
        try:
            return await self._answer(query, variables, name, may_write, key)
        except TimedOut as error:
            return json_of(ExecutionResult(None, [error])).encode()
        except GraphQLError:  # what is wrong with the request, which Strawberry reports
            return None
        except Exception:
            log.warning("compiled plan failed; falling back to Strawberry", exc_info=True)
            return None

    def stream(self, document: Document, name: str | None, executor: Executor[Any]) -> Results | None:
        """The results of a subscription; None where it has no plan."""
        planned = self._planned(document, name)
        if planned is None or not isinstance(planned.plan, SubscriptionPlan):
            return None
        self.count += 1
        return deliver(executor, planned.plan, self.parts)

    def _planned(self, document: Document, name: str | None) -> Planned | None:
        """The operation with its plan, which is compiled at its first use and kept with the document."""
        if name in document.compiled:
            found: Planned | None = document.compiled[name]
            return found
        node, operation = document.valid, document.operation(name)
        if node is None or operation is None:
            return None
        fragments = {each.name.value: each for each in node.definitions if isinstance(each, FragmentDefinitionNode)}
        plan = COMPILERS[operation.operation](self._schema, operation, fragments)
        planned = document.compiled[name] = None if plan is None else Planned(document, operation, plan)
        return planned

    async def _answer(
        self, query: str, variables: Variables, name: str | None, may_write: bool, key: bytes | None
    ) -> bytes | None:
        planned = await self.find(query, name)
        if planned is None:
            return None
        plan, cost = planned.plan, planned.document.cost(name, variables)
        answer: Coroutine[Any, Any, bytes | None]
        if isinstance(plan, QueryPlan):
            if is_long(variables):
                return None
            if key is None:
                key = orjson.dumps([query, name, variables])
                if recalled := self.recalled(key):
                    return recalled
            answer = self._read(plan, variables or {}, key, planned.name)
        elif isinstance(plan, MutationPlan) and may_write:
            answer = plan.run(self._jobs, variables or {})
        else:
            return None
        if call := current_call():
            call.know(planned.name, planned.operation.operation.value)
        done = await self._operations.run(answer, cost)
        self.count += done is not None
        return done

    async def _read(self, plan: QueryPlan, variables: Mapping[str, Any], key: bytes, name: str) -> bytes | None:
        reader = self._database.reader
        # Before it is read: what is committed meanwhile may be in it, and is looked for again the next time.
        version = None if plan.is_constant else reader.version()
        result = await plan.read(reader, variables)
        if result is None:
            return None
        answer = json_of(result).encode() if result.errors else orjson.dumps({"data": result.data})
        size = len(answer) + ENTRY_BYTES + len(key)
        if result.errors is None and (plan.is_constant or version is not None) and size <= LONGEST_REMEMBERED:
            self._remembered[key] = Remembered(version, answer, name, size)
        return answer
