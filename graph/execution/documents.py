"""What is known of documents: read, measured and validated once, for this costs more than answering most of them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Lexer,
    Source,
    Token,
    get_operation_ast,
)
from graphql.language.parser import Parser, nested_too_deeply_error

from graph.execution import document_size as measures
from graph.execution.cost import Cost, cost_of
from graph.execution.limits import CODES, Limits, beyond
from graph.execution.validation import ABORTED, faults_of
from graph.execution.worker_thread import aside
from graph.garbage import forget_frames

__all__ = ["MAX_REMEMBERED", "REMEMBERED", "Known", "get_to_know", "known"]

MAX_REMEMBERED = 2_000
"""Characters of the longest document that is remembered for long: a long one may take 300 kB."""
REMEMBERED = 64
"""Documents that are remembered: a page, a dashboard and a training loop have a few each."""
REMEMBERED_LONG = 16
"""Of the long ones: one request looks at its own more than once."""


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

    def cost(self, name: str | None, variables: Mapping[str, Any] | None) -> int:
        """How many values an operation of a valid document asks for; none, where there is no operation of that name.

        `name`: None for the only operation.
        """
        cost = self._costs.get(name)
        if cost is None:
            assert self.document is not None
            operation = get_operation_ast(self.document, name)
            if operation is None:
                return 0
            # Not of all operations at once: each may spread every fragment.
            cost = self._costs[name] = cost_of(self._schema, self.document, operation)
        return cost.of(variables or {})

    def too_costly(self, name: str | None, variables: Mapping[str, Any] | None) -> GraphQLError | None:
        """The error for an operation of a valid document that asks for more than is allowed."""
        asked = self.cost(name, variables)
        if asked <= self._limits.max_cost:
            return None
        return beyond("max_cost", self._limits.max_cost, "The operation asks for {} values", asked)


_remembered: dict[bool, OrderedDict[tuple[GraphQLSchema, Limits, str], Known]] = {
    False: OrderedDict(),
    True: OrderedDict(),
}
"""Documents, and by themselves those that are long, which are forgotten soon; the one asked for last is the last."""


async def get_to_know(schema: GraphQLSchema, limits: Limits, query: str) -> Known:
    """What is known of a document; what is not yet is found out aside, within the time that an operation may take."""
    found = _recalled(schema, limits, query)
    if found is not None:
        return found
    try:
        found = await aside.run(limits, len(query), _find_out, schema, limits, query)
    except GraphQLError as error:
        return Known(schema, limits, None, [error])
    _remember(schema, limits, query, found)
    return found


def known(schema: GraphQLSchema, limits: Limits, query: str) -> Known:
    """The same at once, for who cannot wait, or has got to know it just now."""
    found = _recalled(schema, limits, query)
    if found is None:
        found = _find_out(schema, limits, query)
        _remember(schema, limits, query, found)
    return found


def _recalled(schema: GraphQLSchema, limits: Limits, query: str) -> Known | None:
    remembered, key = _remembered[len(query) > MAX_REMEMBERED], (schema, limits, query)
    found = remembered.get(key)
    if found is not None:
        remembered.move_to_end(key)
    return found


def _remember(schema: GraphQLSchema, limits: Limits, query: str, found: Known) -> None:
    is_long = len(query) > MAX_REMEMBERED
    remembered = _remembered[is_long]
    remembered[schema, limits, query] = found
    if len(remembered) > (REMEMBERED_LONG if is_long else REMEMBERED):
        remembered.popitem(last=False)


def _find_out(schema: GraphQLSchema, limits: Limits, query: str) -> Known:
    """A pure function of its arguments."""
    if len(query) > limits.max_document_characters:
        what = "The document has {} characters"
        error = beyond("max_document_characters", limits.max_document_characters, what, len(query))
        return Known(schema, limits, None, [error])
    try:
        document = _parsed(query, limits)
    except GraphQLError as error:
        if error.message.startswith(f"Syntax Error: Document contains more than {limits.max_document_tokens} tokens"):
            error = beyond("max_document_tokens", limits.max_document_tokens, "The document has {} tokens")
        forget_frames(error)
        return Known(schema, limits, None, [error])
    refusal = measures.refusal(document, limits)
    errors = [refusal] if refusal else faults_of(schema, document, suggestions=limits.suggestions)
    if any(error.message == ABORTED for error in errors):
        what = (
            "The fields and fragments of the document overlap in too many ways to be compared: ask for each field once."
        )
        errors = [GraphQLError(what, extensions={"code": CODES["max_cost"]})]
    return Known(schema, limits, document, errors)


def _parsed(query: str, limits: Limits) -> DocumentNode:
    """The document; the chain of its tokens, which points both ways, is taken apart. Raises GraphQLError.

    What is in a ring stays until Python looks for garbage, which then stops everyone: a few long documents are 100,000
    objects, and a hundred milliseconds.
    """
    lexer = Lexer(Source(query))
    parser = Parser(lexer.source, lexer=lexer, max_tokens=limits.max_document_tokens)
    try:
        return parser.parse_document()
    except RecursionError:
        raise nested_too_deeply_error(parser) from None
    finally:
        token: Token | None = lexer.token
        while token and token.next:  # a comment, or what was looked at beyond
            token = token.next
        while token:
            token.prev, token.next, token = None, None, token.prev
