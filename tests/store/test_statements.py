"""What the store is asked for: counted, and held against its indexes."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from graph.app import App
from graph.context import Context
from models.job_reads import get_job
from simulator.runner import make_points
from tests.tools.api import Api
from tests.tools.domain import is_upkeep
from tests.tools.outside import path_of

pytestmark = pytest.mark.sqlite_alone(
    "it says what a statement costs; PostgreSQL's plans change with the size of its tables"
)

TORTOISE = "tortoise.db_client"
"""The logger of every statement."""
SELECTIONS = {
    "metrics": ("metrics(limit: 5) { seq loss values { name value } }", [1, 2, 3, 4, 5]),
    "latestMetrics": ("latestMetrics(count: 3) { seq loss values { name value } }", [4, 5, 6]),
}
"""Of a job with six points: a selection, and the seqs that it returns."""
Statement = tuple[str, Sequence[Any]]


class Statements(logging.Handler):
    """The statements that were run since they were last taken."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._seen: list[Statement] = []

    def emit(self, record: logging.LogRecord) -> None:
        sql, values = record.args  # type: ignore[misc]  # Tortoise gives two
        if not is_upkeep(str(sql)):
            self._seen.append((str(sql), values or ()))  # type: ignore[arg-type]  # a log record's arguments

    def taken(self) -> list[Statement]:
        """Each with its values; from here on they are counted anew."""
        taken, self._seen = self._seen, []
        return taken


@pytest.fixture
def statements(api: Api) -> Iterator[Statements]:
    """What the app asks of its store, once it has started."""
    statements, logger = Statements(), logging.getLogger(TORTOISE)
    level = logger.level
    logger.addHandler(statements)
    logger.setLevel(logging.DEBUG)
    yield statements
    logger.removeHandler(statements)
    logger.setLevel(level)


@pytest.fixture
def store(api: Api, database_url: str) -> Iterator[sqlite3.Connection]:
    """A connection of our own to the app's store."""
    connection = sqlite3.connect(path_of(database_url))
    yield connection
    connection.close()


async def test_a_job_without_its_points_is_one_statement_that_reads_no_point(api: Api, statements: Statements) -> None:
    id = await api.started()
    await api.log(id, [{"step": step, "loss": 1} for step in range(1, 50)])
    for fields in ("name", "id status progress metricCount totalSteps updatedAt failureReason"):
        statements.taken()
        await api.job(id, fields)
        ((sql, _),) = statements.taken()
        assert '"metric"' not in sql


@pytest.mark.parametrize("names", [["metrics"], ["latestMetrics"], ["metrics", "latestMetrics"]], ids="+".join)
async def test_the_points_of_the_largest_page_of_jobs_take_as_many_statements_as_those_of_one(
    api: Api, statements: Statements, store: sqlite3.Connection, names: list[str]
) -> None:
    """One for the jobs and one for each kind of points: neither SQLite nor Python finds the statement too deep."""
    await furnish(api, store, jobs=500, points=6)
    selection = " ".join(SELECTIONS[name][0] for name in names)
    counts = {}
    for limit in (1, 10, 500):
        statements.taken()
        jobs = (await api.data(f"{{ jobs(limit: {limit}) {{ {selection} }} }}"))["jobs"]
        counts[limit] = len(statements.taken())
        seqs = [{name: [point["seq"] for point in points] for name, points in job.items()} for job in jobs]
        assert seqs == [{name: SELECTIONS[name][1] for name in names}] * limit
    assert counts == dict.fromkeys((1, 10, 500), 1 + len(names))


@pytest.mark.parametrize("filters", ["", ", status: [RUNNING]", ", status: [QUEUED, RUNNING]", ', search: "run"'])
async def test_a_page_of_jobs_costs_no_more_where_it_is_deep(
    api: Api, statements: Statements, store: sqlite3.Connection, filters: str
) -> None:
    await furnish(api, store, jobs=2_000)
    costs = []
    for after in (2_000, 1_000, 51):
        statements.taken()
        assert len((await api.data(f"{{ jobs(limit: 50, after: {after}{filters}) {{ id }} }}"))["jobs"]) == 50
        costs.append(sum(cost_of(store, *statement) for statement in statements.taken()))
    assert max(costs) < 1.1 * costs[0], costs


async def test_points_are_found_by_their_seq_however_many_come_before(
    api: Api, statements: Statements, store: sqlite3.Connection
) -> None:
    id = await api.started()
    await api.log(id, [{"step": step} for step in range(1, 2_001)])
    costs = []
    for selection in ("metrics(after: 10, limit: 20)", "metrics(after: 1980, limit: 20)", "latestMetrics(count: 20)"):
        statements.taken()
        job = await api.job(id, f"points: {selection} {{ seq }}")
        assert len(job["points"]) == 20
        statement = statements.taken()[-1]
        sql, values = statement
        ((*_, plan),) = store.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        assert re.fullmatch(r"SEARCH metric USING (COVERING )?INDEX \S+ \(job_id=\? AND seq>\? AND seq<\?\)", plan)
        costs.append(cost_of(store, *statement))
    assert max(costs) < 1.1 * min(costs), costs


async def test_a_step_takes_as_many_statements_late_in_a_run_as_early(
    app: App, api: Api, statements: Statements
) -> None:
    id = await api.started(stepsPerEpoch=5_000)
    counts = []
    for done in (1, 998, 999):
        await app.services.jobs.simulate(int(id), make_points, done)
        statements.taken()
        assert (await api.step(id))["__typename"] == "SimulateStepSuccess"
        counts.append(len(statements.taken()))
    assert len(set(counts)) == 1, counts


async def furnish(api: Api, store: sqlite3.Connection, jobs: int, points: int = 0) -> None:
    """Running jobs with the ids from 1, a second apart: one by the API, copied behind its back to save time."""
    id = await api.started()
    if points:
        await api.log(id, [{"step": step, "loss": 1} for step in range(1, points + 1)])
    (job,), metrics = rows_of(store, "job"), rows_of(store, "metric")
    created = datetime.fromisoformat(job["created_at"])
    others = range(2, jobs + 1)
    with store:
        insert(store, "job", [{**job, "id": n, "created_at": str(created + timedelta(seconds=n))} for n in others])
        insert(store, "metric", [{**metric, "id": None, "job_id": n} for n in others for metric in metrics])


def rows_of(store: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    cursor = store.execute(f"SELECT * FROM {table}")
    return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]


def insert(store: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        columns = ", ".join(f'"{column}"' for column in rows[0])
        places = ", ".join(f":{column}" for column in rows[0])
        store.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


def cost_of(store: sqlite3.Connection, sql: str, values: Sequence[Any]) -> int:
    """Instructions that SQLite's machine takes for a statement."""
    instructions = 0

    def count() -> int:
        nonlocal instructions
        instructions += 1
        return 0

    store.set_progress_handler(count, 1)
    store.execute(sql, values).fetchall()
    store.set_progress_handler(None, 1)
    return instructions


async def test_one_job_read_at_two_moments_is_given_the_latest_points_of_each(app: App, api: Api) -> None:
    """As operations on one socket may read it: they share a batch of reads."""
    id = await api.started()
    await api.step(id)
    reader = app.services.database.reader
    before = await get_job(reader, int(id))
    await api.step(id)
    after = await get_job(reader, int(id))
    context = Context(app.services, None)
    points = await asyncio.gather(*(context.latest_metrics(job, 1) for job in (before, after)))
    assert [[point.seq for point in of_job] for of_job in points] == [[1], [2]]
