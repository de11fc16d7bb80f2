"""`backup` and `restore`."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graph.commands.line import with_flags
from graph.commands.progress import progress_shown
from graph.settings import read_settings
from models.backup import backup as backups
from models.backup import restore as restores
from models.backup.file import Step
from models.store.database import sqlite_file
from models.store.errors import StoreError
from models.store.urls import without_password

__all__ = ["backup", "restore"]


@with_flags("database_url")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")],
    **flags: str | None,
) -> None:
    """Copy the database while servers use it.

    The copy is the database as it is at one moment.
    """
    store = _store(read_settings(**flags).database_url)
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
    store = _store(read_settings(**flags).database_url)
    with _steps() as step:
        restored = restores.restore(file, store, step, replace=replace)
    typer.echo(f"restored {_jobs(restored.jobs)} from {file}; {_let_in(restored)}")


def _store(url: str) -> Path:
    path = sqlite_file(url)
    if path is None:
        raise StoreError(f"{without_password(url)} is PostgreSQL: use its own pg_dump and pg_restore.")
    return path


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


def _let_in(restored: restores.Restored) -> str:
    if not restored.tokens:
        return "there never was a token, so everyone is let in"
    if not restored.valid:
        return "none of its tokens lets anyone in: make one with token create"
    return f"{restored.valid} of its tokens {'lets' if restored.valid == 1 else 'let'} someone in"


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
