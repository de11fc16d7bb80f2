"""`token create`, `token list` and `token revoke`."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from graph.commands.line import with_flags
from graph.settings import Settings, read_settings
from graph.stores import database_of
from models.token import Scope, Token
from models.tokens import NewToken, Tokens
from models.validation import MAX_ID

__all__ = ["tokens"]

tokens = typer.Typer(help="Make, list and revoke the tokens that let someone in.", rich_markup_mode=None)


class ScopeName(StrEnum):
    """A scope as it is typed."""

    READ = "read"
    WRITE = "write"


@with_flags("database_url")
def create(
    name: Annotated[str, typer.Option(help="Whose it is, or what for: for you to tell them apart.")],
    scope: Annotated[ScopeName, typer.Option(help="read, or write, which includes read.")],
    **flags: str | None,
) -> None:
    """Make a token, and print it alone on the last line.

    It is shown only this once. From the first one on nobody is let in without.
    """
    made, place = asyncio.run(_create(read_settings(**flags), name, Scope[scope.name]))
    typer.echo(f"Token {made.token.id}, {made.token.name}, to {scope.value} what is in {place}.")
    typer.echo("Keep it: it is not shown again.")
    typer.echo(made.secret)


@with_flags("database_url")
def list_(**flags: str | None) -> None:
    """List the tokens, the revoked too."""
    rows = [("id", "scope", "created (UTC)", "revoked (UTC)", "name")]
    for token in asyncio.run(_all(read_settings(**flags))):
        scope = token.scope.value.lower()
        rows.append((str(token.id), scope, _minute(token.created_at), _minute(token.revoked_at), token.name))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@with_flags("database_url")
def revoke(
    id: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="The token's id, as the list has it.")],
    **flags: str | None,
) -> None:
    """Revoke a token: a second later it opens nothing.

    What was opened with it is closed.
    """
    token = asyncio.run(_revoke(read_settings(**flags), id))
    typer.echo(f"Token {token.id}, {token.name}, is revoked.")


tokens.command()(create)
tokens.command("list")(list_)
tokens.command()(revoke)


async def _create(settings: Settings, name: str, scope: Scope) -> tuple[NewToken, str]:
    async with database_of(settings) as database:
        place = f"{'the new database ' if '0001_initial' in database.applied else ''}{database.place}"
        return await Tokens(database).create(name, scope), place


async def _all(settings: Settings) -> list[Token]:
    async with database_of(settings, create=False) as database:
        return await Tokens(database).all()


async def _revoke(settings: Settings, id: int) -> Token:
    async with database_of(settings, create=False) as database:
        return await Tokens(database).revoke(id)


def _minute(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
