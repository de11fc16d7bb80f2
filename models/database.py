"""The store: its connection, its schema, its transactions."""

import asyncio
import contextlib
import functools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, cast

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection

# Tortoise finds its connections through this variable. `TortoiseContext.__enter__` sets it too, but keeps the token on
# the shared context object, so two requests at once would reset each other's.
from tortoise.context import TortoiseContext, _current_context
from tortoise.exceptions import BaseORMException, DBConnectionError, OperationalError
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor
from tortoise.transactions import in_transaction

__all__ = ["OUTAGES", "Database", "StoreError", "read_tuples", "uninterrupted"]

APP = "models"
CONNECTION = "default"
APPS: dict[str, dict[str, Any]] = {
    APP: {
        "models": ["models.job", "models.metric"],
        "migrations": "models.migrations",
        "default_connection": CONNECTION,
    }
}
SQLITE_PATIENCE = 10.0
"""Seconds to wait for another process that is writing."""
SQLITE_PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",  # an acknowledged point survives a power cut
    "busy_timeout": int(SQLITE_PATIENCE * 1000),
    "foreign_keys": "ON",
}


# Tortoise translates what statements raise, but not what a COMMIT does.
OUTAGES = (OperationalError, DBConnectionError, sqlite3.OperationalError)
"""What a query raises where the store is locked, full or out of reach: nothing was done, and trying again may help."""


class StoreError(Exception):
    """The store cannot be used as it is. The message says why, in one line, and what to do."""


class Database:
    """One store, from opening to closing.

    Several may be open in one process: whoever queries does so inside `scope()`, which tells Tortoise which is meant.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        """`url` is Tortoise's: sqlite://path from here, sqlite:///absolute/path. `create`: one that is not there."""
        self.url = url
        self._create = create
        self.applied: list[str] = []
        """Names of the migrations that opening it applied."""
        self._context = TortoiseContext()
        self._writes: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Queries inside, and in the tasks created inside, are asked of this store."""
        token = _current_context.set(self._context)
        try:
            yield
        finally:
            _current_context.reset(token)

    async def open(self) -> None:
        """Connect, and bring the tables up to date.

        Raises StoreError where the address is wrong, the file cannot be written, or a newer version made the store.
        """
        try:
            with self.scope():
                connection = _connection(self.url)
                if (path := connection["credentials"]["file_path"]) != ":memory:":
                    await asyncio.to_thread(_check_file, path, self._create)
                await self._context.init(config={"connections": {CONNECTION: connection}, "apps": APPS})
                self.applied = await self._migrate()
        except BaseException as error:
            await self.close()  # its thread would keep the process from ending
            if isinstance(error, BaseORMException | sqlite3.Error | OSError | ValueError):
                raise StoreError(_why_not_opened(self.url, error)) from error
            raise

    async def close(self) -> None:
        """Let writes under way finish, then disconnect."""
        while self._writes:
            await asyncio.wait(self._writes)
        await self._context.close_connections()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All of the statements inside, or none.

        The first must write: SQLite then waits its turn for the write lock, where a transaction that read first would
        be told that it is locked.
        """
        async with in_transaction(CONNECTION):
            yield

    async def model_changes(self) -> list[str]:
        """The operations that take the migrations to the models: empty while the two agree."""
        with self.scope():
            writers = await self._autodetector().changes()
        return [type(operation).__name__ for writer in writers for operation in writer.operations]

    async def write_migrations(self) -> list[str]:
        """Write what `model_changes` finds as a new migration, and give the paths of the files."""
        with self.scope():
            return await self._autodetector().write()

    def _autodetector(self) -> MigrationAutodetector:
        assert self._context.apps is not None, "the database is not open"
        return MigrationAutodetector(self._context.apps, APPS)

    async def _migrate(self) -> list[str]:
        """Apply what is pending, all of it or nothing, one process at a time."""
        if not await _pending(_executor(self._context.db(CONNECTION))):
            return []
        async with in_transaction(CONNECTION) as connection:
            # A write, though it changes nothing: it takes the lock. Who waited for it looks again at what is pending.
            await connection.execute_query("PRAGMA user_version = 0")
            executor = _executor(connection)
            books = executor._schema_editor(atomic=False)  # noqa: SLF001  # no public way
            books.client = cast("BaseDBAsyncClient", _OneByOne(connection))
            await executor.recorder.ensure_schema(books)
            pending = await _pending(executor)
            for name in pending:
                await _OneByOne(connection).execute_script("\n".join(await executor.collect_sql(APP, name)))
                await executor.recorder.record_applied(APP, name)
        return pending


