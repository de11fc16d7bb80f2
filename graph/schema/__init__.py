"""The GraphQL schema: one noun a file."""

from graph.schema.schema import schema

__all__ = ["schema"]
