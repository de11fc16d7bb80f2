"""`migrate` and `rebuild-curves`."""

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from graph.commands.job import named_job
from graph.commands.line import with_flags
from graph.commands.progress import progress_shown
from graph.settings import Settings, read_settings
from graph.stores import database_of
from models.job_reads import with_points


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


@with_flags("database_url")
def rebuild_curves(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="JOB", help="Ids of jobs; all where none is named.")
    ] = None,
    **flags: str | None,
) -> None:
    """Make again what curves are drawn from.

    It is made from the points. Servers may run meanwhile; one that has drawn a curve remembers it until it is
    restarted.
    """
    asyncio.run(_rebuild_curves(read_settings(**flags), ids or []))


async def _rebuild_curves(settings: Settings, ids: list[str]) -> None:
    from models.curves.chunks import Chunks  # see `graph.commands`

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings, create=False))
        chunks = Chunks(database)
        jobs = [await named_job(database, settings, id) for id in ids]
        jobs = jobs or await with_points(database.reader, chunks.grain.run)  # a shorter job has no full run
        progress = stack.enter_context(progress_shown())
        for job in progress.track(jobs, total=len(jobs), description="Jobs"):
            task = progress.add_task(job.name, total=len(chunks.runs(job.metric_count)))
            async for done in chunks.rebuild(job):
                progress.advance(task, done)
            progress.remove_task(task)
    typer.echo(f"rebuilt the curves of {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}")
