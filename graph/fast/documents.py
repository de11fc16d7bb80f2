"""Documents that are known to be valid: parsed and validated once, for both cost more than answering most of them."""

import functools

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, validate

__all__ = ["MAX_REMEMBERED", "REMEMBERED", "valid_document"]

MAX_REMEMBERED = 2_000
"""Characters of the longest document that is remembered: a long one may take 300 kB."""
REMEMBERED = 64
"""Documents that are remembered: a page, a dashboard and a training loop have a few each."""


def valid_document(schema: GraphQLSchema, query: str) -> DocumentNode | None:
    """The document of a query; None where it is not valid, or too long to be remembered."""
    return _valid_document(schema, query) if len(query) <= MAX_REMEMBERED else None


@functools.lru_cache(REMEMBERED)  # a pure function of its arguments
def _valid_document(schema: GraphQLSchema, query: str) -> DocumentNode | None:
    try:
        document = parse(query)
        return None if validate(schema, document) else document
    except (GraphQLError, RecursionError):  # no language of ours nests so deep
        return None
