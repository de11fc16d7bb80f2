"""The store's schema: the migrations lead to the models, are applied once, by one process, and all of them or none."""

import asyncio
import contextlib
import logging
import math
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from models.feed.channel import Feed
from models.job import JobTable
from models.job_reads import count_by_status, find_job
from models.jobs import Jobs
from models.lifecycle import JobStatus, epoch_of_step
from models.metric import Point, digest_of, encode_values
from models.migrations._digests import PIECE
from models.series import read_series
from models.store.database import Database
from models.store.errors import StoreError
from models.validation import NewJob
from simulator.runner import is_simulated, make_points
from tests.tools.domain import a_job, opened_domain
from tests.tools.old_stores import make_store
from tests.tools.outside import Outside
from tests.tools.process import command, on_a_terminal
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
TABLES = {"job", "attempt", "config", "config_value", "series", "tag", "metric", "curve_chunk", "deleted_job"}
TABLES |= {"alert", "alert_delivery", "alert_place", "alert_rule", "alert_state", "deployment", "token", "session"}
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


AT = "2026-01-01 00:00:00+00:00"
OLD_JOB = {
    "name": "run",
    "model_name": "resnet",
    "searchable": "run resnet",
    "status": "RUNNING",
    "epochs": 10,
    "steps_per_epoch": 100,
    "learning_rate": 0.1,
    "scenario": "healthy",
    "schedule": "constant",
    "seed": 7,
    "batch_size": 32,
    "created_at": AT,
    "updated_at": AT,
    "status_changed_at": AT,
    "started_at": AT,
}
"""The columns of a job of version 0006."""


def insert(outside: Outside, table: str, **columns: object) -> int:
    """The id of a new row."""
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    ((id,),) = outside.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id", [*columns.values()])
    return int(id)


def insert_job(outside: Outside, points: Sequence[Point] = (), *, digests: bool = True, **columns: object) -> int:
    """The id of a job of an old version, with these points."""
    furthest = max((point.step for point in points), default=0)
    counts = {"metric_count": len(points), "furthest_step": furthest}
    id = insert(outside, "job", **{**OLD_JOB, **counts, **columns})
    for seq, point in enumerate(points, 1):
        epoch = epoch_of_step(point.step, 100) if point.epoch is None else int(point.epoch)
        text = encode_values(point.values)
        digest = {"digest": digest_of(epoch, point.values)} if digests else {}
        row = {"job_id": id, "seq": seq, "step": point.step, "epoch": epoch, "values": text, "recorded_at": AT}
        insert(outside, "metric", **row, **digest)
    return id


