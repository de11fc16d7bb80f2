"""The store: its connection, its schema, its transactions."""

import asyncio
import contextlib
import functools
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Concatenate, ParamSpec, Self, cast

import asyncpg
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import RunPython
from tortoise.migrations.writer import MigrationWriter
from tortoise.transactions import in_transaction

from models import migrations
from models.errors import JobError
from models.migrations._real_runs import Advance, Help, IsSimulated
from models.store.errors import LOST, Changed, Damaged, StoreError, StoreFailure
from models.store.group_commit import GroupCommit
from models.store.postgres import Connections, Postgres
from models.store.sqlite import APP, SQLite
from models.store.statements import Query, Reader, Result, Timed, Work
from models.store.urls import without_password

__all__ = ["Database", "known_migrations", "sqlite_file", "uninterrupted"]

Backend = SQLite | Postgres

CONNECTION = "default"
"""Tortoise's name of the connection to the store."""
TABLES = [
    *("models.job", "models.attempts", "models.config", "models.deletions", "models.deployment"),
    *("models.metric", "models.series", "models.tags", "models.curves.stored"),
    *("models.alert", "models.alerts.outbox", "models.alerts.place", "models.alerts.rule", "models.alerts.state"),
    "models.token",
]
"""The modules that have tables."""
APPS: dict[str, dict[str, Any]] = {
    APP: {"models": TABLES, "migrations": "models.migrations", "default_connection": CONNECTION}
}
CONNECTIONS = 10
"""The most connections of one process, where the store is a server."""
SECONDS = 10.0
"""How long to wait for the store: for a connection, for another writer, for an answer."""

LOOKS_LIKE = "It looks like sqlite://training-monitor.sqlite3, or postgres://user:password@host:5432/name."
NOT_OPENED = (BaseORMException, StoreFailure, sqlite3.Error, asyncpg.PostgresError, *LOST, ValueError)
"""What Tortoise, which migrates, and the drivers raise where a store cannot be opened."""

log = logging.getLogger(__name__)


