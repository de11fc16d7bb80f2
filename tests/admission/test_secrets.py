"""What the inside says when it breaks reaches no client by any way, and the log by the request's id."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NoReturn

import httpx
import pytest
from starlette.responses import Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graph import pages
from graph.app import App
from models.store.database import Database
from tests.tools.api import Api
from tests.tools.logged import logged
from tests.tools.sockets import PROTOCOL, opened, websocket_url
from tests.tools.streaming import by_multipart, by_sse_post
from tests.tools.waiting import eventually

pytestmark = pytest.mark.sqlite_alone("what is raised is planted")

SECRET = "postgres://monitor:s3cr3t@10.1.2.3/place"
TOLD = ("s3cr3t", "10.1.2.3", "place", "ValueError", "KeyError", "Traceback", ".py")
POINTS = "query Points { jobs { metrics { seq } } }"
CHANGES = 'subscription Follow { jobChanged(id: "1", current: true) { id metrics { seq } } }'
STREAM = 'subscription Watch { metricAdded(jobId: "1", after: 0) { seq } }'


def bug(*_: object, **__: object) -> NoReturn:
    """What nobody expected, with a secret in all that there is to it."""
    error = ValueError(f"cannot connect to {SECRET}")
    error.add_note(SECRET)
    raise error from KeyError(SECRET)


def break_reads(database: Database, patch: pytest.MonkeyPatch) -> None:
    """Have whatever is read from the store raise it."""
    patch.setattr(database.reader, "rows", bug)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """All that is logged at the usual level."""
    with logged("", logging.WARNING) as lines:
        yield lines


Way = Callable[[Api, str], Awaitable[tuple[str, str]]]
"""(client, address of a server) -> all that the client was told, and the id that it was told."""


async def _answer(response: httpx.Response) -> tuple[str, str]:
    errors = response.json()["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["INTERNAL_SERVER_ERROR"]
    assert errors[0]["extensions"]["requestId"] == response.headers["x-request-id"]
    return response.text + str(response.headers), response.headers["x-request-id"]


async def by_post(api: Api, _: str) -> tuple[str, str]:
    return await _answer(await api.http.post("/graphql", json={"query": POINTS}))


async def by_strawberry(api: Api, _: str) -> tuple[str, str]:
    return await _answer(
        await api.http.post("/graphql", json={"query": POINTS.replace("metrics", "metrics @include(if: true)")})
    )


async def by_get(api: Api, _: str) -> tuple[str, str]:
    return await _answer(await api.http.get("/graphql", params={"query": POINTS}))


async def by_verb(api: Api, _: str) -> tuple[str, str]:
    query = """mutation { createJob(input: {name: "n", modelName: "m", epochs: 1, learningRate: 1}) {
        ... on CreateJobSuccess { job { metrics { seq } } } } }"""
    return await _answer(await api.http.post("/graphql", json={"query": query}))


async def by_socket_query(_: Api, address: str) -> tuple[str, str]:
    return await _on_socket(address, POINTS)


async def by_socket_subscription(_: Api, address: str) -> tuple[str, str]:
    return await _on_socket(address, STREAM)


async def _on_socket(address: str, query: str) -> tuple[str, str]:
    async with opened(websocket_url(address)) as socket:
        message = await socket.message(await socket.subscribe(query))
        payload = message["payload"]
        (error,) = payload if message["type"] == "error" else payload["errors"]
        return json.dumps(message), error["extensions"]["requestId"]


async def by_events(_: Api, address: str) -> tuple[str, str]:
    async with by_sse_post(address, STREAM) as stream:
        _kind, told = await stream.told()
        return json.dumps(told), told["errors"][0]["extensions"]["requestId"]


async def by_parts(_: Api, address: str) -> tuple[str, str]:
    async with by_multipart(address, STREAM) as stream:
        _kind, told = await stream.told()
        return json.dumps(told), told["errors"][0]["extensions"]["requestId"]


@pytest.mark.parametrize(
    "way",
    [by_post, by_strawberry, by_get, by_verb, by_socket_query, by_socket_subscription, by_events, by_parts],
    ids=lambda way: way.__name__,
)
async def test_a_secret_is_told_to_nobody_who_asks_graphql(
    api: Api, app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    await api.started()
    break_reads(database_of(app), monkeypatch)
    told, id = await way(api, address)
    assert [word for word in TOLD if word in told] == []
    logged = [line for line in lines if line["level"] == "error"]
    assert [line["request_id"] for line in logged] == [id]
    assert "s3cr3t" in logged[0]["exception"]


async def test_nor_by_an_event_of_a_stream_that_was_well_when_it_began(
    api: Api, app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await api.created()
    async with opened(websocket_url(address)) as socket, by_sse_post(address, CHANGES) as stream:
        operation = await socket.subscribe(CHANGES)
        await socket.next(operation)
        await stream.data()
        break_reads(database_of(app), monkeypatch)
        assert (await api.start(id))["__typename"] == "StartJobSuccess"
        told = [(await socket.message(operation))["payload"], (await stream.told())[1]]
    assert [word for word in TOLD if word in str(told)] == []
    ids = {each["errors"][0]["extensions"]["requestId"] for each in told}
    assert len(ids) == 2
    assert ids == {line["request_id"] for line in lines if line["level"] == "error"}


@pytest.mark.parametrize(
    ("path", "status"), [("/readyz", 503), ("/metrics", 200), ("/favicon.svg", 500), ("/graphql", 500)]
)
async def test_nor_beside_graphql(
    api: Api,
    app: App,
    address: str,
    lines: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
) -> None:
    """The page's file and the API's view are made to raise: the way of uvicorn's Internal Server Error."""
    break_reads(database_of(app), monkeypatch)
    monkeypatch.setattr(pages, "_accepts_gzip", bug)
    monkeypatch.setattr(app.view, "run", bug)
    async with httpx.AsyncClient(base_url=address) as http:
        answer = await http.get(path)
    assert answer.status_code == status
    assert [word for word in TOLD if word in answer.text + str(answer.headers)] == []
    assert [line["level"] for line in lines] == ["error"], "once"
    if status == 500:
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": lines[0]["request_id"]}
        assert answer.json()["errors"] == [{"message": "Something went wrong on the server.", "extensions": extensions}]
        assert answer.headers["x-request-id"] == lines[0]["request_id"]


