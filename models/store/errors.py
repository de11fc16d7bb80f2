"""What goes wrong with the store, in kinds: one exception each, whatever the drivers raise."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import ClassVar

import asyncpg

__all__ = [
    "Busy",
    "Changed",
    "Damaged",
    "Full",
    "NotPermitted",
    "StoreError",
    "StoreFailure",
    "Unreachable",
    "is_full_disk",
    "is_of",
    "postgres_failures",
    "sqlite_failure",
]


class StoreError(Exception):
    """The store cannot be opened, or its address is wrong. The message is one line for people, with what to do."""


class StoreFailure(Exception):
    """A store that is open could not do what was asked. The message is one line for the log."""

    summary: ClassVar[str]
    for_clients: ClassVar[str]
    """What a client may know: the details are for the log."""

    def __init__(self, detail: object) -> None:
        super().__init__(f"{self.summary}: {str(detail) or type(detail).__name__}")


class Busy(StoreFailure):
    """Another process is writing, or the server has too much to do: nothing was done, and trying again helps."""

    summary = "the store is busy"
    for_clients = "The store is busy or out of reach; try again."


class Unreachable(StoreFailure):
    """The server or the disk did not answer: nothing was done, or nobody knows whether it was."""

    summary = "the store is out of reach"
    for_clients = Busy.for_clients


class Full(StoreFailure):
    """No room is left on the store's disk: nothing was done."""

    summary = "the store's disk is full"
    for_clients = "The store's disk is full."


class Damaged(StoreFailure):
    """The store's content cannot be read: restore a backup."""

    summary = "the store is damaged"
    for_clients = "The store is damaged."


class NotPermitted(StoreFailure):
    """The store may not be written or read by this user, or is read-only."""

    summary = "the store does not permit it"
    for_clients = "The store does not permit it."


class Changed(StoreFailure):
    """The store is no longer the one that was opened: its file was deleted, moved or replaced, or a table is gone."""

    summary = "the store is not what it was when it was opened"
    for_clients = "The store is not what it was when the server started."


_SQLITE: dict[int, type[StoreFailure]] = {
    sqlite3.SQLITE_BUSY: Busy,
    sqlite3.SQLITE_LOCKED: Busy,
    sqlite3.SQLITE_INTERRUPT: Busy,
    sqlite3.SQLITE_NOMEM: Busy,
    sqlite3.SQLITE_PROTOCOL: Busy,
    sqlite3.SQLITE_CANTOPEN: Unreachable,
    sqlite3.SQLITE_IOERR: Unreachable,
    sqlite3.SQLITE_FULL: Full,
    sqlite3.SQLITE_CORRUPT: Damaged,
    sqlite3.SQLITE_NOTADB: Damaged,
    sqlite3.SQLITE_FORMAT: Damaged,
    sqlite3.SQLITE_AUTH: NotPermitted,
    sqlite3.SQLITE_PERM: NotPermitted,
    sqlite3.SQLITE_READONLY: NotPermitted,
    sqlite3.SQLITE_SCHEMA: Changed,
}
"""Primary result code -> what it means. Those that are missing are mistakes of ours."""

_SQLSTATES: dict[str, type[StoreFailure]] = {
    "08": Unreachable,
    "57": Unreachable,  # shut down, starting up
    "57014": Busy,  # a statement that took too long: mostly it waited for a lock
    "25P03": Busy,  # a transaction that was idle for too long
    "40": Busy,  # a deadlock: the other one won
    "53": Busy,
    "55": Busy,
    "53100": Full,
    "58": Unreachable,  # an error of its disk
    "58P01": Damaged,  # a file of a table is gone
    "XX": Unreachable,  # an error within the server, mostly gone with the next attempt
    "XX001": Damaged,
    "XX002": Damaged,
    "28": NotPermitted,
    "42501": NotPermitted,
    "25006": NotPermitted,  # it was the primary, and is a standby now
    "P0001": NotPermitted,  # a trigger refused it
    "3D": Changed,
    "3F": Changed,
    "42P01": Changed,
    "42703": Changed,
}
"""SQLSTATE, or the class it belongs to -> what it means. Those that are missing are mistakes of ours."""

_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)  # TimeoutError is an OSError too

NEEDED = 64 * 1024
"""Bytes that SQLite needs beside a store to open it, and some to spare."""


def sqlite_failure(error: sqlite3.Error, file: Path) -> StoreFailure | None:
    """The kind of failure that SQLite's error is; None where it is a mistake of ours."""
    if is_full_disk(error, file):
        return Full(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own error, which is a mistake of ours, or a text that cannot be decoded
        return Damaged(error) if isinstance(error, sqlite3.OperationalError) else None
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return NotPermitted(error)
    if code == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return Changed(error)
    kind = _SQLITE.get(code & 0xFF)
    return kind(error) if kind else None


def is_full_disk(error: BaseException, file: Path) -> bool:
    """Whether an error is that there is no room left for a file, or for what is kept beside it."""
    if isinstance(error, OSError):
        return error.errno in {ENOSPC, EDQUOT}
    return is_of(error, sqlite3.SQLITE_FULL) or (is_of(error, sqlite3.SQLITE_IOERR) and _room_beside(file) < NEEDED)


def is_of(error: BaseException, *codes: int) -> bool:
    """Whether SQLite gave one of the primary codes as the reason. Python has none where it cannot decode a text."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in codes


def _room_beside(file: Path) -> int:
    disk = os.statvfs(file.absolute().parent)
    return disk.f_bavail * disk.f_frsize


@contextmanager
def postgres_failures() -> Iterator[None]:
    """Inside, what asyncpg raises is raised as the kind of failure that it is. Mistakes of ours stay what they are."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        kind = _SQLSTATES.get(state) or _SQLSTATES.get(state[:2])
        if kind is None:
            raise
        raise kind(error) from error
    except _LOST as error:
        if isinstance(error, ValueError):  # an argument of the wrong type
            raise
        raise Unreachable(error) from error
