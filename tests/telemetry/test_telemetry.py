"""What /metrics tells, of an app in this process; of several workers it is told in test_workers."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import graph.telemetry
from graph.app import App, create_app
from graph.metrics.shared import GONE_SECONDS, Worker
from graph.settings import Settings
from graph.telemetry.call import Call
from graph.telemetry.counts import MAX_OPERATIONS, Counts
from graph.telemetry.definitions import COUNTERS, GAUGES, HISTOGRAMS, PREFIX, STATE
from models.store.database import Database
from models.token import Scope
from models.tokens import Tokens
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.domain import PATIENCE, eventually, opened_domain, points
from tests.tools.logged import logged
from tests.tools.outside import Outside
from tests.tools.scraped import Scrape, scrape
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, Socket, opened, websocket_url
from tests.tools.streaming import by_sse_post

DASHBOARD = json.loads((Path(graph.telemetry.__file__).parent / "grafana.json").read_text())
UNPLANNED = {"accept": "application/json", "content-type": "application/json; charset=utf8"}
"""What has a request go Strawberry's way."""


@pytest.mark.sqlite_alone("no store is asked")
@pytest.mark.parametrize("headers", [{}, UNPLANNED], ids=["by a plan", "by Strawberry"])
async def test_requests_are_told_apart_by_the_operation_and_what_came_of_it(api: Api, headers: dict[str, str]) -> None:
    async def ask(query: str, variables: Any = None) -> None:
        await api.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    await ask("query Mine { jobs { id } }")
    await ask("query Mine { jobs { id } }")
    await ask("{ jobs { name } }")
    await ask("query Wrong { nobody }")
    await ask("query Wrong { jobs(limit: 0) { id } }")
    await ask("query Wrong ($id: ID!) { job(id: $id) { id } }")
    assert (await api.http.post("/graphql", content="{")).status_code == 415
    told = await scrape(api.http)
    assert told.values("requests_total") == {
        ("Mine", "ok"): 2,
        ("<anonymous>", "ok"): 1,
        ("<unknown>", "refused"): 2,  # its document, and no request
        ("Wrong", "error"): 2,  # a valid one with a wrong argument, and with a variable too few
    }
    assert told.value("request_duration_seconds_count", "Mine") == 2
    assert 0 < told.value("request_duration_seconds_sum", "Mine") < 10
    assert told.value("database_duration_seconds_count", "read") >= 2
    assert told.value("resolver_duration_seconds_count") >= 2


@pytest.mark.sqlite_alone("no store is asked")
def test_names_of_operations_are_bounded_and_only_those_of_valid_documents_are_told() -> None:
    counts = Counts()
    for number in range(3 * MAX_OPERATIONS):
        for is_valid in (True, False):
            call = Call(None, lambda _: None)
            if is_valid:
                call.know(f"Query{number}", "query")
            counts.call(call)
    names = {name for name, _ in counts.calls}
    assert len(names) == MAX_OPERATIONS + 2
    assert {"Query0", f"Query{MAX_OPERATIONS - 1}", "<other>", "<unknown>"} <= names
    assert set(counts.durations) == names - {"<unknown>"}


