"""`serve` and `demo`."""

import asyncio
import gc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from graph.admission.exposure import check_exposure
from graph.commands.line import with_flags
from graph.process.listening import address_of, bind, reserve
from graph.settings import Settings, SettingsError, read_settings
from graph.stores import database_of, feed_of
from graph.telemetry import logs
from graph.telemetry.watch import tracer_of
from models.tokens import Tokens

if TYPE_CHECKING:
    from graph.app import Companion


@with_flags(*Settings.model_fields)
def serve(**flags: str | None) -> None:
    """Serve the page, and the API at /graphql."""
    _serve(read_settings(**flags))


@with_flags(*Settings.model_fields)
def demo(**flags: str | None) -> None:
    """Serve with simulated jobs of every scenario.

    Some of them train as you watch. They live in a temporary database that is deleted when the server ends, unless
    --database-url or its environment variable names one to keep.
    """
    settings = read_settings(**flags)
    if settings.workers > 1:
        raise SettingsError("--workers: the demo trains its jobs in one process; leave it out.")
    from graph.demo import demo_jobs  # see `graph.commands`

    with TemporaryDirectory(prefix="training-monitor-demo-") as folder:
        if "database_url" not in settings.model_fields_set:
            settings = read_settings(**{**flags, "database_url": f"sqlite://{Path(folder) / 'demo.sqlite3'}"})
        _serve(settings, demo_jobs)


def _serve(settings: Settings, companion: "Companion | None" = None) -> None:
    if settings.workers > 1 and not settings.feed_url:
        raise SettingsError(
            f"--workers: {settings.workers} of them need a feed to hear of each other; name one with --feed-url."
        )
    if tracer := tracer_of(settings):  # here, so that what is missing is said in one line, of however many workers
        tracer.close()
    logs.set_up(settings)
    with (bind if settings.workers == 1 else reserve)(settings) as bound:
        place = asyncio.run(_prepare(settings))  # here, so that what is wrong with store or feed is said in one line
        gc.disable()  # see `graph.__main__`
        from graph.app import create_app
        from graph.process import server, workers  # see `graph.commands`

        gc.enable()
        address = f"{address_of(bound)}{settings.root_path}/"
        said = f"training-monitor is at {address}, its jobs in {place} (Ctrl-C ends it)"
        if settings.workers == 1:
            server.serve(create_app(settings, companion), settings, bound, lambda: typer.echo(said))
        else:
            workers.serve(settings, bound, lambda: typer.echo(said))


async def _prepare(settings: Settings) -> str:
    """Look at the store, the tokens in it, and the feed; gives the store's place."""
    async with database_of(settings) as database:  # opening it brings it up to date
        check_exposure(settings, await Tokens(database).all())
    feed = feed_of(settings)
    try:
        await feed.check()
    finally:
        await feed.close()
    return database.place
