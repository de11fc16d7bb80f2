"""The GraphQL schema, field by field."""