@pytest.mark.sqlite_alone("no store is asked")
@pytest.mark.parametrize("headers", [{}, UNPLANNED], ids=["by a plan", "by Strawberry"])
async def test_of_a_long_name_only_its_beginning_is_told(
    api: Api, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    caplog.set_level("INFO", "graph.calls")
    await api.http.post("/graphql", json={"query": f"query {'x' * 40_000} {{ jobs {{ id }} }}"}, headers=headers)
    told = await scrape(api.http)
    assert told.values("requests_total").keys() == {("x" * 100, "ok")}
    assert told.values("request_duration_seconds_count").keys() == {("x" * 100,)}
    assert [record.__dict__["operation"] for record in caplog.records if "operation" in record.__dict__] == ["x" * 100]


@pytest.mark.sqlite_alone("no store is asked")
async def test_no_name_that_a_client_chooses_is_taken_for_what_stands_for_many(api: Api) -> None:
    for name in ("unknown", "other", "anonymous"):
        await api.post(f"query {name} {{ jobs {{ id }} }}")
    await api.post("{ jobs { id } }")
    await api.post("{ nobody }")
    told = await scrape(api.http)
    assert told.values("requests_total") == {
        ("unknown", "ok"): 1, ("other", "ok"): 1, ("anonymous", "ok"): 1,
        ("<anonymous>", "ok"): 1, ("<unknown>", "refused"): 1,
    }  # fmt: skip


@pytest.mark.sqlite_alone("no store is asked")
async def test_workers_together_tell_apart_no_more_operations_than_one_however_often_they_die(
    settings: Settings, tmp_path: Path
) -> None:
    lives = 4
    for life in range(lives):
        async with worker_of(settings, 1 + life % 2, tmp_path) as api:
            for number in range(MAX_OPERATIONS):
                await api.post(f"query Life{life}Name{number} {{ __typename }}")
            told = await scrape(api.http)
    counted = told.values("requests_total")
    assert len(counted) == MAX_OPERATIONS + 1
    assert sum(counted.values()) == lives * MAX_OPERATIONS, "and none is lost"
    assert counted["Life0Name0", "ok"] == 1
    assert counted["<other>", "ok"] == (lives - 1) * MAX_OPERATIONS


@pytest.mark.sqlite_alone("no store is asked")
async def test_a_folder_that_is_gone_is_made_again_and_without_one_a_worker_tells_what_it_knows(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder := tmp_path / "shared").mkdir()
    async with worker_of(settings, 1, folder) as api, worker_of(settings, 2, folder) as other:
        await other.post("query Other { __typename }")
        shutil.rmtree(folder)
        assert (await scrape(api.http)).values("build_info")
        await scrape(other.http)
        assert (await scrape(api.http)).value("requests_total", "Other", "ok") == 1
        shutil.rmtree(folder)
        folder.touch()  # where nothing can be left
        caplog.clear()
        for _ in range(3):
            assert (await scrape(other.http)).value("requests_total", "Other", "ok") == 1
        assert len([record for record in caplog.records if record.name == "graph.metrics.shared"]) <= 2
        folder.unlink()


@pytest.mark.sqlite_alone("no store is asked")
async def test_of_a_worker_that_is_gone_only_what_it_had_counted_is_told(settings: Settings, tmp_path: Path) -> None:
    async with worker_of(settings, 2, tmp_path) as gone:
        await gone.post("query Gone { __typename }")
        await scrape(gone.http)
    left = tmp_path / "2.json"
    left.write_bytes(left.read_bytes().replace(b'"watchers":[[[],[0]]]', b'"watchers":[[[],[7]]]'))
    async with worker_of(settings, 1, tmp_path) as api:
        told = await scrape(api.http)
        assert (told.value("watchers"), told.value("requests_total", "Gone", "ok")) == (7, 1)
        assert workers_in(told) == {"1", "2"}
        some_time_ago = time.time() - GONE_SECONDS - 1
        os.utime(left, (some_time_ago, some_time_ago))
        told = await scrape(api.http)
        assert (told.value("watchers"), told.value("requests_total", "Gone", "ok")) == (0, 1)
        assert workers_in(told) == {"1"}


@pytest.mark.sqlite_alone("no store is asked")
@pytest.mark.parametrize(
    ("said", "code", "outcome"),
    [
        (["no message"], 4400, "refused"),
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}], 4401, "refused"),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer guessed"}}], 4403, "refused"),
        ([], 4408, "refused"),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429, "refused"),
        ([{"type": "ping"}] * 100, 4429, "refused"),
        (["x" * 5_000], 1009, "refused"),
        ([4499], 4499, "ok"),  # it closes the socket itself
    ],
)
async def test_a_socket_tells_of_its_end(database_url: str, said: list[Any], code: int, outcome: str) -> None:
    settings = Settings(database_url=database_url, init_seconds=0.3, max_message_bytes=4_000, max_messages_a_second=10)
    async with Database(database_url) as database:
        made = await Tokens(database).create("the only one", Scope.READ) if code == 4403 else None
    headers = {"Authorization": f"Bearer {made.secret}"} if made else {}
    app = create_app(settings)
    async with (
        running(app),
        served(app, settings) as address,
        httpx.AsyncClient(base_url=address, headers=headers) as http,
    ):
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
            with logged() as lines:
                with contextlib.suppress(ConnectionClosed):
                    for each in said:
                        if isinstance(each, int):
                            await connection.close(each)
                        else:
                            await connection.send(each if isinstance(each, str) else json.dumps(each))
                async with asyncio.timeout(PATIENCE):
                    await connection.wait_closed()
                    await eventually(lambda: bool(lines))
        assert connection.close_code == code
        (line,) = lines
        assert [line[each] for each in ("event", "path", "close", "outcome")] == ["socket", "/graphql", code, outcome]
        told = (await scrape(http)).values("requests_total")
        assert told == ({("<unknown>", "refused"): 1} if outcome == "refused" else {})


