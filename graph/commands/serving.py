"""`serve`, `demo` and `schema`."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from graph.commands.line import with_flags
from graph.commands.store import migration_shown
from graph.process.listening import address_of, bind, reserve
from graph.settings import Settings, SettingsError, flag_name, read_settings
from graph.stores import database_of, feed_of
from graph.telemetry import logs
from graph.telemetry.calls import tracer_of
from models.token import Token
from models.tokens import Tokens

if TYPE_CHECKING:
    from graph.app import Companion

log = logging.getLogger(__name__)


@with_flags(*Settings.model_fields)
def serve(**flags: str | None) -> None:
    """Serve the page, and the API at /graphql."""
    _serve(read_settings(**flags))


@with_flags(*Settings.model_fields)
def demo(**flags: str | None) -> None:
    """Serve with simulated and logged jobs.

    Some of them train as you watch. They live in a temporary database that is deleted when the server ends, unless
    --database-url or its environment variable names one to keep.
    """
    settings = read_settings(**flags)
    if settings.workers > 1:
        raise SettingsError("--workers: the demo trains its jobs in one process; leave it out.")
    from graph.demo import companion  # see `graph.commands`

    with TemporaryDirectory(prefix="training-monitor-demo-") as folder:
        if "database_url" not in settings.model_fields_set:
            settings = read_settings(**{**flags, "database_url": f"sqlite://{Path(folder) / 'demo.sqlite3'}"})
        _serve(settings, companion.demo_jobs)


def schema() -> None:
    """Print the GraphQL schema."""
    from graph.schema import schema as graphql_schema  # see `graph.commands`

    typer.echo(graphql_schema.as_str())


def _serve(settings: Settings, companion: "Companion | None" = None) -> None:
    if settings.workers > 1 and not settings.feed_url:
        raise SettingsError(
            f"--workers: {settings.workers} of them need a feed to hear of each other; name one with --feed-url."
        )
    if tracer := tracer_of(settings):  # here, so that a missing package is one line, also with several workers
        tracer.close()
    logs.set_up(settings)
    with (bind if settings.workers == 1 else reserve)(settings) as bound:
        place = asyncio.run(_prepare(settings))  # here, so that a failing store or feed is one line
        gc.disable()  # see `graph.__main__`
        from graph.app import create_app
        from graph.process import server, workers  # see `graph.commands`

        gc.enable()
        address = f"{address_of(bound)}{settings.root_path}/"
        line = f"training-monitor is at {address}, its jobs in {place} (Ctrl-C ends it)"
        if settings.workers == 1:
            server.serve(create_app(settings, companion), settings, bound, lambda: typer.echo(line))
        else:
            workers.serve(settings, bound, lambda: typer.echo(line))


async def _prepare(settings: Settings) -> str:
    """Check the store, the tokens in it, and the feed; returns the store's place."""
    with migration_shown() as advance:
        async with database_of(settings, advance=advance) as database:  # opening it brings it up to date
            check_exposure(settings, await Tokens(database).all())
    feed = feed_of(settings)
    try:
        await feed.check()
    finally:
        await feed.close()
    return database.place


def check_exposure(settings: Settings, tokens: Sequence[Token]) -> None:
    """Raise SettingsError where other machines would reach a server without tokens, unless it is --insecure."""
    if settings.is_for_this_machine_alone or any(token.revoked_at is None for token in tokens):
        return
    if settings.insecure and (settings.open_reads or not tokens):
        if not tokens:
            what = "read everything" if settings.open_reads else "read and change everything, until there is a token"
            log.warning("--insecure: every client that reaches this server may %s", what)
        return
    if settings.is_loopback:
        setting = "allowed_hosts" if settings.allowed_hosts else "trusted_proxies"
        what = f"{flag_name(setting)}: other machines reach the server by way of {getattr(settings, setting)}"
    else:
        what = f"{flag_name('host')}: {settings.host} is reached from other machines"
    make = "Make one with `training-monitor token create --name NAME --scope write`"
    if tokens:
        raise SettingsError(f"{what}, and every token is revoked, so that no client would be let in. {make}.")
    raise SettingsError(f"{what}, and there is no token to let anyone in. {make}, or let everyone in with --insecure.")
