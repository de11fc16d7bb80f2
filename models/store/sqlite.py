"""SQLite: the store is a file, of one machine."""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.log import db_client_logger

from models.store.errors import Damaged, StoreError, is_full_disk, is_of, sqlite_failure
from models.store.group_commit import GroupCommit, file_at
from models.store.statements import Query, Reader, Row, Timed

APP = "models"
"""The name of our app in Tortoise's record of applied migrations."""
SMALLEST = 512
"""Bytes of the smallest page of a database."""
CACHE = -64 * 1024
"""KiB (negated) of pages that the writer keeps: a batch of points at one step changes pages all over an index."""


class SQLite:
    """A file, from which processes of one machine read at any time, and to which one writes at a time."""

    probe = "PRAGMA user_version = 0"  # which writes a page, and changes nothing

    def __init__(self, url: str, *, create: bool, seconds: float) -> None:
        """`seconds`: how long to wait for another process that is writing."""
        pragmas = {
            "journal_mode": "WAL",
            "synchronous": "FULL",  # an acknowledged point survives a power cut
            "busy_timeout": max(1, int(seconds * 1000)),
            "foreign_keys": "ON",
        }
        connection = dict(expand_db_url(url))
        self._pragmas = {**pragmas, **connection["credentials"]}
        self.connection: dict[str, Any] = {**connection, "credentials": {**self._pragmas}}
        self.path = Path(self._pragmas.pop("file_path"))
        if self.path == Path(":memory:"):
            raise ValueError("each connection to :memory: has a store of its own; name a file")
        self.shown = str(self.path.absolute())
        self._create = create
        self._seconds = seconds

    async def check(self) -> None:
        """Raise sqlite3.Error or StoreError unless the file is, or can be made, a database that can be written."""
        # Before Tortoise opens it: Tortoise keeps its lock when that fails, and waits for it for ever.
        await asyncio.to_thread(self._check_file)

    async def lock_migrations(self, client: BaseDBAsyncClient) -> None:
        """Take the write lock, until the transaction ends."""
        await client.execute_query(self.probe)

    async def run_script(self, client: BaseDBAsyncClient, script: str) -> None:
        """Run a script a statement at a time: SQLite's own way with scripts is to commit first what is under way."""
        statement = ""
        for line in script.splitlines():
            statement += line + "\n"
            if sqlite3.complete_statement(statement):
                await client.execute_query(statement)
                statement = ""

    def opened(self, client: BaseDBAsyncClient, timed: Timed) -> tuple[Reader, GroupCommit]:  # noqa: ARG002  # with connections of their own
        """What reads and writes the open store. `timed` is called with the seconds of each query."""
        seconds = int(self._pragmas["busy_timeout"]) / 1000
        writer = GroupCommit(self.path, {"cache_size": CACHE, **self._pragmas}, seconds)
        return _Reader(self.path, seconds, timed), writer

    async def place(self, reader: Reader) -> str:  # noqa: ARG002  # the file system knows it
        """The file. Seen through two mounts it may count as two: its processes then find news in the store alone."""
        return await asyncio.to_thread(file_at, self.path)

    def why_not_opened(self, error: Exception) -> str:
        """What is wrong with the file."""
        error = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error  # which Tortoise wraps
        reason, what_to_do = str(error), "Check that it can be written"
        if not self.path.absolute().parent.is_dir():
            reason, what_to_do = "its folder is not there", "Create it"
        elif is_full_disk(error, self.path):
            reason, what_to_do = "its disk is full", "Make room there"
        elif isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            what_to_do = "Restore a backup of it"
        return f"Cannot open the database {self.shown}: {reason}. {what_to_do}, or change --database-url."

    def _check_file(self) -> None:
        if not self.path.exists():
            if not self._create:
                raise StoreError(f"There is no database {self.shown}. Name the one you mean with --database-url.")
            _make(Path(os.path.realpath(self.path)))
        elif self.path.is_file() and self.path.stat().st_size < SMALLEST:  # SQLite would take it for a new one
            what_to_do = "Restore a backup of it, or remove the file to begin with a new one"
            raise StoreError(f"The database {self.shown} is an empty file. {what_to_do}.")
        with contextlib.closing(sqlite3.connect(self.path, self._seconds, isolation_level=None)) as connection:
            deadline = time.monotonic() + self._seconds
            while True:
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError as error:
                    # Of two processes that do this to a new file at once, one fails, however long it would wait.
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            connection.execute(self.probe)
            if tables_in(connection) and not migrations_in(connection):
                what_to_do = "Restore a backup of it, or change --database-url"
                raise StoreError(f"The database {self.shown} is of another program, or damaged. {what_to_do}.")


def _make(file: Path) -> None:
    """A new database, for its owner alone. It appears with its first page: an empty file is never a store."""
    descriptor, name = tempfile.mkstemp(".new", "training-monitor-", file.absolute().parent)
    os.close(descriptor)
    made = Path(name)
    try:
        with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        file.hardlink_to(made)
    except FileExistsError:
        pass  # another process was first
    except OSError:  # mostly a file system without hard links
        file.touch(0o600)
    finally:
        made.unlink()


def tables_in(connection: sqlite3.Connection) -> set[str]:
    """The names of all tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def migrations_in(connection: sqlite3.Connection) -> set[str]:
    """The names of the migrations that made a database; none where it is not one of ours."""
    if not tables_in(connection) >= {"tortoise_migrations", "job", "metric"}:
        return set()
    applied = connection.execute("SELECT app, name FROM tortoise_migrations").fetchall()
    is_ours = {app for app, _ in applied} == {APP}  # others use Tortoise too, and name their first migration as we do
    return {name for _, name in applied} if is_ours else set()


class _Reader:
    """Reads the file over two connections: short queries at once on the event loop, long ones in a thread.

    Readers wait for no writer; for a process that recovers the file they wait in the thread.
    """

    def __init__(self, path: Path, seconds: float, timed: Timed) -> None:
        """`seconds`: how long to wait for another process that recovers the file."""
        self._path = path
        self._timed = timed
        self.damage: Damaged | None = None
        self._connection = self._connected(0)
        self._threads_own = self._connected(seconds)
        self._thread = ThreadPoolExecutor(1, "read")

    def version(self) -> int | None:
        """A number that is another after every commit of another connection; and this one makes none."""
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            self._raise(error)
        return version

    async def rows(self, query: Query, *, in_thread: bool = False) -> list[Row]:
        """The rows of a query."""
        db_client_logger.debug("%s: %s", query.sql, query.parameters)
        began = time.perf_counter()
        try:
            if not in_thread:
                try:
                    return self._connection.execute(query.sql, query.parameters).fetchall()
                except sqlite3.OperationalError as error:
                    if not is_of(error, sqlite3.SQLITE_BUSY):
                        raise
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, query)
        except sqlite3.Error as error:
            self._raise(error)
        finally:
            self._timed(time.perf_counter() - began)

    async def close(self) -> None:
        """Disconnect."""
        self._connection.close()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._threads_own.close)
        self._thread.shutdown()

    def _raise(self, error: sqlite3.Error) -> NoReturn:
        failure = sqlite_failure(error, self._path)
        if failure is None:
            raise error
        if isinstance(failure, Damaged):
            self.damage = failure
        raise failure from error

    def _read(self, query: Query) -> list[Row]:
        return self._threads_own.execute(query.sql, query.parameters).fetchall()

    def _connected(self, seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, seconds, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        return connection