class Database:
    """One store, from opening to closing. Several may be open in one process."""

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        connections: int = CONNECTIONS,
        seconds: float = SECONDS,
        is_simulated: IsSimulated | None = None,
        advance: Advance = lambda _done, _total: None,
        timed_read: Timed = lambda _: None,
        timed_write: Timed = lambda _: None,
    ) -> None:
        """`url`: sqlite://path from here, sqlite:///absolute/path, or postgres://user:password@host:port/name.

        `create`: a file that is not there; `connections`: the most of them; `seconds`: to wait for each thing;
        `is_simulated`: for migrations, which jobs of older versions were simulated, none where it is None;
        `advance`: called with the stored points that a migration has read, and how many there are;
        `timed_*`: called with the seconds of each query, and of each work until its commit. Raises StoreError.
        """
        self._help = Help(is_simulated, advance)
        self._timed_read = timed_read
        self._timed_write = timed_write
        self._backend = _backend_at(url, create=create, connections=connections, seconds=seconds)
        self.place = self._backend.shown
        """Where it is, for people: the path of its file, or its address without a password."""
        self.applied: list[str] = []
        """Names of the migrations that opening it applied."""
        self.identity = ""
        """What distinguishes this store from every other, and from its copies: when it was made, and where it is."""
        self.reader: Reader
        """The way to rows, while it is open."""
        self._writer: GroupCommit | Connections
        self._closing = contextlib.AsyncExitStack()
        self._context = TortoiseContext()
        self._writes: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and bring the tables up to date.

        Raises StoreError where the store cannot be reached or written, or a newer version made it.
        """
        try:
            await self._backend.check()
            with self._context:  # Tortoise's own: it migrates, and keeps PostgreSQL's pool; no query goes through it
                await self._context.init(config={"connections": {CONNECTION: self._backend.connection}, "apps": APPS})
                client = self._context.db(CONNECTION)
                self.applied = await self._migrate(client)
                if isinstance(self._backend, SQLite):  # reader and writer have connections of their own
                    await self._context.close_connections()
            self.reader, self._writer = self._backend.opened(client, self._timed_read)
            self._closing.push_async_callback(self.reader.close)
            self._closing.push_async_callback(self._writer.close)
            self.identity = await self._identity()
        except BaseException as error:
            await self.close()  # its threads would keep the process from ending
            if isinstance(error, NOT_OPENED):
                raise StoreError(self._backend.why_not_opened(error)) from error
            raise

    async def close(self) -> None:
        """Let the writes under way finish, then disconnect."""
        while self._writes:
            await asyncio.wait(self._writes)
        await self._closing.aclose()
        await self._context.close_connections()

    async def write(self, begin: Callable[[], Work[Result]], committed: Callable[[Result], None]) -> Result:
        """What the work that `begin` begins returns, once it is committed: all of its statements, or none.

        Its first statement must write or lock: PostgreSQL then holds the row, so that what follows reads it as it is.
        `committed` is called with the result right after the commit, in the order of the commits. A work may be begun
        again where its transaction was lost. Raises what the work raises, and StoreFailure.
        """
        began = perf_counter()
        try:
            return await self._writer.write(begin, committed)
        except Damaged as damage:
            self.reader.damage = damage
            raise
        finally:
            self._timed_write(perf_counter() - began)

    async def finish(self, verb: Coroutine[Any, Any, Result]) -> Result:
        """What a verb returns. It is run to its end even where its caller is cancelled, and closing waits for it."""
        task = asyncio.create_task(verb)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise

    async def missing_migrations(self) -> list[MigrationWriter]:
        """What takes the migrations to the models: empty while the two agree."""
        assert self._context.apps is not None, "the database is not open"
        with self._context:
            return await MigrationAutodetector(self._context.apps, APPS).changes()

    async def check(self) -> None:
        """Return if the store answers with what it keeps, and is the one that was opened. Raises StoreFailure.

        Once a read or write has met damage, it fails until the store is opened again: other pages still answer.
        """
        if damage := self.reader.damage:
            raise damage.with_traceback(None)
        await self.reader.rows(Query("SELECT id FROM job LIMIT 1"))
        if await self._identity() != self.identity:
            raise Changed(f"{self.place} was deleted, moved or replaced")

    async def check_writes(self) -> None:
        """Return once a write that changes nothing is committed. Raises StoreFailure."""
        await self._writer.write(lambda: _one(self._backend.probe), lambda _: None)

    async def _identity(self) -> str:
        query = "SELECT applied_at FROM tortoise_migrations ORDER BY applied_at LIMIT 1"
        ((made,),) = await self.reader.rows(Query(query))
        return f"{made}:{await self._backend.place(self.reader)}"

    async def _migrate(self, client: BaseDBAsyncClient) -> list[str]:
        """Apply what is pending, all of it or nothing, one process at a time."""
        if not await _pending(MigrationExecutor(client, APPS)):
            return []
        async with in_transaction(CONNECTION) as connection:
            await self._backend.lock_migrations(connection)
            run_script = functools.partial(self._backend.run_script, connection)
            executor = MigrationExecutor(connection, APPS)  # a process that waited looks again at what is pending
            editor = executor._schema_editor(atomic=False)  # noqa: SLF001  # no public way
            methods = {"execute_query": connection.execute_query, "execute_script": run_script}
            editor.client = cast("Any", SimpleNamespace(capabilities=connection.capabilities, **methods))
            await executor.recorder.ensure_schema(editor)
            pending = await _pending(executor)
            for migration in pending:
                steps = [each for each in migration.operations if isinstance(each, RunPython)]
                for step in steps:
                    await step.code(self._help, editor)
                if not steps:  # a migration is of SQL or of Python
                    statements = await executor.collect_sql(APP, migration.name)
                    await run_script("\n".join(f"{each.rstrip().removesuffix(';')};" for each in statements))
                await executor.recorder.record_applied(APP, migration.name)
        return [migration.name for migration in pending]


def _backend_at(url: str, *, create: bool, connections: int = CONNECTIONS, seconds: float = SECONDS) -> Backend:
    scheme = url.partition("://")[0]
    try:
        if scheme == "sqlite":
            return SQLite(url, create=create, seconds=seconds)
        if scheme in {"postgres", "postgresql"}:
            return Postgres(url, connections=connections, seconds=seconds)
    except (BaseORMException, ValueError) as error:
        raise StoreError(f"Cannot use the database URL {without_password(url)}: {error}. {LOOKS_LIKE}") from error
    rule = "must begin with sqlite:// or postgres://"
    raise StoreError(f"The database URL {rule}, got {without_password(url)}. {LOOKS_LIKE}")


def _one(statement: str) -> Work[None]:
    yield Query(statement)


def sqlite_file(url: str) -> Path | None:
    """The file that an address names; None where the store is none. Raises StoreError where the address is none."""
    backend = _backend_at(url, create=False)
    return backend.path if isinstance(backend, SQLite) else None


def known_migrations() -> set[str]:
    """The names of the migrations that this version has."""
    return {path.stem for path in Path(migrations.__file__).parent.glob("[0-9]*.py")}


async def _pending(executor: MigrationExecutor) -> list[Migration]:
    pending = [step.migration for step in await executor.plan()]
    if unknown := {key.name for key in executor.loader.applied_migrations} - known_migrations():
        raise StoreError(
            f"The database was written by a newer version of training-monitor (it has {max(unknown)}): "
            "upgrade training-monitor, or change --database-url."
        )
    return pending


Parameters = ParamSpec("Parameters")


def uninterrupted(
    verb: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Result]]:
    """Run a verb of an owner with a `database` to its end, though its caller is cancelled (its client hangs up).

    Or a change could be committed and not published.
    """

    @functools.wraps(verb)
    def run(owner: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Coroutine[Any, Any, Result]:
        database: Database = owner.database
        return database.finish(verb(owner, *args, **kwargs))

    return run


def _log_failure(task: asyncio.Task[Any]) -> None:
    """Log why a write failed whose caller was cancelled. What only its caller did wrong is not worth a line."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, StoreFailure):
        log.warning("%s", error)
    elif error is not None and not isinstance(error, JobError):
        log.error("background write failed after its client disconnected", exc_info=error)
