"""A database in a file: opened, checked, copied."""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from models.store.errors import StoreError, is_full_disk, is_of

Step: TypeAlias = Callable[[str], object]
"""Called with the name of each step as it begins."""

LOCK_SECONDS = 10.0
"""How long to wait for a lock, as of a process that recovers the database after a crash."""
INTERRUPTIBLE = 100_000
"""Instructions of SQLite's virtual machine between two chances for Python to handle a signal."""


@contextlib.contextmanager
def opened(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection on which each statement is a transaction of its own, and Ctrl-C interrupts a long one."""
    with contextlib.closing(sqlite3.connect(path.absolute(), seconds, isolation_level=None)) as connection:
        connection.set_progress_handler(lambda: None, INTERRUPTIBLE)
        yield connection


def check_is_file(path: Path) -> None:
    """Raise StoreError where there is no file with anything in it."""
    if not path.is_file():
        raise StoreError(f"{path} is not a file." if path.exists() else f"There is no file {path}.")
    if not path.stat().st_size:
        raise StoreError(f"The file {path} is empty.")


def companions_of(path: Path) -> list[Path]:
    """The files beside a database that SQLite takes for a part of it."""
    return [beside for ending in ("-journal", "-wal", "-shm") if (beside := Path(f"{path}{ending}")).exists()]


def damage_in(connection: sqlite3.Connection) -> str | None:
    """The first fault that SQLite finds in reading all of a database; None where it is whole."""
    found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return None if found == "ok" else one_line(found.removeprefix("*** in database main ***"))


def count_jobs(connection: sqlite3.Connection) -> int:
    """How many jobs there are."""
    count: int = connection.execute("SELECT count(*) FROM job").fetchone()[0]
    return count


def copy_into(file: Path, source: sqlite3.Connection) -> None:
    """Write a database as it is at this moment into an empty file, on disk when this returns."""
    source.execute("VACUUM INTO ?", [str(file)])
    sync(file)


@contextlib.contextmanager
def temporary_beside(file: Path) -> Iterator[Path]:
    """An empty file in the same folder, for its owner alone, removed at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(".partial", "training-monitor-", file.absolute().parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        for own in (temporary, *companions_of(temporary)):
            own.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return once a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def reported(what: str, written: Path) -> Iterator[None]:
    """Inside, errors of SQLite and of the file system become a StoreError of one line."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError) as error:  # UnicodeError: SQLite may quote what is damaged
        if is_of(error, sqlite3.SQLITE_INTERRUPT):
            raise KeyboardInterrupt from error
        reason = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
        if is_full_disk(error, written):
            reason = f"the disk of {written} is full. Make room there"
        raise StoreError(f"{what}: {one_line(reason)}.") from error


def one_line(text: str) -> str:
    """The text without line breaks and without a full stop at its end."""
    return " ".join(text.split()).rstrip(".")
