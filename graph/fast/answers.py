"""Answers by compiled plans, for operations that have one, and remembered for as long as the store stays as it is.

What is answered here is the same, byte for byte, as what Strawberry answers; whatever is unusual about a request, its
document, its arguments or the store is left to Strawberry.
"""

import functools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, OperationType

from graph.fast.documents import MAX_REMEMBERED, valid_document
from graph.fast.mutation import Mutation, MutationPlan, Raised, plan_mutation
from graph.fast.query import Query, QueryPlan, plan_query
from models.database import Database
from models.jobs import Jobs

__all__ = ["Answers"]

KEPT_BYTES = 8 * 2**20
"""Answers that are remembered, in bytes."""
KEPT_SHARE = 4
"""No answer takes more than this part of them."""
ENTRY_BYTES = 2_000
"""What remembering one costs beside its texts."""
MEMBERS = frozenset({"query", "variables", "operationName", "extensions"})


@dataclass(slots=True)
class Known:
    """A request that was met before."""

    query: Query
    version: int | None = None
    """Of the store, when the answer was read."""
    answer: bytes = b""


class Answers:
    """Answers requests as far as they have plans."""

    def __init__(self, schema: GraphQLSchema, database: Database, jobs: Jobs) -> None:
        self._schema = schema
        self._database = database
        self._jobs = jobs
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._kept_bytes = 0

    async def answer(self, body: bytes) -> bytes | Raised | None:
        """The answer to a request whose body this is; None where it has no plan.

        Raised where it was a verb, which has raised: it must not be done again.
        """
        known = self._known.get(body)
        if known is None:
            operation = _bound(self._schema, body)
            if isinstance(operation, Mutation):
                done = await operation.run(self._jobs)
                return done if isinstance(done, Raised) else _encoded(done)
            if operation is None:
                return None
            known = Known(operation)
        try:
            return await self._read(body, known)
        except Exception:  # noqa: BLE001  # whatever it is, the usual way meets it too, and tells it
            return None

    async def _read(self, body: bytes, known: Known) -> bytes | None:
        reader = self._database.reader
        # Before it is read: what is committed meanwhile may be in it, and is looked for again the next time.
        version = reader.version()
        if version is not None and version == known.version:
            self._known.move_to_end(body)
            return known.answer
        data = await known.query.read(reader)
        if data is None:
            return None
        answer = _encoded(data)
        self._keep(body, Known(known.query, version, answer if version is not None else b""))
        return answer

    def _keep(self, body: bytes, known: Known) -> None:
        self._forget(body)
        if _size(body, known) > KEPT_BYTES // KEPT_SHARE:
            return
        self._known[body] = known
        self._kept_bytes += _size(body, known)
        while self._kept_bytes > KEPT_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, body: bytes) -> None:
        known = self._known.pop(body, None)
        if known is not None:
            self._kept_bytes -= _size(body, known)


def _size(body: bytes, known: Known) -> int:
    return len(body) + len(known.answer) + ENTRY_BYTES


def _encoded(data: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"data": data})


def _bound(schema: GraphQLSchema, body: bytes) -> Query | Mutation | None:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(request) is not dict or not request.keys() <= MEMBERS or request.get("extensions") not in (None, {}):
        return None
    query, name, variables = request.get("query"), request.get("operationName"), request.get("variables")
    if type(query) is not str or len(query) > MAX_REMEMBERED:
        return None
    if not isinstance(name, str | None) or not isinstance(variables, dict | None):
        return None
    plan = _plan(schema, query, name)
    return None if plan is None else plan.bind(variables or {})


@functools.lru_cache(maxsize=256)  # a pure function of its arguments, none of which is long
def _plan(schema: GraphQLSchema, query: str, operation_name: str | None) -> QueryPlan | MutationPlan | None:
    document = valid_document(schema, query)
    if document is None:
        return None
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        return None
    (operation,) = operations
    if operation_name is not None and (operation.name is None or operation.name.value != operation_name):
        return None
    if operation.operation is OperationType.QUERY:
        return plan_query(schema, operation, fragments)
    return plan_mutation(schema, operation, fragments) if operation.operation is OperationType.MUTATION else None