async def test_points_are_counted_where_they_come_in_and_where_they_go_out(api: Api, address: str) -> None:
    id = await api.started()
    await api.log(id, [{"step": 1}, {"step": 2}])
    await api.step(id)
    query = "subscription Watch ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq } }"
    async with opened(websocket_url(address)) as socket, by_sse_post(address, query, id=id) as stream:
        operation = await socket.subscribe(query, id=id)
        for _ in range(3):
            await socket.next(operation)
            await stream.data()
        told = await scrape(api.http)
        assert told.values("points_received_total") == {("logged",): 2, ("simulated",): 1}
        assert told.value("points_delivered_total") == 6
        assert [told.value(name) for name in ("sockets", "streams", "watchers")] == [1, 1, 2]
        assert told.values("jobs") == {("QUEUED",): 0, ("RUNNING",): 1, ("COMPLETE",): 0, ("FAILED",): 0}
        await api.complete(id)
        assert (await socket.message(operation))["type"] == "complete"
    told = await scraped_once(api, lambda told: not told.value("sockets") and not told.value("streams"))
    assert told.value("watchers") == 0
    assert told.value("requests_total", "Watch", "ok") == 2
    assert ("Watch",) not in told.values("request_duration_seconds_count"), "it lasts for as long as somebody watches"


@pytest.mark.sqlite_alone("the store is not what falls behind")
async def test_who_falls_behind_the_buffer_and_what_the_feed_lost_are_counted(
    api: Api, app: App, socket: Socket, settings: Settings, database_url: str
) -> None:
    id = await api.started()
    operation = await socket.subscribe("subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }", id=id)
    await eventually(lambda: app.view._streams.watchers == 1)
    await api.log(id, [{"step": step} for step in range(1, settings.live_buffer + 2)])  # at once: the first is gone
    await socket.next(operation)
    counts = app.view._streams.counts
    assert (counts.overflows, counts.gaps) == (1, 0)
    for _ in range(settings.live_buffer):
        await socket.next(operation)
    async with opened_domain(database_url) as elsewhere:  # its feed is one that nobody here hears
        await elsewhere.jobs.log(int(id), points(settings.live_buffer + 2, 1))
    await socket.next(operation)
    assert (counts.overflows, counts.gaps) == (1, 1)
    told = await scrape(api.http)
    assert (told.value("buffer_overflows_total"), told.value("feed_gaps_healed_total")) == (1, 1)


async def test_a_store_that_is_gone_is_told_of_and_its_jobs_are_not(api: Api, outside: Outside) -> None:
    outside.execute("ALTER TABLE job RENAME TO taken_away")
    told = await scrape(api.http)
    assert told.value("store_up") == 0
    assert told.values("jobs") == {}
    assert told.values("build_info")


@pytest.mark.sqlite_alone("no store is asked")
async def test_jobs_are_counted_once_however_often_the_server_is_asked(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "tortoise.db_client")
    await asyncio.gather(*(scrape(api.http) for _ in range(20)))
    assert len([record for record in caplog.records if "GROUP BY" in record.getMessage()]) == 1