@pytest.mark.parametrize("count", [PIECE, PIECE + 1])
async def test_points_of_a_version_without_digests_are_not_stored_again_in_whichever_order_their_values_are_named(
    database_url: str, outside: Outside, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    caplog.set_level(logging.INFO, "models")
    values = {"loss": float("nan"), "acc \N{GREEK SMALL LETTER ALPHA}": 0.5}
    batch = [Point(0, values | {"x": number / 8}, 2 + number % 3) for number in range(count)]
    await make_store(database_url, "0004", monkeypatch)
    job_id = insert_job(outside, batch, digests=False)
    async with opened_domain(database_url) as domain:
        assert domain.database.applied == MIGRATIONS[4:]
        reordered = [point._replace(values=dict([*point.values.items()][::-1])) for point in batch]
        logged = await domain.jobs.log(job_id, [*reordered, Point(0, {"x": 0.5})])
    assert len(logged.metrics) == 1
    said = [record.getMessage() for record in caplog.records]
    assert f"giving {count} stored points a digest, once: this takes some 30 seconds a million" in said


async def test_digests_are_given_to_all_points_or_to_none(
    database_url: str, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last point, which is read after others were given theirs, is damaged."""
    batch = [Point(number, {"loss": 0.5}) for number in range(PIECE + 1)]
    await make_store(database_url, "0004", monkeypatch)
    job_id = insert_job(outside, batch, digests=False)
    await damaged_store_stays(database_url, outside, PIECE)
    outside.execute("""UPDATE metric SET "values" = '{"loss":0.5}'""")
    async with opened_domain(database_url) as domain:
        assert len((await domain.jobs.log(job_id, batch)).metrics) == 0


async def damaged_store_stays(url: str, outside: Outside, step: int) -> None:
    """Damage the points of a step: migrating the store then fails, and leaves it as it was."""
    columns, names = outside.columns("metric"), outside.execute("SELECT name FROM tortoise_migrations")
    tables = outside.tables()
    outside.execute(f"""UPDATE metric SET "values" = '{{' WHERE step = {step}""")
    with pytest.raises(StoreError):
        await Database(url).open()
    assert (outside.columns("metric"), outside.tables()) == (columns, tables)
    assert outside.execute("SELECT name FROM tortoise_migrations") == names


class TestStoresOfTheFirstVersion:
    """Of 0006: jobs get a kind by their first point, and what nobody said becomes null."""

    @pytest.fixture(autouse=True)
    async def store(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        await make_store(database_url, "0006", monkeypatch)

    async def test_a_job_is_simulated_where_its_first_point_is_the_simulators_else_logged(
        self, database_url: str, outside: Outside
    ) -> None:
        job = a_job(epochs=10, learning_rate=0.1, stated_steps_per_epoch=100, batch_size=32, seed=7)
        job = job._replace(scenario="healthy", schedule="constant")
        made = make_points(job, 1, 2)
        simulated = insert_job(outside, made)
        logged = insert_job(outside, [Point(1, {"loss": 0.5, "x": math.nan}), Point(205, {"loss": math.inf, "x": 2.0})])
        said = insert_job(outside, [Point(3, {"loss": 0.5})], batch_size=64, steps_per_epoch=50)
        queued = insert_job(outside, status="QUEUED", started_at=None)
        asked = insert_job(outside, status="QUEUED", started_at=None, scenario="crash", seed=9)
        async with opened_domain(database_url, is_simulated=is_simulated) as domain:
            of = {id: await domain.now(id) for id in (simulated, logged, said, queued, asked)}
            kinds = {id: job.kind for id, job in of.items()}
            assert kinds == {simulated: "SIMULATED", logged: "LOGGED", said: "LOGGED", queued: None, asked: None}
            settings = {id: (job.scenario, job.schedule, job.seed, job.batch_size) for id, job in of.items()}
            assert settings == {
                simulated: ("healthy", "constant", 7, 32),
                logged: (None, None, None, None),
                said: (None, None, None, 64),
                queued: (None, None, None, None),
                asked: ("crash", "constant", 9, 32),
            }
            assert {id: (job.stated_steps_per_epoch, job.total_steps, job.progress) for id, job in of.items()} == {
                simulated: (100, 1_000, 0.002),
                logged: (None, None, None),
                said: (50, 500, 0.006),
                queued: (None, 1_000, 0.0),
                asked: (100, 1_000, 0.0),
            }
            stepped = await domain.jobs.simulate(simulated, make_points)
            assert dict(stepped.metrics[0].values) == dict(make_points(job, 3, 1)[0].values), "it goes on"
            read = (await read_series(domain.database.reader, [logged]))[logged]
            assert [(each.name, each.count, each.non_finite_count, each.last.step) for each in read] == [
                ("loss", 2, 1, 205),
                ("x", 2, 1, 205),
            ]

    async def test_every_job_has_an_attempt_its_outcome_and_a_change_of_its_own_and_ids_go_on(
        self, database_url: str, outside: Outside
    ) -> None:
        later, ended = "2026-01-02 00:00:00+00:00", "2026-01-01 12:00:00+00:00"
        end: dict[str, Any] = {"finished_at": ended, "status_changed_at": ended}
        running = insert_job(outside, [Point(1, {"loss": 0.5})], status_changed_at=later)
        complete = insert_job(outside, [Point(7, {"loss": 0.5})], status="COMPLETE", **end)
        failed = insert_job(outside, status="FAILED", started_at=None, failure_reason="enough", **end)
        async with opened_domain(database_url, is_simulated=is_simulated) as domain:
            of = [await domain.now(id) for id in (running, complete, failed)]
            assert [(job.attempt, job.attempt_first_seq, job.outcome) for job in of] == [
                (1, 1, None),
                (1, 1, "COMPLETED"),
                (1, 1, "FAILED"),
            ]
            assert [job.attempt_started_at for job in of] == [of[0].started_at, of[1].started_at, of[2].finished_at]
            assert [job.change for job in of] == [3, 1, 2]
            assert of[1].progress == 1
            created = await domain.job(JobStatus.QUEUED)
            assert (created.id, created.change) == (failed + 1, 4)

    async def test_a_batch_that_was_stored_before_is_not_stored_again(
        self, database_url: str, outside: Outside
    ) -> None:
        batch = [Point(0, {"loss": 0.5}), Point(101, {"loss": 0.25, "x": math.inf}), Point(101, {"x": 1.0}, 7)]
        id = insert_job(outside, batch)
        async with opened_domain(database_url, is_simulated=is_simulated) as domain:
            assert len((await domain.jobs.log(id, batch)).metrics) == 0
            (new,) = (await domain.jobs.log(id, [*batch, Point(101, {"x": 1.0}, 8)])).metrics
            assert new.seq == 4
            assert (await domain.now(id)).furthest_step == 101

    async def test_every_point_is_counted_once_of_short_jobs_and_of_long_ones_and_told_of(
        self, database_url: str, outside: Outside
    ) -> None:
        sizes = [3, 400, 600, 1, 1_000, 2_001, 0, 5]
        ids = [insert_job(outside, [Point(step, {"loss": 1 / (step + 1)}) for step in range(size)]) for size in sizes]
        told: list[tuple[int, int]] = []
        async with Database(database_url, advance=lambda *done: told.append(done)):
            pass
        counts = dict(outside.execute("SELECT job_id, count FROM series"))
        assert counts == {id: size for id, size in zip(ids, sizes, strict=True) if size}
        assert told == sorted(set(told))
        assert told[-1] == (sum(sizes), sum(sizes))

    def test_a_bar_shows_how_far_it_is_on_a_terminal(self, database_url: str, outside: Outside) -> None:
        insert_job(outside, [Point(step, {"loss": 0.5}) for step in range(20)])
        out, shown = on_a_terminal("migrate", "--database-url", database_url)
        assert out == "".join(f"applied {name}\n" for name in MIGRATIONS[6:])
        assert "Migrating points" in shown
        assert "20/20" in shown

    async def test_it_is_migrated_whole_or_not_at_all(self, database_url: str, outside: Outside) -> None:
        batch = [Point(step, {"loss": 0.5}) for step in (1, 2, 3)]
        id = insert_job(outside, batch)
        await damaged_store_stays(database_url, outside, 3)
        outside.execute("""UPDATE metric SET "values" = '{"loss":0.5}'""")
        async with opened_domain(database_url) as domain:
            assert domain.database.applied == MIGRATIONS[6:]
            assert len((await domain.jobs.log(id, batch)).metrics) == 0


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
