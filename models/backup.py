"""Copies of a store in SQLite, whole ones, and the way back. Whatever happens on the way, no file is half written."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from models.backend import StoreError

__all__ = ["Progress", "backup", "jobs_in", "restore"]

PAGES = 1000
"""Pages that are copied between two words of progress."""
LOCK_SECONDS = 1.0
"""How long a restore waits for a process that is just closing the store."""

Progress: TypeAlias = Callable[[int, int], object]
"""Told how many pages are copied, of how many."""


def backup(store: Path, copy: Path, progress: Progress) -> None:
    """Copy a store as it is at one moment, while others read and write it. The copy appears once it is whole.

    Raises StoreError where there is no store or no room, or where `copy` is there already.
    """
    if copy.exists():
        raise StoreError(f"There is a file {copy} already. Name one that is not there: no backup is written over.")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)  # of one that was broken off
    try:
        with _opened(store) as source, contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as target:
            # Of one moment: SQLite begins anew whenever another writes, unless this connection holds on to what it saw.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
            source.backup(target, pages=PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
            target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        _settled(partial)
        partial.rename(copy)
        _settled(copy.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"Cannot back up {store} to {copy}: {_reason(error)}.") from error
    finally:
        for name in (partial.name, f"{partial.name}-journal", f"{partial.name}-wal", f"{partial.name}-shm"):
            partial.with_name(name).unlink(missing_ok=True)


def restore(copy: Path, store: Path, migrations: set[str], progress: Progress) -> None:
    """Make a store what a backup is, all of it or nothing.

    `migrations`: those that are known here. Raises StoreError where the backup is damaged, none of ours or of a newer
    version, or where the store is in use.
    """
    with _opened(copy) as source:
        try:
            _check(source, copy, migrations)
            with contextlib.closing(sqlite3.connect(store, LOCK_SECONDS, isolation_level=None)) as target:
                # Nobody else may have it open: what servers remember of it would be wrong. The lock is kept until it
                # is closed, and what was written is undone by whoever opens it next, unless it is all there.
                target.execute("PRAGMA locking_mode = EXCLUSIVE")
                target.execute("PRAGMA synchronous = FULL")
                target.execute("BEGIN EXCLUSIVE")
                target.execute("COMMIT")
                source.backup(target, pages=PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreError(f"The database {store} is in use. Stop what serves it, and try again.") from error
            raise StoreError(f"Cannot restore {store} from {copy}: {_reason(error)}.") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"Cannot restore {store} from {copy}: {_reason(error)}.") from error


def jobs_in(store: Path) -> int:
    """How many jobs a store has, none where it is not there. Raises StoreError where it is no store."""
    if not store.exists() or not store.stat().st_size:
        return 0
    with _opened(store) as connection:
        try:
            count: int = connection.execute("SELECT count(*) FROM job").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreError(f"{store} is no database of training-monitor: {_reason(error)}.") from error
        return count


def _check(source: sqlite3.Connection, copy: Path, migrations: set[str]) -> None:
    (found,) = source.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"The backup {copy} is damaged: {found}.")
    if not source.execute("SELECT 1 FROM sqlite_schema WHERE name = 'tortoise_migrations'").fetchone():
        raise StoreError(f"{copy} is no backup of training-monitor.")
    newer = {name for (name,) in source.execute("SELECT name FROM tortoise_migrations")} - migrations
    if newer:
        raise StoreError(
            f"The backup {copy} is of a newer version of training-monitor (it has {max(newer)}): upgrade "
            "training-monitor first."
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads a file. Raises StoreError where there is none."""
    if not path.is_file():
        raise StoreError(f"There is no file {path}.")
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreError(f"Cannot open {path}: {_reason(error)}.") from error
    with contextlib.closing(connection):
        yield connection


def _settled(path: Path) -> None:
    """Return once the file, or the folder's list of files, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error).rstrip(".")
