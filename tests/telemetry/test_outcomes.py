"""How requests are counted: by the name of their operation and by their outcome, and how long they took."""

import asyncio
import contextlib
import json
import socket as sockets
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from graph.app import create_app
from graph.settings import Settings
from models.store.database import Database
from models.token import Scope
from models.tokens import Tokens
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.logged import logged
from tests.tools.outside import Outside
from tests.tools.scraped import scrape, scraped_once
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, websocket_url
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import head

BOTH_WAYS = pytest.mark.parametrize("plans", [True, False], ids=["by a plan", "by Strawberry"])
CREATE = 'mutation Make { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }'


@pytest.mark.sqlite_alone("no store is asked")
@BOTH_WAYS
async def test_requests_are_counted_by_operation_and_outcome(api: Api) -> None:
    async def post(query: str, variables: Any = None) -> None:
        await api.http.post("/graphql", json={"query": query, "variables": variables})

    await post("query Mine { jobs { id } }")
    await post("query Mine { jobs { id } }")
    await post("query unknown { jobs { name } }")
    await post("{ jobs { name } }")
    await post("query Wrong { nobody }")
    await post("query Wrong { jobs(limit: 0) { id } }")
    await post("query Wrong ($id: ID!) { job(id: $id) { id } }")
    await post("mutation Absent { failJob(id: 404) { __typename } }")
    assert (await api.http.post("/graphql", content="{")).status_code == 415
    found = await scrape(api.http)
    assert found.values("requests_total") == {
        ("Mine", "ok"): 2,
        ("unknown", "ok"): 1,  # a name that a client chooses is none of our own
        ("<anonymous>", "ok"): 1,
        ("<unknown>", "refused"): 2,  # an invalid document, and no request
        ("Wrong", "error"): 2,  # valid documents with a wrong argument, and with a variable missing
        ("Absent", "error"): 1,  # an error as data
    }
    assert found.value("request_duration_seconds_count", "Mine") == 2
    assert found.value("request_duration_seconds_sum", "Mine") > 0
    assert found.value("database_duration_seconds_count", "read") >= 2
    assert found.value("resolver_duration_seconds_count") >= 2


@pytest.mark.sqlite_alone("no store is asked")
@BOTH_WAYS
async def test_of_a_long_name_only_the_beginning_is_recorded(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "graph.calls")
    await api.http.post("/graphql", json={"query": f"query {'x' * 40_000} {{ jobs {{ id }} }}"})
    assert (await scrape(api.http)).values("requests_total").keys() == {("x" * 100, "ok")}
    assert [record.__dict__["operation"] for record in caplog.records if "operation" in record.__dict__] == ["x" * 100]


@pytest.mark.sqlite_alone("no store is asked")
@pytest.mark.parametrize(
    ("sent", "code", "outcome"),
    [
        (["no message"], 4400, "refused"),
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}], 4401, "refused"),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer guessed"}}], 4403, "refused"),
        ([], 4408, "refused"),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429, "refused"),
        ([{"type": "ping"}] * 100, 4429, "refused"),
        (["x" * 5_000], 1009, "refused"),
        ([4499], 4499, "ok"),  # the client closes the socket
    ],
)
async def test_a_socket_is_recorded_at_its_end(database_url: str, sent: list[Any], code: int, outcome: str) -> None:
    seconds = 0.1 if code == 4408 else 600
    settings = Settings(
        database_url=database_url, init_seconds=seconds, max_message_bytes=4_000, max_messages_a_second=10
    )
    async with Database(database_url) as database:
        made = await Tokens(database).create("the only one", Scope.READ) if code == 4403 else None
    headers = {"Authorization": f"Bearer {made.secret}"} if made else {}
    app = create_app(settings)
    async with (
        running(app),
        served(app, settings) as address,
        httpx.AsyncClient(base_url=address, headers=headers) as http,
    ):
        with logged() as lines:
            async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
                with contextlib.suppress(ConnectionClosed):
                    for each in sent:
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
        found = (await scrape(http)).values("requests_total")
        assert found == ({("<unknown>", "refused"): 1} if outcome == "refused" else {})


@pytest.mark.sqlite_alone("a lock of SQLite's is held")
@BOTH_WAYS
async def test_times_include_the_wait_for_the_store(settings: Settings, plans: bool) -> None:
    limit = 0.2
    app = create_app(settings.model_copy(update={"operation_seconds": limit}), plans=plans)
    transport = httpx.ASGITransport(app)
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        id = await Api(http).started()
        before = await scrape(http)
        with Outside(settings.database_url) as outside, outside.writing():
            query = f"mutation Step {{ simulateStep(id: {id}) {{ __typename }} }}"
            answer = await http.post("/graphql", json={"query": query})
        assert "TIMED_OUT" in answer.text  # so it has waited for that long
        written = before.value("database_duration_seconds_count", "write") + 1
        found = await scraped_once(
            http, lambda found: found.value("database_duration_seconds_count", "write") == written
        )
    assert found.value("requests_total", "Step", "timeout") == 1
    for name, labels in {
        "database_duration_seconds": ("write",),
        "resolver_duration_seconds": (),
        "request_duration_seconds": ("Step",),
    }.items():
        assert found.value(f"{name}_count", *labels) == before.value(f"{name}_count", *labels) + 1, name
        assert found.value(f"{name}_sum", *labels) - before.value(f"{name}_sum", *labels) > limit / 2, name


@pytest.mark.sqlite_alone("which store it is does not matter")
@BOTH_WAYS
async def test_a_simulation_that_raised_has_failed_and_its_error_names_the_request(
    api: Api, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    id = await api.started()
    outside.execute("ALTER TABLE metric RENAME TO taken_away")
    query = f"mutation Step {{ simulateStep(id: {id}) {{ __typename ... on Error {{ message }} }} }}"
    answer = await api.http.post("/graphql", json={"query": query})
    result = answer.json()["data"]["simulateStep"]
    assert result["__typename"] == "SimulationFailed"
    assert answer.headers["x-request-id"] in result["message"]
    assert (await scrape(api.http)).values("requests_total")["Step", "failed"] == 1


@pytest.mark.sqlite_alone("a lock of SQLite's is held")
async def test_a_client_that_disconnects_before_the_answer_was_cut_off(
    api: Api, address: str, outside: Outside
) -> None:
    await api.created()
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"query": CREATE}).encode()
    request = head(Content_Type="application/json", Content_Length=str(len(body))) + body
    with logged() as lines, sockets.create_connection((host, int(port))) as client:
        client.setblocking(False)
        with outside.writing():
            client.sendall(request)
            client.shutdown(sockets.SHUT_WR)
            async with asyncio.timeout(PATIENCE):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""  # the server has closed it
        await eventually(lambda: bool(lines))
    (line,) = lines
    assert (line["operation"], line["outcome"]) == ("Make", "cut")


@pytest.mark.sqlite_alone("no store is asked")
async def test_pages_are_counted_apart_and_only_those_that_failed(api: Api, outside: Outside) -> None:
    outside.execute("ALTER TABLE job RENAME TO taken_away")
    await api.http.get("/readyz")
    await api.http.get("/nowhere")
    await api.http.get("/")
    found = (await scrape(api.http)).values("requests_total")
    assert found == {("<page>", "failed"): 1, ("<page>", "refused"): 1}
