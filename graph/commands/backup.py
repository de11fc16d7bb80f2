"""`backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from graph.commands.line import with_flags
from graph.commands.progress import progress_shown
from graph.settings import read_settings
from models import backup as copies
from models.address import without_password
from models.backend import StoreError
from models.database import known_migrations, sqlite_file

__all__ = ["backup", "restore"]


@with_flags("database_url")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not be there yet.")],
    **flags: str | None,
) -> None:
    """Copy the database, as it is at one moment, while servers use it."""
    store = _store(read_settings(**flags).database_url)
    with _Copying("Backup") as copying:
        copies.backup(store, file, copying.progress)
    typer.echo(f"backed up {_jobs(copies.jobs_in(file))} to {file}")


@with_flags("database_url")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Although the database has jobs: they are lost.")] = False,
    **flags: str | None,
) -> None:
    """Make the database what a backup is. No server may be using it."""
    store = _store(read_settings(**flags).database_url)
    count = copies.jobs_in(store)
    if count and not replace:
        raise StoreError(f"The database {store} has {_jobs(count)}, which would be lost. Say so with --replace.")
    with _Copying("Restore") as copying:
        copies.restore(file, store, known_migrations(), copying.progress)
    typer.echo(f"restored {_jobs(copies.jobs_in(store))} from {file}")


def _store(url: str) -> Path:
    path = sqlite_file(url)
    if path is None:
        raise StoreError(f"{without_password(url)} is a PostgreSQL: use its own pg_dump and pg_restore.")
    return path


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


class _Copying:
    """A bar of the pages that are copied."""

    def __init__(self, title: str) -> None:
        self._shown = progress_shown()
        self._task = self._shown.add_task(title, total=None)

    def __enter__(self) -> "_Copying":
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def progress(self, copied: int, pages: int) -> None:
        """So many pages of so many."""
        self._shown.update(self._task, completed=copied, total=pages)
