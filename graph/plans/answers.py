"""Answers by compiled plans, for operations that have one, and remembered for as long as the store stays as it is.

What is answered here is the same, byte for byte, as what Strawberry answers; whatever is unusual about an operation,
its arguments or the store is left to Strawberry.
"""

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import orjson
from cachetools import LRUCache
from graphql import Executor, GraphQLError

from graph.execution.documents import Document
from graph.execution.results import TimedOut, payload_of
from graph.execution.running import Operations
from graph.execution.variables import is_long
from graph.plans.delivery import Results, deliver
from graph.plans.mutation import BoundMutation, MutationPlan
from graph.plans.parts import Parts
from graph.plans.plans import Planned, Plans
from graph.plans.query import BoundQuery, QueryPlan
from graph.plans.subscription import SubscriptionPlan
from graph.telemetry.call import current_call
from models.jobs import Jobs
from models.store.database import Database
from models.store.errors import StoreFailure

__all__ = ["Answers"]

log = logging.getLogger(__name__)

REMEMBERED_BYTES = 6 * 2**20
"""Answers that are remembered, in bytes."""
REMEMBERED_SHARE = 4
"""No answer takes more than this part of them."""
ENTRY_BYTES = 500
"""What remembering one costs beside its texts."""
OUTAGE_SECONDS = 5.0
"""How long after an outage Strawberry answers at once: it would be waited out twice."""

Variables = Mapping[str, Any] | None
AnswerKey = bytes | tuple[str, str | None, bytes]
"""What an answer is remembered by: the body of its request, or a document, the operation's name and its variables."""


class Remembered(NamedTuple):
    """The answer to an operation."""

    version: int
    """Of the store, when it was read."""
    answer: bytes
    operation: str
    """Its name; empty where it has none."""
    size: int


class Answers:
    """Answers operations as far as they have plans."""

    def __init__(self, plans: Plans, operations: Operations, database: Database, jobs: Jobs) -> None:
        self.plans = plans
        self.parts = Parts()
        self._operations = operations
        self._database = database
        self._jobs = jobs
        self._remembered: LRUCache[AnswerKey, Remembered] = LRUCache(
            REMEMBERED_BYTES, getsizeof=lambda remembered: remembered.size
        )
        self._outage_until = 0.0
        self._long = asyncio.Lock()
        """Long answers are made one after another: together they would take as long, and all of their memory."""
        self.count = 0
        """How many operations were answered by a plan, those of streams included."""

    @property
    def remembered_bytes(self) -> int:
        """What the remembered answers take in memory."""
        return int(self._remembered.currsize)

    def recalled(self, key: AnswerKey) -> bytes | None:
        """The answer that is remembered by that, if the store is as it was."""
        answer = self._recalled(key)
        self.count += answer is not None
        return answer

    async def answer(
        self, query: str, variables: Variables, name: str | None, *, may_write: bool, key: bytes | None = None
    ) -> bytes | None:
        """The answer to a query or a mutation, as JSON; None where it has no plan, or would write and may not.

        `key`: the body that says all this, by which the caller has not found a remembered answer.
        """
        try:
            planned = await self.plans.find(query, name)
            answer = None if planned is None else await self._answer(planned, query, variables, name, may_write, key)
        except StoreFailure:  # Strawberry meets it too, and reports it
            self._outage_until = monotonic() + OUTAGE_SECONDS
            return None
        except Exception:
            log.warning("compiled plan failed; falling back to Strawberry", exc_info=True)
            return None
        self.count += answer is not None
        return answer

    def stream(self, document: Document, name: str | None, executor: Executor[Any]) -> Results | None:
        """The results of a subscription; None where it has no plan."""
        planned = self.plans.of(document, name)
        if planned is None or not isinstance(planned.plan, SubscriptionPlan):
            return None
        self.count += 1
        return deliver(executor, planned.plan, self.parts)

    async def _answer(
        self,
        planned: Planned,
        query: str,
        variables: Variables,
        name: str | None,
        may_write: bool,
        body: bytes | None,
    ) -> bytes | None:
        plan = planned.plan
        if isinstance(plan, MutationPlan) and may_write:
            return await self._run(planned, variables, name, None)
        if not isinstance(plan, QueryPlan) or is_long(variables):
            return None
        if body is not None:
            return await self._run(planned, variables, name, body)
        key = query, name, orjson.dumps(variables) if variables else b""
        return self._recalled(key) or await self._run(planned, variables, name, key)

    async def _run(
        self, planned: Planned, variables: Variables, name: str | None, key: AnswerKey | None
    ) -> bytes | None:
        plan = planned.plan
        assert not isinstance(plan, SubscriptionPlan)
        if planned.document.cost_error(name, variables):
            return None
        if call := current_call():
            call.know(planned.name, planned.operation.operation.value)
        try:
            bound = plan.bind(variables or {})
        except GraphQLError:  # an argument that only its value shows to be wrong
            return None
        answer: bytes | TimedOut | None = None
        if isinstance(bound, BoundMutation):
            answer = await self._operations.run(self._done(bound))
        elif bound is not None and key is not None and monotonic() >= self._outage_until:
            answer = await self._operations.run(self._read(bound, key, planned.name))
        return orjson.dumps(payload_of(answer)) if isinstance(answer, TimedOut) else answer

    async def _done(self, mutation: BoundMutation) -> bytes:
        began = perf_counter()
        try:
            return await mutation.run(self._jobs)
        finally:
            if call := current_call():
                call.resolved = perf_counter() - began

    async def _read(self, query: BoundQuery, key: AnswerKey, name: str) -> bytes | None:
        if not query.is_long:
            return await self._read_now(query, key, name)
        async with self._long:
            return self._recalled(key) or await self._read_now(query, key, name)

    async def _read_now(self, query: BoundQuery, key: AnswerKey, name: str) -> bytes | None:
        reader, began = self._database.reader, perf_counter()
        # Before it is read: what is committed meanwhile may be in it, and is looked for again the next time.
        version = reader.version()
        try:
            data = await query.read(reader)
            if data is None:
                return None
            answer = orjson.dumps({"data": data})
        finally:
            if call := current_call():
                call.resolved = perf_counter() - began
        size = len(answer) + ENTRY_BYTES + (len(key) if isinstance(key, bytes) else sum(map(len, filter(None, key))))
        if version is not None and size <= REMEMBERED_BYTES // REMEMBERED_SHARE:
            self._remembered[key] = Remembered(version, answer, name, size)
        return answer

    def _recalled(self, key: AnswerKey) -> bytes | None:
        remembered = self._remembered.get(key)
        if remembered is None or remembered.version != self._database.reader.version():
            return None
        if call := current_call():
            call.know(remembered.operation, "query")
        return remembered.answer
