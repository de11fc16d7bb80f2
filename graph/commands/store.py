"""`migrate`."""

import asyncio

import typer

from graph.commands.line import with_flags
from graph.settings import Settings, read_settings
from graph.stores import database_of


@with_flags("database_url")
def migrate(**flags: str | None) -> None:
    """Bring a database up to date.

    A server does so when it starts.
    """
    applied = asyncio.run(_migrate(read_settings(**flags)))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


async def _migrate(settings: Settings) -> list[str]:
    async with database_of(settings) as database:
        return database.applied
