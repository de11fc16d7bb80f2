"""PostgreSQL: the store is a server, which processes of many machines share."""

import asyncio
import contextlib
import functools
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import count
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import asyncpg
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.log import db_client_logger

from models.store import sql
from models.store.errors import Damaged, StoreFailure, postgres_failures
from models.store.statements import Query, Reader, Result, Row, Statement, Timed, Work, run
from models.store.urls import parameters_of, parts_of, without_password

MIGRATION_LOCK = 0x74726D6F
"""The advisory lock of processes that migrate: any number, but always the same."""
MIGRATION_SECONDS = 3600.0
"""How long a migration may take, and other processes wait for it."""

PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        ("user", "password", "host", "database", "schema", "application_name", "sslmode", "sslrootcert"), str
    ),
    **dict.fromkeys(("port", "minsize", "maxsize", "statement_cache_size"), int),
    **dict.fromkeys(("timeout", "command_timeout", "max_inactive_connection_lifetime"), float),
}
"""What an address may say behind its question mark, and how it is read."""


class Postgres:
    """A server, to which each process keeps a few connections."""

    probe = 'UPDATE "job" SET "seed" = "seed" WHERE 1 = 0'

    def __init__(self, url: str, *, connections: int, seconds: float) -> None:
        """`connections`: the most here; `seconds`: to connect, lock or run a statement. Raises ValueError."""
        milliseconds = str(max(1, int(seconds * 1000)))  # 0 would be no limit
        limits = {
            "minsize": 0,  # asyncpg logs many lines where a connection that it keeps is lost
            "maxsize": connections,
            "timeout": seconds,
            "command_timeout": seconds + 1,  # for a server that does not answer; others end what takes too long
            "application_name": "training-monitor",
            "server_settings": {
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "jit": "off",  # these queries are short
                # Or a list that was planned while there were few jobs reads all of them when there are 100,000.
                "plan_cache_mode": "force_custom_plan",
            },
        }
        self.connection: dict[str, Any] = {
            "engine": "tortoise.backends.asyncpg",
            "credentials": {**limits, **_credentials(url)},
        }
        self.shown = without_password(url)

    async def check(self) -> None:
        """Connect once."""
        credentials = self.connection["credentials"]
        named = {name: credentials.get(name) for name in ("user", "password", "database", "host", "port", "ssl")}
        connection = await asyncpg.connect(timeout=credentials["timeout"], **named)
        await connection.close()

    async def lock_migrations(self, client: BaseDBAsyncClient) -> None:
        """Take the advisory lock of the database, until the transaction ends."""
        no_limits = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
        await self.run_script(client, f"{no_limits}; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")

    async def run_script(self, client: BaseDBAsyncClient, script: str) -> None:
        """Run statements of a migration, which may take long."""
        async with client.acquire_connection() as connection:
            await connection.execute(script, timeout=MIGRATION_SECONDS)

    def opened(self, client: BaseDBAsyncClient, timed: Timed) -> "tuple[Reader, Connections]":
        """What reads and writes the open store. `timed` is called with the seconds of each query."""
        connections = Connections(client, float(self.connection["credentials"]["timeout"]), timed)
        return connections, connections

    async def place(self, reader: Reader) -> str:
        """The cluster, the database and the schema: copies have others, standbys that take over have the same."""
        columns = "oid, current_schema(), has_function_privilege('pg_control_system()', 'EXECUTE')"
        query = f"SELECT {columns} FROM pg_database WHERE datname = current_database()"  # noqa: S608  # names of ours
        ((database, schema, may_ask),) = await reader.rows(Query(query))
        cluster = 0
        if may_ask:  # unless an administrator took that from everyone
            ((cluster,),) = await reader.rows(Query("SELECT system_identifier FROM pg_control_system()"))
        return f"{cluster}:{database}:{schema}"

    def why_not_opened(self, error: Exception) -> str:
        """One line for people: what is wrong, and what to do."""
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
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname,
        "port": parts.port,
        "database": unquote(parts.path.removeprefix("/")),
    }
    said |= {name: it for name, it in by_place.items() if it}
    mode, root = said.pop("sslmode", None), said.pop("sslrootcert", None)
    if root or mode:
        said["ssl"] = _trusting(root, mode) if root else mode
    return said


