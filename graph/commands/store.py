"""`migrate`, `backup`, `restore` and `rebuild-curves`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph.commands.line import with_flags
from graph.settings import Settings, read_settings
from graph.stores import database_of
from models.backup import backup as backups
from models.backup import restore as restores
from models.backup.file import Step
from models.errors import JobNotFound
from models.job import Job
from models.job_reads import find_job, with_points
from models.migrations._real_runs import Advance
from models.store.database import Database, sqlite_file
from models.store.errors import StoreError
from models.store.urls import without_password
from models.validation import job_id_of

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["backup", "migrate", "migration_shown", "named_job", "progress_shown", "rebuild_curves", "restore"]


@with_flags("database_url")
def migrate(**flags: str | None) -> None:
    """Bring a database up to date.

    A server does so when it starts.
    """
    applied = asyncio.run(_migrate(read_settings(**flags)))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


async def _migrate(settings: Settings) -> list[str]:
    with migration_shown() as advance:
        async with database_of(settings, advance=advance) as database:
            return database.applied


@with_flags("database_url")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")],
    **flags: str | None,
) -> None:
    """Copy the database while servers use it.

    The copy is the database as it is at one moment.
    """
    store = _file_of(read_settings(**flags))
    with _steps() as step:
        jobs = backups.backup(store, file, step)
    typer.echo(f"backed up {_jobs(jobs)} to {file}")


@with_flags("database_url")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the database has jobs or tokens, which are lost.")
    ] = False,
    **flags: str | None,
) -> None:
    """Make the database what a backup is. No server may be using it.

    Tokens that were revoked in it stay so, and those that the backup has not are revoked.
    """
    store = _file_of(read_settings(**flags))
    with _steps() as step:
        restored = restores.restore(file, store, step, replace=replace)
    if not restored.tokens:
        access = "there never was a token, so everyone is let in"
    elif not restored.valid:
        access = "none of its tokens lets anyone in: make one with token create"
    else:
        access = f"{restored.valid} of its tokens {'lets' if restored.valid == 1 else 'let'} someone in"
    typer.echo(f"restored {_jobs(restored.jobs)} from {file}; {access}")


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
    count = asyncio.run(_rebuild_curves(read_settings(**flags), ids or []))
    typer.echo(f"rebuilt the curves of {_jobs(count)}")


async def _rebuild_curves(settings: Settings, ids: list[str]) -> int:
    from models.curves.chunks import Chunks  # see `graph.commands`

    async with database_of(settings, create=False) as database:
        chunks = Chunks(database)
        jobs = [await named_job(database, settings, id) for id in ids]
        jobs = jobs or await with_points(database.reader, chunks.grain.run)  # a shorter job has no full run
        with progress_shown() as progress:
            for job in progress.track(jobs, total=len(jobs), description="Jobs"):
                task = progress.add_task(job.name, total=len(chunks.runs(job.metric_count)))
                async for done in chunks.rebuild(job):
                    progress.advance(task, done)
                progress.remove_task(task)
    return len(jobs)


async def named_job(database: Database, settings: Settings, id: str) -> Job:
    """The job with that id. Raises JobNotFound."""
    job = await find_job(database.reader, job_id := job_id_of(id))
    if job is None:
        raise JobNotFound(job_id, f"There is no job with the id {id} in {without_password(settings.database_url)}.")
    return job


def progress_shown() -> "Progress":
    """Progress bars on stderr while the block runs; none where stderr is no terminal."""
    # Imported here: a server shows none, and would keep the library in its memory.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    is_terminal = sys.stderr.isatty() and console.is_interactive  # FORCE_COLOR has rich take a pipe for a terminal
    return Progress(*columns, console=console, transient=True, disable=not is_terminal)


@contextlib.contextmanager
def migration_shown() -> Iterator[Advance]:
    """Shows how far a migration is with a store's points; nothing, where there is none to do."""
    with contextlib.ExitStack() as stack:
        shown: Callable[..., None] | None = None

        def advance(done: int, total: int) -> None:
            nonlocal shown
            if shown is None:
                progress = stack.enter_context(progress_shown())
                shown = partial(progress.update, progress.add_task("Migrating points", total=total))
            shown(completed=done)

        yield advance


def _file_of(settings: Settings) -> Path:
    path = sqlite_file(settings.database_url)
    if path is None:
        place = without_password(settings.database_url)
        raise StoreError(f"{place} is PostgreSQL: use its own pg_dump and pg_restore.")
    return path


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


@contextlib.contextmanager
def _steps() -> Iterator[Step]:
    """Shows the step under way. Inside, SIGTERM does what Ctrl-C does, so that temporary files are removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress_shown() as progress:
            task = progress.add_task("", total=None)
            yield lambda name: progress.update(task, description=name, refresh=True)
    finally:
        signal.signal(signal.SIGTERM, before)