@pytest.mark.sqlite_alone("no store is asked")
async def test_the_dashboard_shows_what_is_told_and_all_of_it(api: Api) -> None:
    await api.created()
    told = await scraped_once(api, lambda told: told.value("loop_lag_seconds_count") > 0)
    labels = {name: {label for sample in told.samples if sample.name == name for label in sample.labels}
              for name in told.names}  # fmt: skip
    shown: set[str] = set()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            names = set(re.findall(r"\b(?:training_monitor|process)_\w+", target["expr"]))
            assert names <= told.names, target["expr"]
            shown |= names
            known = {"job", "instance"} | {label for name in names for label in labels[name]}
            by = {label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(", ")}
            chosen = set(re.findall(r"(\w+)=", target["expr"]))
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert by | chosen | legend <= known, target["expr"]
    ours = {name for name in told.names if name.startswith(PREFIX)}
    assert family_of(ours) == family_of(name for name in shown if name.startswith(PREFIX))
    expected = {*COUNTERS, *HISTOGRAMS, *GAUGES, *STATE, "build_info"}
    assert family_of(ours) == {PREFIX + name for name in expected}


async def test_what_is_told_may_not_be_remembered(api: Api) -> None:
    answer = await api.http.get("/metrics")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/plain; version=")


@contextlib.asynccontextmanager
async def worker_of(settings: Settings, number: int, folder: Path) -> AsyncIterator[Api]:
    """A client of an app of this process that is one of several."""
    app = create_app(settings, worker=Worker(number, folder))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield Api(http)


def workers_in(told: Scrape) -> set[str]:
    """Those whose memory is told."""
    return {sample.labels["worker"] for sample in told.samples if sample.name == "process_resident_memory_bytes"}


async def scraped_once(api: Api, holds: Callable[[Scrape], bool]) -> Scrape:
    """The first scrape of which that holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not holds(told := await scrape(api.http)):  # noqa: ASYNC110  # a scrape has no event to wait for
            await asyncio.sleep(0.02)
    return told


def family_of(names: Any) -> set[str]:
    """The metrics that samples belong to."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


HELD = 0.3
"""Seconds for which tests hold something up."""
NOTED = 0.25
"""Of which at least so many must be told."""
CREATE = 'mutation Make { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }'


class TestTimes:
    """What is told of times is how long it took: half a number would look as well on a dashboard."""

    @pytest.mark.sqlite_alone("a lock of SQLite's is held")
    @pytest.mark.parametrize("headers", [{}, UNPLANNED], ids=["by a plan", "by Strawberry"])
    async def test_who_waits_for_the_store_is_seen_to(
        self, api: Api, outside: Outside, headers: dict[str, str]
    ) -> None:
        id = await api.started()
        before = await scrape(api.http)
        with outside.writing():
            query = f"mutation Step {{ simulateStep(id: {id}) {{ __typename }} }}"
            waiting = asyncio.create_task(api.http.post("/graphql", json={"query": query}, headers=headers))
            done, _ = await asyncio.wait([waiting], timeout=HELD)
            assert not done
        assert (await waiting).status_code == 200
        told = await scrape(api.http)
        for name, labels in {
            "database_duration_seconds": ("write",),
            "resolver_duration_seconds": (),
            "request_duration_seconds": ("Step",),
        }.items():
            assert told.value(f"{name}_count", *labels) == before.value(f"{name}_count", *labels) + 1, name
            assert told.value(f"{name}_sum", *labels) - before.value(f"{name}_sum", *labels) >= NOTED, name

    @pytest.mark.sqlite_alone("a lock of SQLite's is held")
    @pytest.mark.parametrize("headers", [{}, UNPLANNED], ids=["by a plan", "by Strawberry"])
    async def test_what_took_too_long_is_among_what_took_long(
        self, settings: Settings, headers: dict[str, str]
    ) -> None:
        app = create_app(settings.model_copy(update={"operation_seconds": HELD}))
        transport = httpx.ASGITransport(app)
        async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            id = await Api(http).started()
            before = await scrape(http)
            with Outside(settings.database_url) as outside, outside.writing():
                query = f"mutation Step {{ simulateStep(id: {id}) {{ __typename }} }}"
                answer = await http.post("/graphql", json={"query": query}, headers=headers)
            assert "TIMED_OUT" in answer.text
            told = await scrape(http)
        name = "resolver_duration_seconds"
        assert told.value("requests_total", "Step", "timeout") == 1
        assert told.value(f"{name}_sum") - before.value(f"{name}_sum") >= NOTED

    @pytest.mark.sqlite_alone("no store is asked")
    async def test_a_loop_that_is_held_up_is_late(self, api: Api) -> None:
        await scraped_once(api, lambda told: told.value("loop_lag_seconds_count") > 0)
        before = (await scrape(api.http)).value("loop_lag_seconds_count")
        for _ in range(4):  # it is looked at twice a second
            time.sleep(HELD)  # noqa: ASYNC251  # which holds it up
            await asyncio.sleep(0)
        told = await scraped_once(api, lambda told: told.value("loop_lag_seconds_count") > before)
        assert told.value("loop_lag_seconds_sum") > 0.1


