"""/healthz and /readyz, asked over HTTP; what they say while parts are gone is among test_faults."""

import asyncio
from pathlib import Path

import httpx
import pytest

from graph.app import create_app
from graph.health import PROBE_SECONDS
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.domain import a_point, opened_domain
from tests.tools.outside import Outside, path_of
from tests.tools.postgres import Postgres
from tests.tools.stores import damage_table, room_for
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE, eventually

MANY = int(2 * PATIENCE / PROBE_SECONDS)
"""Requests that would not all be answered in time if each of them waited for a probe of its own."""
BLOCKED = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""


@pytest.mark.parametrize(
    ("path", "said"), [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ok", "store": "ok", "feed": "ok"})]
)
async def test_one_that_is_well_says_so_and_nobody_may_remember_it(api: Api, path: str, said: object) -> None:
    answer = await api.http.get(path)
    assert (answer.status_code, answer.json()) == (200, said)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_store_without_its_tables_is_told_of_and_what_is_wrong_is_not(api: Api, outside: Outside) -> None:
    outside.execute("ALTER TABLE job RENAME TO taken_away")
    answer = await api.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "store": "unavailable", "feed": "ok"}
    assert (await api.http.get("/healthz")).status_code == 200
    outside.execute("ALTER TABLE taken_away RENAME TO job")
    assert (await api.http.get("/readyz")).status_code == 200


@pytest.mark.sqlite_alone("its file is taken away")
async def test_a_store_that_is_not_the_one_that_was_opened_is_none(api: Api, database_url: str) -> None:
    """What is written to a file that is gone is acknowledged, and lost with the process."""
    file = Path(path_of(database_url))
    elsewhere = await asyncio.to_thread(file.rename, file.with_suffix(".taken"))
    assert (await api.http.get("/readyz")).status_code == 503
    await asyncio.to_thread(file.touch)
    assert (await api.http.get("/readyz")).status_code == 503
    await asyncio.to_thread(elsewhere.rename, file)
    assert (await api.http.get("/readyz")).status_code == 200


@pytest.mark.sqlite_alone("its disk is its own")
async def test_a_store_that_cannot_be_written_is_unavailable(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Though what is in it can be read."""
    async with asyncio.timeout(PATIENCE):
        with room_for(0):
            while (await api.http.get("/readyz")).status_code != 503:
                pass  # a write that succeeded counts for a second
            assert (await api.http.get("/readyz")).json()["store"] == "unavailable"
            assert await api.data("{ jobs { id } }") == {"jobs": []}
        while (await api.http.get("/readyz")).status_code != 200:
            pass
    assert {record.exc_info for record in caplog.records} == {None}, "one line each"
    assert any(message.startswith("not ready: the store") for message in caplog.messages)


@pytest.mark.sqlite_alone("its file is damaged")
@pytest.mark.parametrize(
    "operation",
    [
        '{ job(id: "1") { metrics { loss } } }',
        '{ job(id: "1") { metrics @include(if: true) { loss } } }',
        'mutation { logMetrics(id: "1", metrics: [{step: 7, loss: 1}]) { __typename } }',
    ],
    ids=["read", "read by Strawberry", "write"],
)
async def test_a_store_is_unavailable_once_an_operation_has_met_damage(
    sqlite_url: str, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Though other pages of it can be read and written."""
    async with opened_domain(sqlite_url) as domain:
        job = await domain.job()
        await domain.jobs.log(job.id, [a_point(step) for step in range(3)])
    damage_table(Path(path_of(sqlite_url)), "metric")
    app = create_app(Settings(database_url=sqlite_url))
    transport = httpx.ASGITransport(app)
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/readyz")).status_code == 200
        (error,) = (await Api(http).post(operation))["errors"]
        assert (error["message"], error["extensions"]["code"]) == ("The store is damaged.", "SERVICE_UNAVAILABLE")
        assert [record.exc_info for record in caplog.records] == [None], "one line, and no traceback"
        assert caplog.messages == ["the store is damaged: database disk image is malformed"]
        for _ in range(2):
            answer = await http.get("/readyz")
            assert (answer.status_code, answer.json()["store"]) == (503, "unavailable")
    assert {record.exc_info for record in caplog.records} == {None}


async def test_a_store_that_is_read_only_is_unavailable(
    postgres: Postgres, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(database_url=postgres_url))
    transport = httpx.ASGITransport(app)
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    with Outside(postgres_url) as outside:
        outside.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                answer = await http.get("/readyz")
        finally:
            outside.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert (answer.status_code, answer.json()["store"]) == (503, "unavailable")
    assert [message for message in caplog.messages if "read-only" in message]
    assert {record.exc_info for record in caplog.records} == {None}, "one line each"


async def test_a_part_that_does_not_answer_is_waited_for_once_however_many_ask(sqlite_url: str) -> None:
    with Valkey() as valkey:
        app = create_app(Settings(database_url=sqlite_url, feed_url=valkey.url, feed_seconds=3_600))
        transport = httpx.ASGITransport(app)
        async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.get("/readyz")).status_code == 200
            valkey.freeze()
            async with asyncio.timeout(PATIENCE):
                answers = await asyncio.gather(*(http.get("/readyz") for _ in range(MANY)))
            assert {(answer.status_code, answer.json()["feed"]) for answer in answers} == {(503, "unavailable")}
            valkey.thaw()


async def test_a_pool_that_is_used_up_is_no_store(postgres: Postgres, postgres_url: str) -> None:
    """All of its connections wait for a lock that another client holds."""
    app = create_app(Settings(database_url=postgres_url, database_connections=2, database_seconds=3_600))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=PATIENCE)
    async with running(app), client as http:
        api = Api(http)
        id = await api.started()
        with Outside(postgres_url) as looking, Outside(postgres_url) as outside, outside.writing():
            waiting = [
                asyncio.create_task(api.post(f'mutation {{ failJob(id: "{id}") {{ __typename }} }}')) for _ in "ab"
            ]
            await eventually(lambda: looking.execute(BLOCKED) == [(2,)])
            assert (await http.get("/readyz")).json()["store"] == "unavailable"
        answers = [answer["data"]["failJob"]["__typename"] for answer in await asyncio.gather(*waiting)]
        assert sorted(answers) == ["FailJobSuccess", "IllegalTransition"]
        assert (await http.get("/readyz")).status_code == 200