class _OneByOne:
    """Runs a script a statement at a time: SQLite's own way with scripts is to commit first what is under way."""

    def __init__(self, connection: BaseDBAsyncClient) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute_script(self, script: str) -> None:
        """Run each statement of the script."""
        statement = ""
        for line in script.splitlines():
            statement += line + "\n"
            if sqlite3.complete_statement(statement):
                await self._connection.execute_query(statement)
                statement = ""


def _check_file(path: str, create: bool) -> None:
    """Raise sqlite3.Error unless the file is a database, or can be made one, that can be written.

    Raises StoreError where it is not there, and not to be created.

    Before Tortoise opens it: Tortoise keeps its lock when that fails, and waits for it for ever.
    """
    if not create and not Path(path).exists():
        raise StoreError(f"There is no database {path}. Name the one you mean with --database-url.")
    with contextlib.closing(sqlite3.connect(path, SQLITE_PATIENCE, isolation_level=None)) as connection:
        deadline = time.monotonic() + SQLITE_PATIENCE
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                # Of two who do this to a new file at once, one is told that it is locked, whatever its patience.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE can_be_written (once INTEGER)")
        connection.execute("ROLLBACK")


def _connection(url: str) -> dict[str, Any]:
    """Tortoise's description of the connection, with our defaults beneath what the address says itself."""
    connection = dict(expand_db_url(url))
    if connection["engine"] != "tortoise.backends.sqlite":
        raise StoreError(f"The database URL must begin with sqlite://, got {url.partition(':')[0]}://….")
    return {**connection, "credentials": {**SQLITE_PRAGMAS, **connection["credentials"]}}


def _executor(connection: BaseDBAsyncClient) -> MigrationExecutor:
    return MigrationExecutor(connection, APPS)


async def _pending(executor: MigrationExecutor) -> list[str]:
    pending = [step.migration.name for step in await executor.plan()]
    known = {key.name for key in executor.loader.graph.nodes}
    unknown = sorted(key.name for key in executor.loader.applied_migrations if key.name not in known)
    if unknown:
        raise StoreError(
            f"The database was written by a newer version of training-monitor (it has {unknown[-1]}): "
            "upgrade training-monitor, or change --database-url."
        )
    return pending


def _why_not_opened(url: str, error: Exception) -> str:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = Path(rest.partition("?")[0]).absolute()
        if not path.parent.is_dir():
            return f"Cannot open the database {path}: its folder is not there. Create it, or change --database-url."
        return f"Cannot open the database {path}: {error}. Check that it can be written, or change --database-url."
    return f"Cannot use the database URL: {error}. It looks like sqlite://training-monitor.sqlite3."


async def read_tuples(query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query as bare tuples: those that Tortoise gives cost half as much again, where there are many."""
    client = get_connection(CONNECTION)
    client.log.debug("%s: %s", query, parameters)
    async with client.acquire_connection() as connection, connection.execute(query, parameters) as cursor:
        cursor.row_factory = None
        return cast("list[tuple[Any, ...]]", await cursor.fetchall())


class _HasDatabase(Protocol):
    database: Database


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Owner = TypeVar("Owner", bound=_HasDatabase)


def uninterrupted(
    verb: Callable[Concatenate[Owner, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Owner, Parameters], Coroutine[Any, Any, Result]]:
    """Run a verb to its end, even where its caller is cancelled (a client that hangs up, a socket that closes).

    Otherwise a cancellation between commit and publication would leave a change that nobody was told of, and one
    inside Tortoise's `BEGIN` would keep SQLite's connection locked for ever.
    """

    @functools.wraps(verb)
    async def run(owner: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        task = asyncio.create_task(verb(owner, *args, **kwargs))
        owner.database._writes.add(task)  # noqa: SLF001  # the database waits for its writers when it closes
        task.add_done_callback(owner.database._writes.discard)  # noqa: SLF001  # as above
        return await asyncio.shield(task)

    return run