def _trusting(root: str, mode: str | None) -> ssl.SSLContext:
    """TLS with servers whose certificate is signed by one of a file."""
    if mode not in ("verify-ca", "verify-full"):
        raise ValueError("sslrootcert goes with sslmode=verify-ca or sslmode=verify-full")
    try:
        context = ssl.create_default_context(cafile=root)
    except OSError as error:
        raise ValueError(f"sslrootcert cannot be read: {error.strerror or error}") from error
    context.check_hostname = mode == "verify-full"
    return context


@functools.lru_cache(256)
def _numbered(query: str) -> str:
    """The query with PostgreSQL's places: $1 for ?1, and for each bare ? the next number."""
    numbers = count(1)
    return re.sub(r"\?(\d*)", lambda place: f"${place[1] or next(numbers)}", query)


class Connections:
    """Reads and writes over the pool of Tortoise's client, each verb in a transaction of its own."""

    def __init__(self, client: BaseDBAsyncClient, seconds: float, timed: Timed) -> None:
        """`seconds`: how long to wait for a connection."""
        self._client = client
        self._seconds = seconds
        self._timed = timed
        self.damage: Damaged | None = None

    def version(self) -> int | None:
        """Only the server knows."""
        return None

    async def rows(self, query: Query, *, in_thread: bool = False) -> list[Row]:  # noqa: ARG002  # the server is one
        """The rows of a query."""
        began = perf_counter()
        try:
            async with self._connection() as connection:
                return await _rows(connection, query)
        except Damaged as damage:
            self.damage = damage
            raise
        finally:
            self._timed(perf_counter() - began)

    async def write(self, begin: Callable[[], Work[Result]], committed: Callable[[Result], None]) -> Result:
        """What the work returns, once it is committed; see `Database.write`."""
        async with self._connection() as connection:
            transaction = connection.transaction()
            with postgres_failures():
                await transaction.start()
            try:
                result = await run(begin(), functools.partial(_asked, connection))
            except BaseException:
                with contextlib.suppress(StoreFailure), postgres_failures():  # the server rolls back what is left open
                    await transaction.rollback()
                raise
            with postgres_failures():
                await transaction.commit()
            # Before the connection is given back, which takes time, in which the next verb of the row would overtake.
            committed(result)
        return result

    async def close(self) -> None:
        """The pool closes its connections itself, once they are free."""

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection, for as long as the context is open. Raises StoreFailure."""
        held = self._client.acquire_connection()
        with postgres_failures():
            async with asyncio.timeout(self._seconds):
                connection = await held.__aenter__()
        try:
            yield connection
        finally:
            with contextlib.suppress(StoreFailure), postgres_failures():  # a connection that is lost is not missed
                await held.__aexit__(None, None, None)


async def _asked(connection: "asyncpg.Connection[Any]", statement: Statement) -> list[Row]:
    if isinstance(statement, Query):
        return await _rows(connection, statement)
    text = _numbered(sql.insert(statement.table, statement.columns, shared=(*statement.shared,), rest=statement.rest))
    db_client_logger.debug("%s: %s", text, statement.rows)
    shared = (*statement.shared.values(),)
    with postgres_failures():
        await connection.executemany(text, [(*shared, *row) for row in statement.rows])
    return []


async def _rows(connection: "asyncpg.Connection[Any]", query: Query) -> list[Row]:
    text = _numbered(f"{query.sql} FOR NO KEY UPDATE" if query.locks else query.sql)
    db_client_logger.debug("%s: %s", text, query.parameters)
    with postgres_failures():
        return [tuple(row) for row in await connection.fetch(text, *query.parameters)]
