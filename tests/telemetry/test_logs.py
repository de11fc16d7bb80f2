"""The log: a line a request, as JSON where that is set, and nothing that clients sent."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from graph.app import create_app
from graph.settings import Settings
from graph.telemetry.logs import Formatter
from models.store.database import Database
from models.token import Scope
from models.tokens import Tokens
from tests.conftest import running
from tests.tools.api import BY_THE_VIEW, Api
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, Socket, opened, websocket_url
from tests.tools.streaming import by_sse_post
from tests.tools.waiting import eventually

SECRETS = ("tok3n", "c00kie", "qu3ry", "vari4ble", "pr0ject", "a11as", "sea4ch")
"""Planted in all that a client sends."""
HEADERS = {"Authorization": "Bearer tok3n", "Cookie": "session=c00kie"}
NAMED = 'query Mine ($search: String) { a11as: jobs(search: $search) { id } other: jobs(search: "qu3ry") { id } }'
CREATE = """mutation Create ($name: String!) {
    createJob(input: {name: $name, modelName: "m", epochs: 1, learningRate: 1}) { __typename } }"""
FOLLOW = 'subscription Follow { jobChanged(id: "1", current: true) { id } }'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that logs all it can, for an operator in search of a fault."""
    path = tmp_path_factory.mktemp("logs") / "test.sqlite3"
    with ServerProcess(f"sqlite://{path}", "--log-format", "json", "--log-level", "debug") as server:
        yield server


def lines_of(server: ServerProcess, event: str) -> list[dict[str, Any]]:
    """The lines of a kind."""
    lines = [json.loads(line) for line in server.log.splitlines()]
    return [line for line in lines if line["event"] == event]


async def test_each_request_and_each_operation_of_a_socket_has_one_line_and_nothing_of_what_was_sent(
    server: ServerProcess,
) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS) as http:
        for number, headers in enumerate(({}, BY_THE_VIEW)):
            body = {"query": NAMED, "variables": {"search": "vari4ble"}}
            await http.post("/graphql", json=body, headers={**headers, "X-Request-Id": f"read-{number}"})
        body = {"query": CREATE, "variables": {"name": "pr0ject"}}
        await http.post("/graphql", json=body, headers={"X-Request-Id": "write"})
        wrong = {"query": "query Wrong { nobody qu3ry }"}
        await http.post("/graphql", json=wrong, headers={"X-Request-Id": "wrong"})
        await http.get("/graphql", params={"query": NAMED}, headers={"X-Request-Id": "get"})
        await http.get("/?search=sea4ch", headers={"X-Request-Id": "page"})
    async with opened(websocket_url(server.url)) as socket:
        follow = await socket.subscribe(FOLLOW)
        await socket.next(follow)  # it has begun
        await socket.next(await socket.subscribe(NAMED, search="vari4ble"))
        await socket.send({"id": follow, "type": "complete"})
        async with by_sse_post(server.url, FOLLOW):
            pass
        await eventually(lambda: len(lines_of(server, "operation")) == 2 and len(lines_of(server, "request")) == 7)
    requests = {line["request_id"]: line for line in lines_of(server, "request")}
    assert [requests["read-0"][each] for each in ("operation", "type", "outcome", "status", "method", "path")] == [
        "Mine", "query", "ok", 200, "POST", "/graphql",
    ]  # fmt: skip
    kinds = {id: (line.get("operation"), line.get("type"), line["outcome"]) for id, line in requests.items()}
    (stream,) = kinds.keys() - {"read-0", "read-1", "write", "wrong", "get", "page"}
    assert kinds == {
        "read-0": ("Mine", "query", "ok"),
        "read-1": ("Mine", "query", "ok"),
        "write": ("Create", "mutation", "ok"),
        "wrong": (None, None, "refused"),
        "get": ("Mine", "query", "ok"),
        "page": (None, None, "ok"),
        stream: ("Follow", "subscription", "ok"),
    }
    assert all(line["ms"] > 0 and line["level"] == "info" and line["timestamp"] for line in requests.values())
    assert requests["read-0"]["bytes"] == len('{"data":{"a11as":[],"other":[]}}')
    operations = {line["type"]: line for line in lines_of(server, "operation")}
    assert operations["query"]["operation"] == "Mine"
    assert operations["subscription"]["outcome"] == "ok"
    assert len({line["request_id"] for line in operations.values()}) == 2
    assert [secret for secret in SECRETS if secret in server.log] == []