async def test_nor_by_a_handshake_that_breaks(
    app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.view, "run", bug)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]):
            pass
    response = refused.value.response
    assert response.status_code == 500
    assert [word for word in TOLD if word in str(response.body) + str(response.headers)] == []
    errors = json.loads(response.body or b"")["errors"]
    broken = [line for line in lines if "exception" in line]
    assert [line["request_id"] for line in broken] == [errors[0]["extensions"]["requestId"]]


async def test_nor_by_a_socket_that_breaks_which_is_closed_as_the_servers_own_failure(
    app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.view._access, "of_socket", bug)
    with logged() as calls:
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
            await connection.send('{"type": "connection_init"}')
            with pytest.raises(ConnectionClosed):
                await connection.recv()
        await eventually(lambda: bool(calls))
    assert (connection.close_code, connection.close_reason) == (1011, "")
    assert [(line["event"], line["close"], line["outcome"]) for line in calls] == [("socket", 1011, "failed")]
    (broken,) = [line for line in lines if "exception" in line]
    assert broken["request_id"] == calls[0]["request_id"]


async def test_an_answer_that_breaks_midway_is_broken_off_and_logged_once(
    app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Response):
        async def __call__(self, _: Any, __: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            bug()

    async def run(_: Any) -> Response:
        return Breaking()

    monkeypatch.setattr(app.view, "run", run)
    async with httpx.AsyncClient(base_url=address) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/graphql")
    assert ["s3cr3t" in line["exception"] and bool(line["request_id"]) for line in lines] == [True]


def database_of(app: App) -> Database:
    return app.services.database
