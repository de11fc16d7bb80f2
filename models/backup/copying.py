"""The connections that databases in SQLite are copied over, page by page."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from models.store.backend import StoreError
from models.store.sqlite_errors import is_of

__all__ = ["Progress", "check_is_file", "connected", "copy_pages", "snapshot"]

PAGES = 1000
"""Pages that are copied between two words of progress."""
LOCK_SECONDS = 1.0
"""How long to wait for another process to leave a database, which it may be just closing."""
READ_SECONDS = 10.0
"""How long to wait until a database can be read: who opens one after a crash keeps others out while mending it."""

Progress: TypeAlias = Callable[[str, int, int | None], object]
"""Told what is being done, and how many pages of how many are; None where nobody knows."""


@contextlib.contextmanager
def connected(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection to a file, where each statement is its own transaction and waits so long for a lock."""
    opened = sqlite3.connect(path.absolute(), seconds, isolation_level=None, check_same_thread=False)
    with contextlib.closing(opened) as connection:
        yield connection


def check_is_file(path: Path) -> None:
    """Raise StoreError where there is no file, or none of the kind that can be a database."""
    if path.is_dir():
        raise StoreError(f"{path} is a folder. Name a file in it.")
    if not path.exists():
        raise StoreError(f"There is no file {path}.")
    if not path.is_file():
        raise StoreError(f"{path} is not a file that can hold a database.")


@contextlib.contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees a file as it is at one moment, while others write it. StoreError where there is none."""
    check_is_file(path)
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(_snapshot(path, "NORMAL"))
        except sqlite3.OperationalError as error:
            if not is_of(error, sqlite3.SQLITE_IOERR):
                raise
            # Mostly the disk is too full for what is shared with others who use the file. Who is alone needs none.
            connection = stack.enter_context(_snapshot(path, "EXCLUSIVE"))
        yield connection


@contextlib.contextmanager
def _snapshot(path: Path, locking: str) -> Iterator[sqlite3.Connection]:
    with connected(path, READ_SECONDS) as connection:
        connection.execute(f"PRAGMA locking_mode = {locking}")
        # Copying begins anew whenever another writes, unless the connection holds on to what it saw.
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        yield connection


def copy_pages(source: sqlite3.Connection, target: sqlite3.Connection, doing: str, progress: Progress) -> None:
    """Make one database what the other is, all of it or nothing. StoreError where one of them stays locked.

    `doing`: what progress is told that it is.
    """
    deadline = monotonic() + LOCK_SECONDS

    def told(status: int, left: int, pages: int) -> None:
        nonlocal deadline
        if status & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            progress(doing, pages - left, pages)
            deadline = monotonic() + LOCK_SECONDS
        elif monotonic() > deadline:  # sqlite3 itself would wait for ever
            raise StoreError("The database stays locked by another process. Stop what uses it, and try again.")

    source.backup(target, pages=PAGES, progress=told)