@pytest.mark.sqlite_alone("no store is asked")
@pytest.mark.parametrize(
    ("method", "path", "status", "outcome"),
    [
        ("POST", "/sign-in", 401, "refused"),
        ("GET", "/nowhere", 404, "refused"),
        ("GET", "/healthz", 200, "ok"),
        ("GET", "/readyz", 503, "failed"),
    ],
)
async def test_the_status_of_a_request_decides_its_outcome(
    api: Api, outside: Outside, method: str, path: str, status: int, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    if status == 503:
        outside.execute("ALTER TABLE job RENAME TO taken_away")
    caplog.set_level("INFO", "graph.calls")
    answer = await api.http.request(method, path, data={"token": "guessed"} if method == "POST" else None)
    (line,) = [record.__dict__ for record in caplog.records if record.name == "graph.calls"]
    assert (answer.status_code, line["status"], line["outcome"]) == (status, status, outcome)
    assert type(line["status"]) is int


@pytest.mark.sqlite_alone("of the store only the tokens matter")
async def test_a_line_names_the_address_of_the_client_and_the_id_of_its_token(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "graph.calls")
    async with Database(database_url) as database:
        made = await Tokens(database).create("trainer", Scope.READ)
    settings = Settings(database_url=database_url, trusted_proxies="127.0.0.1")
    app = create_app(settings)
    async with running(app), served(app, settings) as address:
        bearer = {"Authorization": f"Bearer {made.secret}", "X-Forwarded-For": "1.1.1.1, 203.0.113.7"}
        async with httpx.AsyncClient(base_url=address) as http:
            await http.post("/graphql", json={"query": "{ jobs { id } }"}, headers=bearer)
            await http.post("/graphql", json={"query": "{ jobs { id } }"})
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
            socket = Socket(connection)
            await socket.send({"type": "connection_init", "payload": {"token": made.secret}})
            assert await socket.receive() == {"type": "connection_ack"}
            await socket.next(await socket.subscribe("{ __typename }"))
        await eventually(lambda: len([record for record in caplog.records if record.name == "graph.calls"]) == 4)
    lines = [record.__dict__ for record in caplog.records if record.name == "graph.calls"]
    assert [(line["msg"], line["client"], line.get("token_id")) for line in lines] == [
        ("request", "203.0.113.7", made.token.id),
        ("request", "127.0.0.1", None),
        ("operation", "127.0.0.1", made.token.id),
        ("socket", "127.0.0.1", made.token.id),
    ]
    assert made.secret not in str(lines)


@pytest.mark.sqlite_alone("no store is asked")
async def test_by_default_requests_are_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.gather(*(api.post("{ jobs { id } }") for _ in range(3)))
    assert [record for record in caplog.records if record.name == "graph.calls"] == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_names_its_worker_and_the_exception(form: str, tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite://{tmp_path}/x", log_format=form)  # type: ignore[arg-type]  # of two
    error = ValueError("the reason")
    raised = (ValueError, error, None)
    record = logging.LogRecord("some.logger", logging.ERROR, "", 0, "%s happened", ("it",), raised)
    line = Formatter(settings, worker=3).format(record)
    if form == "json":
        fields = json.loads(line)
        assert [fields[each] for each in ("event", "level", "logger", "worker")] == [
            "it happened", "error", "some.logger", 3,
        ]  # fmt: skip
        assert "request_id" not in fields
        assert "ValueError: the reason" in fields["exception"]
    else:
        first, *traceback = line.splitlines()
        assert ["it happened" in first, "error" in first, "worker=3" in first] == [True, True, True]
        assert traceback[-1] == "ValueError: the reason"


def test_nothing_in_a_line_begins_another_or_controls_a_terminal(tmp_path: Path) -> None:
    error = ValueError("wiped: \x1b[2J\r\x07")
    record = logging.LogRecord(
        "a", logging.ERROR, "", 0, "got %s", ("\x1b]0;x\x07\nforged é",), (ValueError, error, None)
    )
    record.path = "/\x1b[31m\u202e\nforged"
    line = Formatter(Settings(database_url=f"sqlite://{tmp_path}/x", log_format="console")).format(record)
    first, *traceback = line.splitlines()
    assert [r"got \x1b]0;x\x07\nforged é" in first, r"/\x1b[31m\u202e\nforged" in first] == [True, True]
    assert traceback[-1] == r"ValueError: wiped: \x1b[2J\r\x07"
    assert [each for each in line if not each.isprintable() and each != "\n"] == []
