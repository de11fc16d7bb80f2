"""What is known of documents: read, measured and validated once, for this costs more than answering most of them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_operation_ast, parse, validate
from graphql.validation.rules import overlapping_fields_can_be_merged

from graph.limits import measures
from graph.limits.cost import Cost, cost_of
from graph.limits.limits import CODES, Limits, beyond

__all__ = ["MAX_REMEMBERED", "REMEMBERED", "Known", "known"]

MAX_REMEMBERED = 2_000
"""Characters of the longest document that is remembered for long: a long one may take 300 kB."""
REMEMBERED = 64
"""Documents that are remembered: a page, a dashboard and a training loop have a few each."""

# Comparisons of fields that may overlap, which grow with the square of a document: a tenth of a second's.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 100_000
ABORTED = "Validation aborted."
"""What graphql-core says of a document with more of them."""


class Known:
    """What is known of a document."""

    __slots__ = ("_costs", "_limits", "_schema", "document", "errors")

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, document: DocumentNode | None, errors: Sequence[GraphQLError]
    ) -> None:
        self.document = document
        """None where it could not be read, or was not."""
        self.errors = errors
        """Why it is refused, whatever the request."""
        self._schema = schema
        self._limits = limits
        self._costs: dict[str | None, Cost] = {}

    @property
    def valid(self) -> DocumentNode | None:
        """The document, where nothing is wrong with it."""
        return None if self.errors else self.document

    def too_costly(self, name: str | None, variables: Mapping[str, Any] | None) -> GraphQLError | None:
        """The error for an operation of a valid document that asks for more than is allowed.

        `name`: None for the only operation. Where there is none of the name there is none that asks for too much.
        """
        cost = self._costs.get(name)
        if cost is None:
            assert self.document is not None
            operation = get_operation_ast(self.document, name)
            if operation is None:
                return None
            # Not of all operations at once: each may spread every fragment.
            cost = self._costs[name] = cost_of(self._schema, self.document, operation)
        asked = cost.of(variables or {})
        if asked <= self._limits.max_cost:
            return None
        return beyond("max_cost", self._limits.max_cost, "The operation asks for {} objects", asked)


def known(schema: GraphQLSchema, limits: Limits, query: str) -> Known:
    """What is known of a document."""
    return (_known if len(query) <= MAX_REMEMBERED else _known_long)(schema, limits, query)


def _find_out(schema: GraphQLSchema, limits: Limits, query: str) -> Known:
    """A pure function of its arguments."""
    if len(query) > limits.max_document_characters:
        what = "The document has {} characters"
        error = beyond("max_document_characters", limits.max_document_characters, what, len(query))
        return Known(schema, limits, None, [error])
    try:
        document = parse(query, max_tokens=limits.max_document_tokens)
    except GraphQLError as error:
        if error.message.startswith(f"Syntax Error: Document contains more than {limits.max_document_tokens} tokens"):
            error = beyond("max_document_tokens", limits.max_document_tokens, "The document has {} tokens")
        return Known(schema, limits, None, [error.with_traceback(None)])
    refusal = measures.refusal(document, limits)
    errors = [refusal] if refusal else validate(schema, document, hide_suggestions=not limits.suggestions)
    if any(error.message == ABORTED for error in errors):
        what = (
            "The fields and fragments of the document overlap in too many ways to be compared: ask for each field once."
        )
        errors = [GraphQLError(what, extensions={"code": CODES["max_cost"]})]
    return Known(schema, limits, document, errors)


_known = functools.lru_cache(REMEMBERED)(_find_out)
_known_long = functools.lru_cache(1)(_find_out)  # one request looks at it more than once
