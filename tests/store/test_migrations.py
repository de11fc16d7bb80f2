"""The store's schema: the migrations lead to the models, are applied once, by one process, and all of them or none."""

import asyncio
import contextlib
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.feed.channel import Feed
from models.job import Job, JobTable
from models.job_reads import count_by_status, find_job
from models.jobs import Jobs
from models.metric import Point
from models.migrations._digests import PIECE
from models.store.database import Database
from models.store.errors import StoreError
from models.validation import NewJob
from tests.tools.domain import opened_domain
from tests.tools.outside import Outside
from tests.tools.process import command
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.unmigrated

MIGRATIONS = [
    "0001_initial",
    "0002_curve_chunks",
    "0003_tokens",
    "0004_sessions",
    "0005_point_digests",
    "0006_digests_of_old_points",
    "0007_old_tables",
    "0008_real_runs",
    "0009_old_jobs_and_points",
]
TABLES = {"job", "attempt", "config", "config_value", "series", "metric", "curve_chunk", "deleted_job"}
TABLES |= {"alert", "alert_place", "alert_rule", "alert_state", "deployment", "token", "session"}
BOOKS = {"tortoise_migrations"}
"""Tortoise's table of the migrations that are applied: empty, it may be left behind."""


async def test_migrations_and_models_agree(database_url: str) -> None:
    async with Database(database_url) as database:
        assert await database.missing_migrations() == [], "run `make migration`"


@pytest.mark.sqlite_alone("no SQL is involved")
async def test_a_model_that_changes_without_a_migration_is_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(database_url) as database:
        monkeypatch.setattr(JobTable._meta.fields_map["name"], "max_length", 100)
        (migration,) = await database.missing_migrations()
        assert [type(operation).__name__ for operation in migration.operations] == ["AlterField"]


async def usable(database: Database) -> bool:
    """Whether a job can be created and read back."""
    created = await Jobs(database, Feed()).create(NewJob("run", "resnet", epochs=1, learning_rate=0.1))
    return await find_job(database.reader, created.id) == created


async def test_a_new_store_is_given_all_tables_and_one_that_is_up_to_date_is_left_as_it_is(
    database_url: str, outside: Outside
) -> None:
    async with Database(database_url) as database:
        assert database.applied == MIGRATIONS
        assert await usable(database)
    async with Database(database_url) as database:
        assert database.applied == []
        assert sum((await count_by_status(database.reader)).values()) == 1
    assert outside.tables() == TABLES | BOOKS


@pytest.mark.parametrize("attempt", range(2))  # for the moment in which they may meet is short
async def test_of_many_who_open_a_new_store_at_once_one_migrates_it_and_all_can_use_it(
    database_url: str, attempt: int
) -> None:
    databases = [Database(database_url) for _ in range(6)]
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(PATIENCE):
        for database in databases:
            stack.push_async_callback(database.close)
        await asyncio.gather(*(database.open() for database in databases))
        assert sorted(database.applied for database in databases) == [[]] * 5 + [MIGRATIONS]
        assert all([await usable(database) for database in databases])


def test_of_processes_that_open_a_new_store_at_once_one_migrates_it(database_url: str) -> None:
    with ThreadPoolExecutor() as at_once:
        running = [at_once.submit(command, "migrate", "--database-url", database_url) for _ in range(2)]
        ended = [process.result() for process in running]
    assert [(process.returncode, process.stderr) for process in ended] == [(0, "")] * 2
    said = sorted(process.stdout for process in ended)
    assert said == ["The database is up to date.\n", "".join(f"applied {name}\n" for name in MIGRATIONS)]


async def test_a_migration_that_fails_half_way_leaves_nothing_behind(database_url: str, outside: Outside) -> None:
    """A view of another program is where the second table is to be made."""
    outside.execute("CREATE VIEW metric AS SELECT 1 AS note")
    with pytest.raises(StoreError, match="metric"):
        await Database(database_url).open()
    assert outside.tables() - BOOKS == set()
    outside.execute("DROP VIEW metric")
    async with Database(database_url) as database:
        assert database.applied == MIGRATIONS
        assert await usable(database)


async def stored_by_a_version_without_digests(url: str, outside: Outside, batch: Sequence[Point]) -> Job:
    """A job with these points, in a store as the migrations before 0005 left it."""
    async with opened_domain(url) as domain:
        job = await domain.job()
        await domain.jobs.log(job.id, batch)
    outside.execute("DROP INDEX metric_by_digest")
    outside.execute("ALTER TABLE metric DROP COLUMN digest")
    outside.execute("CREATE INDEX metric_by_step ON metric (job_id, step)")
    outside.execute("DELETE FROM tortoise_migrations WHERE name > '0005'")
    return job


@pytest.mark.parametrize("count", [PIECE, PIECE + 1])
async def test_points_of_a_version_without_digests_are_not_stored_again_in_whichever_order_their_values_are_named(
    database_url: str, outside: Outside, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    caplog.set_level(logging.INFO, "models")
    values = {"loss": float("nan"), "acc \N{GREEK SMALL LETTER ALPHA}": 0.5}
    batch = [Point(0, values | {"x": number / 8}, number % 3) for number in range(count)]
    job = await stored_by_a_version_without_digests(database_url, outside, batch)
    async with opened_domain(database_url) as domain:
        assert domain.database.applied == MIGRATIONS[4:]
        reordered = [point._replace(values=dict([*point.values.items()][::-1])) for point in batch]
        logged = await domain.jobs.log(job.id, [*reordered, Point(0, {"x": 0.5})])
    assert len(logged.metrics) == 1
    assert [record.getMessage() for record in caplog.records if str(count) in record.getMessage()] == [
        f"giving {count} stored points a digest, once: this takes some 30 seconds a million"
    ]


async def test_digests_are_given_to_all_points_or_to_none(database_url: str, outside: Outside) -> None:
    """The last point, which is read after others were given theirs, is damaged."""
    batch = [Point(number, {"loss": 0.5}) for number in range(PIECE + 1)]
    job = await stored_by_a_version_without_digests(database_url, outside, batch)
    columns, names = outside.columns("metric"), outside.execute("SELECT name FROM tortoise_migrations")
    outside.execute(f"""UPDATE metric SET "values" = '{{' WHERE step = {PIECE}""")
    with pytest.raises(StoreError):
        await Database(database_url).open()
    assert outside.columns("metric") == columns
    assert outside.execute("SELECT name FROM tortoise_migrations") == names
    outside.execute("""UPDATE metric SET "values" = '{"loss":0.5}'""")
    async with opened_domain(database_url) as domain:
        assert len((await domain.jobs.log(job.id, batch)).metrics) == 0


COMMITTERS = {
    "sqlite": ("tortoise.backends.sqlite.client", "SqliteTransactionWrapper"),
    "postgres": ("tortoise.backends.asyncpg.client", "TransactionWrapper"),
}
KILLED = """
import asyncio, os, signal, sys
from models.store.database import Database
from {module} import {wrapper}

async def commit(_):
    os.kill(os.getpid(), signal.SIGKILL)

{wrapper}.commit = commit
asyncio.run(Database(sys.argv[1]).open())
"""


async def test_a_process_killed_before_it_commits_its_migrations_leaves_nothing_behind(
    database_url: str, outside: Outside
) -> None:
    module, wrapper = COMMITTERS[outside.system]
    script = KILLED.format(module=module, wrapper=wrapper)
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, database_url], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert outside.tables() - BOOKS == set()
    async with Database(database_url) as database:
        assert database.applied == MIGRATIONS
        assert await usable(database)
