"""PostgreSQL: the store is a server, which processes of many machines share.

Tortoise's client for asyncpg, with time limits, and with one name for all that a connection raises when the server is
out of reach: Tortoise's DBConnectionError.
"""

import contextlib
import functools
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any, cast
from urllib.parse import unquote

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionContextPooled
from tortoise.connection import get_connection, get_connections
from tortoise.exceptions import DBConnectionError, OperationalError
from tortoise.transactions import in_transaction

from models.store.backend import CONNECTION
from models.store.reader import Query, Row, Timed
from models.store.transaction import Insert, Result, Statement, Work, run
from models.store.urls import parameters_of, parts_of, without_password

__all__ = ["Postgres", "client_class", "read_tuples"]

MIGRATION_LOCK = 0x74726D6F
"""The advisory lock of those who migrate: any number, but always the same."""
MIGRATION_SECONDS = 3600.0
"""How long a migration may take, and whoever waits for it wait."""

PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        ("user", "password", "host", "database", "schema", "application_name", "sslmode", "sslrootcert"), str
    ),
    **dict.fromkeys(("port", "minsize", "maxsize", "statement_cache_size"), int),
    **dict.fromkeys(("timeout", "command_timeout", "max_inactive_connection_lifetime"), float),
}
"""What an address may say behind its question mark, and how it is read."""
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's, as it means them."""

OUT_OF_REACH = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, a statement cut off by a time limit
    asyncpg.TransactionRollbackError,  # a deadlock: the other one won
    asyncpg.LockNotAvailableError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # it was the primary, and is a standby now
    asyncpg.InterfaceError,  # asyncpg's own, for what is asked of a connection that is closed
    asyncpg.InternalClientError,  # or was closed while it was being asked
    OSError,  # TimeoutError is one too
)
"""What is raised where the server could not do it just now: the transaction is gone, and trying again may help."""


class Postgres:
    """A server, to which each process keeps a few connections."""

    probe = 'UPDATE "job" SET "seed" = "seed" WHERE 1 = 0'

    def __init__(self, url: str, *, connections: int, seconds: float) -> None:
        """`connections`: the most that this process keeps; `seconds`: to connect, for a lock and for a statement.

        Raises ValueError where the address is none.
        """
        milliseconds = str(max(1, int(seconds * 1000)))  # 0 would be no limit
        limits = {
            "minsize": 0,  # one that is kept is missed while the server is away, and asyncpg tells of it in many lines
            "maxsize": connections,
            "timeout": seconds,
            # The server ends what takes too long; one that does not even answer is given up a second later.
            "command_timeout": seconds + 1,
            "application_name": "training-monitor",
            "server_settings": {
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "jit": "off",  # these queries are short
                # One made once for all parameters is kept as the tables grow: a list planned while there were few jobs
                # read all of them when there were 100,000.
                "plan_cache_mode": "force_custom_plan",
            },
        }
        self.connection: dict[str, Any] = {"engine": __name__, "credentials": {**limits, **_credentials(url)}}
        self.shown = without_password(url)

    async def check(self) -> None:
        """Connect once. Raises Tortoise's errors."""
        credentials = self.connection["credentials"]
        named = {name: credentials.get(name) for name in ("user", "password", "database", "host", "port", "ssl")}
        given = {name: value for name, value in named.items() if value is not None}
        connection = await _translated(asyncpg.connect, timeout=credentials["timeout"], **given)
        await connection.close()

    async def migrating(self, connection: BaseDBAsyncClient) -> BaseDBAsyncClient:
        """Take the advisory lock of the database."""
        client = _Patient(connection)
        await client.execute_script(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
        )
        await client.execute_script(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        return cast("BaseDBAsyncClient", client)

    def reader(self, timed: Timed) -> "_Reader":  # noqa: ARG002  # the client tells of its statements itself
        """Over the pool's connections."""
        return _Reader()

    def writer(self) -> "_Transactions":
        """The pool's connections, one for each verb."""
        return _Transactions()

    async def place(self, connection: BaseDBAsyncClient) -> str:
        """The cluster, the database and the schema: copies have others, standbys that take over have the same."""
        query = """
            SELECT oid, current_schema() AS schema, has_function_privilege('pg_control_system()', 'EXECUTE') AS is_told
            FROM pg_database WHERE datname = current_database()
        """
        _, (row, *_) = await connection.execute_query(query)
        cluster = 0
        if row["is_told"]:  # unless an administrator took that from everyone
            _, (system, *_) = await connection.execute_query("SELECT system_identifier FROM pg_control_system()")
            cluster = system["system_identifier"]
        return f"{cluster}:{row['oid']}:{row['schema']}"

    def why_not_opened(self, error: Exception) -> str:
        """What is wrong with the server, or with what we are to it."""
        reason = str(error).rstrip(".") or type(error).__name__
        return f"Cannot use the database {self.shown}: {reason}. Check that it answers, or change --database-url."


def _credentials(url: str) -> dict[str, Any]:
    """What an address says, as asyncpg takes it. Raises ValueError."""
    parts = parts_of(url)
    said: dict[str, Any] = {"user": None, "password": None, "host": None, "port": 5432, "database": None}
    for name, text in parameters_of(parts).items():
        if name not in PARAMETERS:
            raise ValueError(f"there is no parameter {name}")
        try:
            said[name] = PARAMETERS[name](text)
        except ValueError:
            raise ValueError(f"the parameter {name} must be a number") from None
    by_place = {
        "user": parts.username, "password": parts.password, "database": parts.path.removeprefix("/"),
    }  # fmt: skip
    said |= {name: unquote(text) for name, text in by_place.items() if text}
    said |= {name: it for name, it in {"host": parts.hostname, "port": parts.port}.items() if it}
    mode, root = said.pop("sslmode", None), said.pop("sslrootcert", None)
    if mode not in (None, *SSL_MODES):
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}")
    if root is not None:
        said["ssl"] = _trusting(root, mode)
    elif mode is not None:
        said["ssl"] = mode
    return said