class TestOutcomes:
    @pytest.mark.sqlite_alone("which store it is does not matter")
    @pytest.mark.parametrize("headers", [{}, UNPLANNED], ids=["by a plan", "by Strawberry"])
    async def test_a_simulation_that_broke_has_failed_and_tells_where_the_log_has_it(
        self, api: Api, outside: Outside, headers: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        id = await api.started()
        outside.execute("ALTER TABLE metric RENAME TO taken_away")
        query = f"mutation Step {{ simulateStep(id: {id}) {{ __typename ... on Error {{ message }} }} }}"
        answer = await api.http.post("/graphql", json={"query": query}, headers=headers)
        result = answer.json()["data"]["simulateStep"]
        assert result["__typename"] == "SimulationFailed"
        assert answer.headers["x-request-id"] in result["message"]
        assert (await scrape(api.http)).values("requests_total")["Step", "failed"] == 1

    @pytest.mark.sqlite_alone("which store it is does not matter")
    async def test_what_a_client_can_do_something_about_is_an_error_also_as_data(self, api: Api) -> None:
        id = await api.started()
        await api.post(f"mutation Again {{ startJob(id: {id}) {{ __typename }} }}")
        await api.post("mutation Nobody { failJob(id: 404) { __typename } }")
        await api.post("mutation Ok { failJob(id: 1) { __typename } }")
        told = (await scrape(api.http)).values("requests_total")
        assert {key: told[key] for key in told if key[0] in {"Again", "Nobody", "Ok"}} == {
            ("Again", "error"): 1, ("Nobody", "error"): 1, ("Ok", "ok"): 1,
        }  # fmt: skip

    @pytest.mark.sqlite_alone("a lock of SQLite's is held")
    async def test_who_hung_up_before_the_answer_was_cut_off(self, api: Api, address: str, outside: Outside) -> None:
        await api.created()
        with logged() as lines:
            with outside.writing(), pytest.raises(httpx.ReadTimeout):
                async with httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(PATIENCE, read=HELD)) as http:
                    await http.post("/graphql", json={"query": CREATE})
            await eventually(lambda: bool(lines))
        (line,) = lines
        assert (line["operation"], line["outcome"]) == ("Make", "cut")

    @pytest.mark.sqlite_alone("no store is asked")
    async def test_what_stands_beside_the_api_is_told_apart_from_it(self, api: Api, outside: Outside) -> None:
        outside.execute("ALTER TABLE job RENAME TO taken_away")
        await api.http.get("/readyz")
        await api.http.get("/nowhere")
        await api.http.get("/")
        told = (await scrape(api.http)).values("requests_total")
        assert told == {("<page>", "failed"): 1, ("<page>", "refused"): 1}
