"""`schema`."""

import typer


def schema() -> None:
    """Print the GraphQL schema."""
    from graph.schema import schema as graphql_schema  # see `graph.commands`

    typer.echo(graphql_schema.as_str())
