"""What /metrics exposes, of an app in this process; for several workers see test_workers."""

import asyncio
import json
import re
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

import graph.telemetry
from graph.app import create_app
from graph.metrics import MAX_LABELS, OperationLabels
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.domain import opened_domain, points
from tests.tools.logged import logged
from tests.tools.outside import Outside
from tests.tools.scraped import scrape, scraped_once
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.streaming import by_sse_post

DASHBOARD = json.loads((Path(graph.telemetry.__file__).parent / "grafana.json").read_text())
EXPECTED = {
    "requests_total", "points_received_total", "points_delivered_total", "buffer_overflows_total",
    "feed_gaps_healed_total", "request_duration_seconds", "resolver_duration_seconds", "database_duration_seconds",
    "loop_lag_seconds", "webhooks_total", "sockets", "streams", "watchers", "worker_up", "jobs", "store_up",
    "build_info",
}  # fmt: skip


async def test_points_are_counted_where_they_come_in_and_where_they_go_out(api: Api, address: str) -> None:
    id, simulated = await api.started(), await api.started()
    await api.log(id, [{"step": 1}, {"step": 2}])
    await api.step(simulated)
    query = "subscription Watch ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq } }"
    async with opened(websocket_url(address)) as socket, by_sse_post(address, query, id=id) as stream:
        operation = await socket.subscribe(query, id=id)
        for _ in range(2):
            await socket.next(operation)
            await stream.data()
        found = await scrape(api.http)
        assert found.values("points_received_total") == {("logged",): 2, ("simulated",): 1}
        assert found.value("points_delivered_total") == 4
        assert [found.value(name) for name in ("sockets", "streams", "watchers")] == [1, 1, 2]
        assert found.values("jobs") == {("QUEUED",): 0, ("RUNNING",): 2, ("COMPLETE",): 0, ("FAILED",): 0}
        await api.complete(id)
        assert (await socket.message(operation))["type"] == "complete"
    found = await scraped_once(api.http, lambda found: not found.value("sockets") and not found.value("streams"))
    assert found.value("watchers") == 0
    assert found.value("requests_total", "Watch", "ok") == 2
    assert ("Watch",) not in found.values("request_duration_seconds_count"), "it lasts as long as its client watches"


@pytest.mark.sqlite_alone("the store is not what falls behind")
class TestTheBuffer:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        """No check of the store comes between a commit and its event."""
        return Settings(database_url=database_url, live_check_seconds=3600)

    async def test_overflows_are_counted(self, api: Api, socket: Socket, settings: Settings) -> None:
        id = await api.started()
        operation = await socket.subscribe("subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }", id=id)
        await scraped_once(api.http, lambda found: found.value("watchers") == 1)
        await api.log(id, [{"step": step} for step in range(settings.live_buffer + 1)])  # at once: the first is gone
        await socket.next(operation)
        found = await scrape(api.http)
        assert (found.value("buffer_overflows_total"), found.value("feed_gaps_healed_total")) == (1, 0)
        socket.connection.transport.abort()  # it would wait for a client that reads no more


@pytest.mark.sqlite_alone("the store is not what falls behind")
async def test_gaps_of_the_feed_that_the_store_filled_are_counted(api: Api, socket: Socket, database_url: str) -> None:
    id = await api.started()
    operation = await socket.subscribe("subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }", id=id)
    await scraped_once(api.http, lambda found: found.value("watchers") == 1)
    async with opened_domain(database_url) as elsewhere:  # its feed does not reach this app
        await elsewhere.jobs.log(int(id), points(1, 1))
    await socket.next(operation)
    found = await scrape(api.http)
    assert (found.value("buffer_overflows_total"), found.value("feed_gaps_healed_total")) == (0, 1)


async def test_without_its_store_an_app_exposes_that_and_no_counts_of_jobs(api: Api, outside: Outside) -> None:
    outside.execute("ALTER TABLE job RENAME TO taken_away")
    with logged("graph.metrics") as lines:
        found = await scrape(api.http)
    assert found.value("store_up") == 0
    assert found.values("jobs") == {}
    assert found.values("build_info")
    assert len(lines) == 1


@pytest.mark.sqlite_alone("no store is asked")
async def test_the_dashboard_shows_every_metric_and_no_other(api: Api) -> None:
    await api.created()
    found = await scraped_once(api.http, lambda found: found.value("loop_lag_seconds_count") > 0)
    labels = {name: {label for sample in found.samples if sample.name == name for label in sample.labels}
              for name in found.names}  # fmt: skip
    shown: set[str] = set()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            names = set(re.findall(r"\b(?:training_monitor|process)_\w+", target["expr"]))
            assert names <= found.names, target["expr"]
            shown |= names
            known = {"job", "instance"} | {label for name in names for label in labels[name]}
            by = {label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(", ")}
            chosen = set(re.findall(r"(\w+)=", target["expr"]))
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert by | chosen | legend <= known, target["expr"]
    ours = {name for name in found.names if name.startswith("training_monitor_")}
    assert families_of(ours) == families_of(name for name in shown if name.startswith("training_monitor_"))
    assert families_of(ours) == {f"training_monitor_{name}" for name in EXPECTED}


@pytest.mark.sqlite_alone("no store is asked")
async def test_a_blocked_event_loop_is_late(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await scraped_once(api.http, lambda found: found.value("loop_lag_seconds_count") > 0)
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 60)  # as if it had been blocked for a minute
    await scraped_once(api.http, lambda found: found.value("loop_lag_seconds_sum") > 50)


@pytest.mark.sqlite_alone("no store is asked")
async def test_two_apps_of_a_process_count_for_themselves(api: Api, settings: Settings) -> None:
    await api.post("query First { __typename }")
    other = create_app(settings)
    transport = httpx.ASGITransport(other)
    async with running(other), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        await http.post("/graphql", json={"query": "query Second { __typename }"})
        assert (await scrape(http)).values("requests_total") == {("Second", "ok"): 1}
    assert (await scrape(api.http)).values("requests_total") == {("First", "ok"): 1}


class TestOperationLabels:
    """Clients choose the names of operations, and each label costs memory here and in Prometheus."""

    def test_labels_are_bounded(self) -> None:
        labels = OperationLabels()
        found = {labels.label(f"Query{number % 110}") for number in range(110_000)}
        assert len(found) == MAX_LABELS + 1
        assert "<other>" in found

    def test_names_that_a_client_invents_keep_no_other_from_its_own(self) -> None:
        labels = OperationLabels()
        assert labels.label("Mine") == "Mine"
        for number in range(10_000):
            labels.label(f"Junk{number}")
        assert labels.label("Mine") == "Mine"
        assert "Honest" in {labels.label("Honest") for _ in range(16)}


def families_of(names: Iterable[str]) -> set[str]:
    """The metrics that samples belong to."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
