"""The text of an unexpected exception reaches no client, and the log under the request's id."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn

import httpx
import pytest
from starlette.responses import Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graph import pages
from graph.app import App
from tests.tools.api import Api
from tests.tools.logged import logged
from tests.tools.sockets import PROTOCOL, opened, websocket_url
from tests.tools.streaming import by_multipart, by_sse_post
from tests.tools.waiting import eventually

pytestmark = pytest.mark.sqlite_alone("what is raised is planted")

SECRET = "postgres://monitor:s3cr3t@10.1.2.3/place"
INSIDE = ("s3cr3t", "10.1.2.3", "place", "ValueError", "KeyError", "Traceback", ".py")
POINTS = "query Points { jobs { metrics { seq } } }"
CHANGES = 'subscription Follow { jobChanged(id: "1", current: true) { id metrics { seq } } }'
CREATE = """mutation { createJob(input: {name: "n", modelName: "m", epochs: 1, learningRate: 1}) {
    ... on CreateJobSuccess { job { metrics { seq } } } } }"""
STREAM = 'subscription Watch { metricAdded(jobId: "1", after: 0) { seq } }'


def bug(*_: object, **__: object) -> NoReturn:
    """An unexpected exception, with a secret in its message, its notes and its cause."""
    error = ValueError(f"cannot connect to {SECRET}")
    error.add_note(SECRET)
    raise error from KeyError(SECRET)


def break_reads(app: App, patch: pytest.MonkeyPatch) -> None:
    """Have every read of the store raise it."""
    patch.setattr(app.services.database.reader, "rows", bug)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """All that is logged at the usual level: also of what reads by itself now and then, whoever calls."""
    with logged("", logging.WARNING) as lines:
        yield lines


def of_requests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was logged because of a request; that of a probe, which many may wait for, has no request's id."""
    return [line for line in lines if "request_id" in line or line["logger"] == "graph.health"]


Way = Callable[[Api, str], Awaitable[tuple[str, str]]]
"""(client, address of a server) -> all that the client received, and the request id in it."""


async def _answer(response: httpx.Response) -> tuple[str, str]:
    errors = response.json()["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["INTERNAL_SERVER_ERROR"]
    assert errors[0]["extensions"]["requestId"] == response.headers["x-request-id"]
    return response.text + str(response.headers), response.headers["x-request-id"]


def by_post(query: str) -> Way:
    async def way(api: Api, _: str) -> tuple[str, str]:
        return await _answer(await api.http.post("/graphql", json={"query": query}))

    return way


async def by_get(api: Api, _: str) -> tuple[str, str]:
    return await _answer(await api.http.get("/graphql", params={"query": POINTS}))


def by_socket(query: str) -> Way:
    async def way(_: Api, address: str) -> tuple[str, str]:
        async with opened(websocket_url(address)) as socket:
            message = await socket.message(await socket.subscribe(query))
            payload = message["payload"]
            (error,) = payload if message["type"] == "error" else payload["errors"]
            return json.dumps(message), error["extensions"]["requestId"]

    return way


def by_stream(begun: Callable[..., AbstractAsyncContextManager[Any]]) -> Way:
    async def way(_: Api, address: str) -> tuple[str, str]:
        async with begun(address, STREAM) as stream:
            _kind, answer = await stream.told()
            return json.dumps(answer), answer["errors"][0]["extensions"]["requestId"]

    return way


WAYS: dict[str, Way] = {
    "POST": by_post(POINTS),
    "POST, without a plan": by_post(POINTS.replace("metrics", "metrics @include(if: true)")),
    "POST of a mutation": by_post(CREATE),
    "GET": by_get,
    "query on a socket": by_socket(POINTS),
    "subscription on a socket": by_socket(STREAM),
    "SSE": by_stream(by_sse_post),
    "multipart": by_stream(by_multipart),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_no_client_of_graphql_gets_a_secret(
    api: Api, app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    await api.started()
    break_reads(app, monkeypatch)
    told, id = await way(api, address)
    assert [word for word in INSIDE if word in told] == []
    logged = [line for line in of_requests(lines) if line["level"] == "error"]
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
        break_reads(app, monkeypatch)
        assert (await api.start(id))["__typename"] == "StartJobSuccess"
        told = [(await socket.message(operation))["payload"], (await stream.told())[1]]
    assert [word for word in INSIDE if word in str(told)] == []
    ids = {each["errors"][0]["extensions"]["requestId"] for each in told}
    assert len(ids) == 2
    assert ids == {line["request_id"] for line in of_requests(lines) if line["level"] == "error"}


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
    break_reads(app, monkeypatch)
    monkeypatch.setattr(pages, "_accepts_gzip", bug)
    monkeypatch.setattr(app.view, "run", bug)
    async with httpx.AsyncClient(base_url=address) as http:
        answer = await http.get(path)
    assert answer.status_code == status
    assert [word for word in INSIDE if word in answer.text + str(answer.headers)] == []
    (line,) = of_requests(lines)
    assert line["level"] == "error"
    if status == 500:
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": line["request_id"]}
        assert answer.json()["errors"] == [{"message": "Something went wrong on the server.", "extensions": extensions}]
        assert answer.headers["x-request-id"] == line["request_id"]


async def test_nor_by_a_handshake_that_breaks(
    app: App, address: str, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.view, "run", bug)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]):
            pass
    response = refused.value.response
    assert response.status_code == 500
    assert [word for word in INSIDE if word in str(response.body) + str(response.headers)] == []
    errors = json.loads(response.body or b"")["errors"]
    broken = [line for line in of_requests(lines) if "exception" in line]
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
    (broken,) = [line for line in of_requests(lines) if "exception" in line]
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
    assert ["s3cr3t" in line["exception"] and bool(line["request_id"]) for line in of_requests(lines)] == [True]
