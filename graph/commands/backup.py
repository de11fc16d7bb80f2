"""`backup` and `restore`."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Self

import typer

from graph.commands.line import with_flags
from graph.commands.progress import progress_shown
from graph.settings import read_settings
from models.backup import backup as copies
from models.store.backend import StoreError
from models.store.database import sqlite_file
from models.store.urls import without_password

__all__ = ["backup", "restore"]

TERMINATED = 128 + signal.SIGTERM
"""The exit status of what SIGTERM ended."""


@with_flags("database_url")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not be there yet.")],
    **flags: str | None,
) -> None:
    """Copy the database while servers use it.

    The copy is the database as it is at one moment.
    """
    store = _store(read_settings(**flags).database_url)
    with _Copying() as copying:
        jobs = copies.backup(store, file, copying.progress)
    typer.echo(f"backed up {_jobs(jobs)} to {file}")


@with_flags("database_url")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the database has jobs or tokens, which are lost, or is damaged.")
    ] = False,
    **flags: str | None,
) -> None:
    """Make the database what a backup is. No server may be using it.

    Tokens that were revoked in it stay so, and those that the backup has not are revoked.
    """
    store = _store(read_settings(**flags).database_url)
    with _Copying() as copying:
        restored = copies.restore(file, store, copying.progress, replace=replace)
    typer.echo(f"restored {_jobs(restored.jobs)} from {file}; {_let_in(restored)}")
    if restored.was_damaged:
        typer.echo("The damaged database could not tell which tokens were revoked in it: see token list.")


def _store(url: str) -> Path:
    path = sqlite_file(url)
    if path is None:
        raise StoreError(f"{without_password(url)} is a PostgreSQL: use its own pg_dump and pg_restore.")
    return path


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


def _let_in(restored: copies.Restored) -> str:
    if not restored.tokens:
        return "there never was a token, so everyone is let in"
    if not restored.valid:
        return "none of its tokens lets anyone in: make one with token create"
    return f"{restored.valid} of its tokens {'lets' if restored.valid == 1 else 'let'} someone in"


class _Copying:
    """Bars of what is being done. Inside, SIGTERM ends what is under way as cleanly as Ctrl-C does."""

    def __init__(self) -> None:
        self._shown = progress_shown()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, _terminate)
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()
        signal.signal(signal.SIGTERM, self._before)

    def progress(self, doing: str, done: int, pages: int | None) -> None:
        """So many pages of so many."""
        tasks = self._shown.tasks
        if not tasks or tasks[-1].description != doing:
            for ended in tasks:
                self._shown.remove_task(ended.id)
            self._shown.add_task(doing, total=None)
        self._shown.update(self._shown.task_ids[-1], completed=done, total=pages)


def _terminate(_: int, __: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough, and the next would break off the cleaning up
    raise SystemExit(TERMINATED)
