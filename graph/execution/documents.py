"""Documents, each parsed, measured and validated once: that costs more than answering most of them."""

import sys
from collections.abc import Hashable, Mapping
from graphlib import CycleError
from operator import attrgetter
from typing import Any

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoFragmentCyclesRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    validate,
)

from graph.execution.cost import Cost
from graph.execution.document_size import size_error
from graph.execution.results import CODES, limit_error
from graph.execution.turns import WorkerThread
from graph.settings import Settings

__all__ = ["Document", "Documents"]

CACHE_BYTES = 16 * 2**20
TOKEN_BYTES = 1_000
"""What a document takes in memory for each of its tokens, parsed and with its plans: measured."""
TOO_MANY_TOKENS = "Syntax Error: Document contains more than "
"""The beginning of graphql-core's message where max_tokens are exceeded."""
ABORTED = "Validation aborted."
"""graphql-core's message where the fields of a document would take too many comparisons."""


class Document:
    """What is known of a document."""

    __slots__ = ("_costs", "_schema", "_settings", "bytes", "compiled", "errors", "node")

    def __init__(
        self, schema: GraphQLSchema, settings: Settings, query: str, node: DocumentNode | None, *errors: GraphQLError
    ) -> None:
        """`node`: None where it could not be parsed, or is too long to be; `errors`: why no request may use it."""
        self.bytes = sys.getsizeof(query) + TOKEN_BYTES * (1 + (node.token_count if node else 0))
        """In memory, about."""
        self.node = node
        self.errors = errors
        self._schema = schema
        self._settings = settings
        self._costs: dict[str | None, Cost] = {}
        self.compiled: dict[Hashable, Any] = {}
        """What others compiled from it, for as long as it is kept."""

    @property
    def valid(self) -> DocumentNode | None:
        """The document, where nothing is wrong with it."""
        return None if self.errors else self.node

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of that name, or for None the only one; None where there is no such."""
        return get_operation_ast(self.node, name) if self.node else None

    def cost(self, name: str | None, variables: Mapping[str, Any] | None) -> int:
        """The cost in values of an operation of a valid document; 0 where there is no such operation.

        Raises GraphQLError where it is more than is allowed.
        """
        if name not in self._costs:
            operation = self.operation(name)
            if operation is None or self.node is None:
                return 0
            # Not of all operations at once: each may spread every fragment.
            self._costs[name] = Cost(self._schema, self.node, operation)
        cost = self._costs[name].of(variables or {})
        if cost > self._settings.max_cost:
            raise limit_error(self._settings, "max_cost", "The operation asks for {} values", cost)
        return cost


class Documents:
    """The documents of one app that were requested last, up to CACHE_BYTES."""

    def __init__(self, schema: GraphQLSchema, settings: Settings, worker: WorkerThread) -> None:
        self._schema = schema
        self._settings = settings
        self._worker = worker
        self._cache: LRUCache[str, Document] = LRUCache(CACHE_BYTES, attrgetter("bytes"))

    async def get(self, query: str) -> Document:
        """The document; one that is not cached is read in the worker thread."""
        document = self._cache.get(query)
        if document is None:
            try:
                document = await self._worker.run(self.read, query)
            except GraphQLError as error:  # not read in time
                return Document(self._schema, self._settings, query, None, error)
            if document.bytes <= CACHE_BYTES:
                self._cache[query] = document
        return document

    def read(self, query: str) -> Document:
        """The document, parsed, measured and validated."""
        settings, node, errors = self._settings, None, list[GraphQLError]()
        try:
            if len(query) > settings.max_document_characters:
                raise limit_error(settings, "max_document_characters", "The document has {} characters", len(query))
            node = parse(query, max_tokens=settings.max_document_tokens)
            if refusal := size_error(node, settings):
                raise refusal
            errors = validate(self._schema, node, hide_suggestions=not settings.suggestions)
        except CycleError:  # of fragments: it has no size
            assert node is not None
            errors = validate(self._schema, node, [NoFragmentCyclesRule])
        except GraphQLError as error:
            errors = [error]
        if errors and errors[0].message.startswith(TOO_MANY_TOKENS):
            errors = [limit_error(settings, "max_document_tokens", "The document has {} tokens")]
        if any(error.message == ABORTED for error in errors):
            message = "The fields of the document overlap in too many ways to be compared: select each field once."
            errors = [GraphQLError(message, extensions={"code": CODES["max_cost"]})]
        return Document(self._schema, settings, query, node, *errors)
