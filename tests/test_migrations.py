"""The store's schema: the migrations lead to the models, are applied once, by one process, and all of them or none."""

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tortoise import fields
from tortoise.context import TortoiseContext

from models import database as store
from models.database import Database, StoreError
from models.feed import Feed
from models.job import Job
from models.jobs import Jobs
from models.rules import NewJob
from tests.process import command

FIRST = "0001_initial"
BOOKS = {"tortoise_migrations"}
"""Tortoise's table of the migrations that are applied: empty, it may be left behind."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of `database_url`."""
    return tmp_path / "test.sqlite3"


def tables(path: Path) -> set[str]:
    """The names of the tables in a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {name for (name,) in rows}


def shape(path: Path) -> dict[str, Any]:
    """What SQLite knows of the tables that keep jobs and points: columns, indexes, references."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {table: _shape_of(connection, table) for table in ("job", "metric")}


def _shape_of(connection: sqlite3.Connection, table: str) -> dict[str, Any]:
    columns = [row[1:] for row in connection.execute(f"PRAGMA table_info({table})")]
    references = [row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})")]
    indexes = {
        # The columns in order, whether they are unique; names of constraints are SQLite's own affair.
        (tuple(name for _, _, name in connection.execute(f"PRAGMA index_info({index})")), unique)
        for _, index, unique, *_ in connection.execute(f"PRAGMA index_list({table})")
    }
    assert columns, f"there is no table {table}"
    return {"columns": columns, "references": references, "indexes": indexes}


async def test_migrations_and_models_agree(database_url: str) -> None:
    async with Database(database_url) as database:
        assert await database.model_changes() == [], "run `make migration`"


@pytest.mark.parametrize(
    ("drift", "found"),
    [
        (lambda patch: patch.setattr(Job._meta.fields_map["name"], "max_length", 100), "AlterField"),
        (lambda patch: patch.setitem(Job._meta.fields_map, "colour", fields.CharField(max_length=9)), "AddField"),
        (lambda patch: patch.delitem(Job._meta.fields_map, "failure_reason"), "RemoveField"),
        (lambda patch: patch.setattr(Job._meta, "indexes", ()), "RemoveIndex"),
    ],
)
async def test_a_model_that_changes_without_a_migration_is_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch, drift: Any, found: str
) -> None:
    async with Database(database_url) as database:
        drift(monkeypatch)
        assert found in await database.model_changes()


async def test_the_tables_that_migrations_make_are_those_that_the_models_describe(
    path: Path, database_url: str, tmp_path: Path
) -> None:
    async with Database(database_url):
        pass
    described = tmp_path / "described.sqlite3"
    async with TortoiseContext() as context:
        await context.init(db_url=f"sqlite://{described}", modules={"models": store.APPS["models"]["models"]})
        await context.generate_schemas()
    assert shape(path) == shape(described)


async def usable(database: Database) -> bool:
    """Whether a job can be created and read back."""
    with database.scope():
        created = await Jobs(database, Feed()).create(NewJob("run", "resnet", epochs=1, learning_rate=0.1))
        return await Job.exists(id=created.id)


async def test_a_new_store_is_given_all_tables_and_one_that_is_up_to_date_is_left_as_it_is(
    path: Path, database_url: str
) -> None:
    async with Database(database_url) as database:
        assert database.applied == [FIRST]
        assert await usable(database)
    async with Database(database_url) as database:
        assert database.applied == []
        with database.scope():
            assert await Job.all().count() == 1
    assert tables(path) == {"job", "metric"} | BOOKS


async def test_of_many_who_open_a_new_store_at_once_one_migrates_it_and_all_can_use_it(tmp_path: Path) -> None:
    """Several times, for the moment in which they may meet is short."""
    for attempt in range(5):
        databases = [Database(f"sqlite://{tmp_path / str(attempt)}.sqlite3") for _ in range(6)]
        async with contextlib.AsyncExitStack() as stack, asyncio.timeout(20):
            for database in databases:
                stack.push_async_callback(database.close)
            await asyncio.gather(*(database.open() for database in databases))
            assert sorted(database.applied for database in databases) == [[]] * 5 + [[FIRST]]
            assert all([await usable(database) for database in databases])


def test_of_processes_that_open_a_new_store_at_once_one_migrates_it(database_url: str) -> None:
    with ThreadPoolExecutor() as at_once:
        running = [at_once.submit(command, "migrate", "--database-url", database_url) for _ in range(3)]
        ended = [process.result() for process in running]
    assert [(process.returncode, process.stderr) for process in ended] == [(0, "")] * 3
    said = sorted(process.stdout for process in ended)
    assert said == ["The database is up to date.\n"] * 2 + [f"applied {FIRST}\n"]


async def test_a_migration_that_fails_half_way_leaves_nothing_behind(path: Path, database_url: str) -> None:
    """Somebody else's table is where the second one is to be made."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE metric (note TEXT)")
        with pytest.raises(StoreError, match='table "metric" already exists'):
            await Database(database_url).open()
        assert tables(path) - BOOKS == {"metric"}
        other.execute("DROP TABLE metric")
    async with Database(database_url) as database:
        assert database.applied == [FIRST]
        assert await usable(database)


KILLED = """
import asyncio, os, signal, sys
from models.database import Database
from {module} import {owner}

original, calls = {owner}.{method}, 0

async def deadly(*args, **kwargs):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return await original(*args, **kwargs)

{owner}.{method} = deadly
asyncio.run(Database(sys.argv[1]).open())
"""


@pytest.mark.parametrize(
    ("module", "owner", "method", "call"),
    [
        pytest.param("tortoise.migrations.schema_editor.sqlite", "SqliteSchemaEditor", "create_model", 2, id="table"),
        pytest.param("tortoise.migrations.recorder", "MigrationRecorder", "record_applied", 1, id="record"),
        pytest.param("tortoise.backends.sqlite.client", "SqliteTransactionWrapper", "commit", 1, id="commit"),
    ],
)
async def test_a_process_killed_in_the_middle_of_a_migration_leaves_nothing_behind(
    path: Path, database_url: str, module: str, owner: str, method: str, call: int
) -> None:
    """Killed before the second table is made, before the migration is recorded, before all of it is committed."""
    script = KILLED.format(module=module, owner=owner, method=method, call=call)
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, database_url], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert tables(path) - BOOKS == set()
    async with Database(database_url) as database:
        assert database.applied == [FIRST]
        assert await usable(database)
