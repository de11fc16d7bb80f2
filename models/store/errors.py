"""What goes wrong with the store, in kinds: one exception each, whatever the drivers raise."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import ClassVar

import asyncpg


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
    """The server or the disk did not answer: nothing was done, or it is not known whether it was."""

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


_SQLITE: dict[type[StoreFailure], tuple[str, ...]] = {
    Busy: ("BUSY", "LOCKED", "INTERRUPT", "NOMEM", "PROTOCOL"),
    Unreachable: ("CANTOPEN", "IOERR"),
    Full: ("FULL",),
    Damaged: ("CORRUPT", "NOTADB", "FORMAT"),
    NotPermitted: ("AUTH", "PERM", "READONLY"),
    Changed: ("SCHEMA",),
}
"""What primary result codes mean. Those that are missing are mistakes of ours."""
_OF_CODE = {getattr(sqlite3, f"SQLITE_{name}"): kind for kind, names in _SQLITE.items() for name in names}

_POSTGRES: dict[type[StoreFailure], tuple[str, ...]] = {
    # A statement that took too long (mostly it waited for a lock), a transaction idle for too long, a deadlock.
    Busy: ("57014", "25P03", "40", "53", "55"),
    # No connection, shut down or starting up, an error of its disk or within it: mostly gone with the next attempt.
    Unreachable: ("08", "57", "58", "XX"),
    Full: ("53100",),
    Damaged: ("58P01", "XX001", "XX002"),
    # Its password or role, a standby that was the primary, a trigger.
    NotPermitted: ("28", "42501", "25006", "P0001"),
    Changed: ("3D", "3F", "42P01", "42703"),
}
"""What SQLSTATEs, or the classes that they belong to, mean. Those that are missing are mistakes of ours."""
_OF_STATE = {state: kind for kind, states in _POSTGRES.items() for state in states}

LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)  # TimeoutError is an OSError too

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
    kind = _OF_CODE.get(code & 0xFF)
    return kind(error) if kind else None


def is_full_disk(error: BaseException, file: Path) -> bool:
    """Whether an error is that there is no room left for a file, or for what is kept beside it."""
    if isinstance(error, OSError):
        return error.errno in {ENOSPC, EDQUOT}
    if is_of(error, sqlite3.SQLITE_IOERR):
        disk = os.statvfs(file.absolute().parent)
        return disk.f_bavail * disk.f_frsize < NEEDED
    return is_of(error, sqlite3.SQLITE_FULL)


def is_of(error: BaseException, *codes: int) -> bool:
    """Whether SQLite gave one of the primary codes as the reason. Python has none where it cannot decode a text."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in codes


@contextmanager
def postgres_failures() -> Iterator[None]:
    """Inside, what asyncpg raises is raised as the kind of failure that it is. Mistakes of ours stay what they are."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        kind = _OF_STATE.get(state) or _OF_STATE.get(state[:2])
        if kind is None:
            raise
        raise kind(error) from error
    except LOST as error:
        if isinstance(error, ValueError):  # an argument of the wrong type
            raise
        raise Unreachable(error) from error