def _trusting(root: str, mode: str | None) -> ssl.SSLContext:
    """TLS with servers whose certificate leads to those of a file."""
    if mode not in ("verify-ca", "verify-full"):
        raise ValueError("sslrootcert goes with sslmode=verify-ca or sslmode=verify-full")
    try:
        context = ssl.create_default_context(cafile=root)
    except OSError as error:
        raise ValueError(f"sslrootcert cannot be read: {error.strerror or error}") from error
    context.check_hostname = mode == "verify-full"
    return context


async def read_tuples(client: BaseDBAsyncClient, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    _, rows = await client.execute_query(_numbered(query), list(parameters))
    return [tuple(row) for row in rows]


@functools.lru_cache(128)
def _numbered(query: str) -> str:
    """The query with numbers for its places, as PostgreSQL has them."""
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", query)


class _Reader:
    """Reads over the pool's connections."""

    def version(self) -> int | None:
        """Nobody knows without asking the server."""
        return None

    async def rows(self, query: Query) -> list[Row]:
        """The rows of a query."""
        return await read_tuples(get_connection(CONNECTION), *query)

    def close(self) -> None:
        """The pool closes its connections itself, after those that use them."""


class _Patient:
    """Runs scripts with a migration's patience."""

    def __init__(self, connection: BaseDBAsyncClient) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute_script(self, script: str) -> None:
        """Run the script."""
        connection = cast("asyncpg.Connection[Any]", cast("TransactionWrapper", self._connection)._connection)  # noqa: SLF001  # no public way to a limit of its own
        await _translated(connection.execute, script, timeout=MIGRATION_SECONDS)


async def _translated(func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    """What `func` gives; what it raises by Tortoise's names. The first to raise is the one that is told."""
    try:
        return await func(*args, **kwargs)
    except OperationalError:
        raise
    except OUT_OF_REACH as error:
        raise DBConnectionError(str(error) or type(error).__name__) from error
    except asyncpg.PostgresError as error:
        raise OperationalError(error) from error


class _Client(AsyncpgDBClient):
    """Tortoise's, which waits for a connection no longer than for an answer."""

    async def _translate_exceptions(self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        return await _translated(super()._translate_exceptions, func, *args, **kwargs)

    def acquire_connection(self) -> Any:
        """One of the pool's connections, for as long as the context is open."""
        return self._acquired()

    def _in_transaction(self) -> "_Transaction":
        return _Transaction(_TransactionClient(self), self._pool_init_lock)

    @contextlib.asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        pool = await self.pool()
        connection = await pool.acquire(timeout=self.patience)
        try:
            yield connection
        finally:
            await pool.release(connection)

    async def pool(self) -> Any:
        """The pool, made at first use."""
        if not self._pool:
            async with self._pool_init_lock:
                if not self._pool:
                    await self.create_connection(with_db=True)
        return self._pool

    @property
    def patience(self) -> float:
        """Seconds to wait for a connection."""
        return float(self.extra["timeout"])


class _TransactionClient(TransactionWrapper):
    """The statements of one transaction."""

    _parent: _Client

    async def _translate_exceptions(self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        return await _translated(super()._translate_exceptions, func, *args, **kwargs)

    async def commit(self) -> None:
        """Commit. Where that fails, nobody knows whether it was done."""
        await _translated(super().commit)

    async def rollback(self) -> None:
        """Roll back."""
        await _translated(super().rollback)

    async def ask(self, statement: Statement) -> list[Row]:
        """The rows of a statement."""
        if isinstance(statement, Insert):
            names = (*statement.shared, *statement.columns)
            columns, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
            sql = _numbered(f'INSERT INTO "{statement.table}" ({columns}) VALUES ({places})')  # noqa: S608  # names of ours
            shared = (*statement.shared.values(),)
            self.log.debug("%s: %s", sql, statement.rows)
            await _translated(self._connection.executemany, sql, [(*shared, *row) for row in statement.rows])
            return []
        sql = _numbered(statement.sql)
        self.log.debug("%s: %s", sql, statement.parameters)
        rows = await _translated(self._connection.fetch, sql, *statement.parameters)
        return [tuple(row) for row in rows]


class _Transaction(TransactionContextPooled):
    """Tortoise's, but whatever happens the connection goes back to the pool."""

    client: _TransactionClient

    async def __aenter__(self) -> Any:
        parent = self.client._parent  # noqa: SLF001  # Tortoise's own way from a transaction to its pool
        self._pool = await _translated(parent.pool)
        self._connection = await _translated(self._pool.acquire, timeout=parent.patience)
        self.client._connection = self._connection  # noqa: SLF001  # as above
        try:
            await self.client.begin()
        except BaseException:
            await self._release()
            raise
        self.token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        get_connections().reset(self.token)
        try:
            if self.client._finalized:  # noqa: SLF001  # Tortoise's own flag
                return
            if exc_type is None:
                await self.client.commit()
            else:
                with contextlib.suppress(DBConnectionError):  # the server rolls back what is left to it
                    await self.client.rollback()
        finally:
            await self._release()

    async def _release(self) -> None:
        with contextlib.suppress(DBConnectionError):  # a connection that is lost is not missed
            await _translated(self._pool.release, self._connection)


class _Transactions:
    """Each verb in a transaction of its own, on one of the pool's connections."""

    async def write(self, begin: Callable[[], Work[Result]], committed: Callable[[Result], None]) -> Result:
        """What the work returns, once it is committed; see `Writer`."""
        async with in_transaction() as client:
            transaction = cast("_TransactionClient", client)
            result = await run(begin(), transaction.ask)
            # Here, as giving the connection back takes time, in which those who waited for the row overtake.
            await transaction.commit()
            committed(result)
        return result

    async def close(self) -> None:
        """The pool closes its connections itself, after those that use them."""


client_class = _Client
"""What Tortoise looks for in the module that is named as its engine."""
