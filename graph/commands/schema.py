"""`schema`."""

import typer

from graph.schema import schema as graphql_schema


def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(graphql_schema.as_str())
