"""Who may do what: every operation of the schema, over every transport, by everyone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from graphql import OperationType
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from graph.admission.access import COOKIE
from models.store.database import Database
from models.token import Scope
from models.tokens import Tokens
from tests.tools.api import Api
from tests.tools.operations import Operation, operations
from tests.tools.process import ServerProcess
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.waiting import PATIENCE

Headers = dict[str, str]
Ask = Callable[[httpx.AsyncClient, Operation], Awaitable[str]]
"""Asks for an operation, and gives the code it is refused with, or nothing where it is not."""
WRONG = "tm_" + "x" * 43


class Guarded(NamedTuple):
    """Two servers of one store, of which one lets everyone read; and what lets whom in."""

    url: str
    open_reads_url: str
    secrets: dict[str, str]
    ended: str
    """The id of a job."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    path = tmp_path_factory.mktemp("access") / "test.sqlite3"
    url = f"sqlite://{path}"
    secrets = asyncio.run(made(url))
    with ServerProcess(url) as server, ServerProcess(url, "--open-reads") as with_open_reads:
        yield Guarded(server.url, with_open_reads.url, secrets, asyncio.run(ended_job(server.url, secrets["write"])))
        for one in (server, with_open_reads):
            assert one.log == "", "nothing of this is worth a line, least of all a token"


async def ended_job(url: str, secret: str) -> str:
    async with httpx.AsyncClient(base_url=url, headers=bearer(secret)) as http:
        id = await Api(http).created()
        await Api(http).fail(id)
        return id


async def made(url: str) -> dict[str, str]:
    """Secrets by what they are; a session's by its token's, with "session"."""
    async with Database(url) as database:
        tokens, secrets = Tokens(database), {"wrong": WRONG, "no token at all": "Sesame"}
        for name, scope in (("read", Scope.READ), ("write", Scope.WRITE), ("revoked", Scope.WRITE)):
            token = await tokens.create(name, scope)
            secrets |= {name: token.secret, f"{name} session": await tokens.begin_session(token.token.id)}
        await tokens.revoke(token.token.id)
        return secrets


def bearer(secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}"}


def cookie(secret: str) -> Headers:
    return {"Cookie": f"theme=dark; {COOKIE}={secret}"}


WHO: dict[str, Callable[[dict[str, str]], Headers]] = {
    "nobody": lambda _: {},
    "a wrong token": lambda secrets: bearer(secrets["wrong"]),
    "what is no token": lambda secrets: bearer(secrets["no token at all"]),
    "a revoked token": lambda secrets: bearer(secrets["revoked"]),
    "a revoked cookie": lambda secrets: cookie(secrets["revoked session"]),
    "a wrong token and a good cookie": lambda secrets: bearer(secrets["wrong"]) | cookie(secrets["write session"]),
    "read": lambda secrets: bearer(secrets["read"]),
    "read, by cookie": lambda secrets: cookie(secrets["read session"]),
    "write": lambda secrets: bearer(secrets["write"]),
    "write, by cookie": lambda secrets: cookie(secrets["write session"]),
}

UNDER_OPEN_READS = ["nobody", "a wrong token", "a revoked cookie", "read", "write"]
"""Of each kind one: none, refused, forgotten, and the two scopes."""

JSON = "application/json"
MULTIPART = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"


async def refusal_over_http(response: httpx.Response) -> str:
    """UNAUTHENTICATED, FORBIDDEN, or nothing where it is executed."""
    if response.status_code == 405:
        assert response.request.method == "GET"
        return "NOT BY GET"
    text = (await response.aread()).decode()
    if response.status_code in {401, 403}:
        (error,) = json.loads(text)["errors"]
        code: str = error["extensions"]["code"]
        assert (code, response.status_code, response.headers["www-authenticate"]) in {
            ("UNAUTHENTICATED", 401, "Bearer"),
            ("UNAUTHENTICATED", 401, 'Bearer error="invalid_token"'),
            ("FORBIDDEN", 403, 'Bearer error="insufficient_scope"'),
        }
        return code
    assert "UNAUTHENTICATED" not in text
    assert "FORBIDDEN" not in text
    return ""


def posting(accept: str = JSON, content_type: str = JSON) -> Ask:
    async def by_post(http: httpx.AsyncClient, operation: Operation) -> str:
        headers = {"Accept": accept, "Content-Type": content_type}
        return await refusal_over_http(await http.post("/graphql", json={"query": operation.text}, headers=headers))

    return by_post


async def by_get(http: httpx.AsyncClient, operation: Operation) -> str:
    return await refusal_over_http(await http.get("/graphql", params={"query": operation.text}))


async def by_socket(http: httpx.AsyncClient, operation: Operation) -> str:
    headers = {name: http.headers[name] for name in ("authorization", "cookie") if name in http.headers}
    return await over_socket(str(http.base_url), headers, None, operation)


async def by_payload(http: httpx.AsyncClient, operation: Operation) -> str:
    """What else would be a header of the handshake is said in the first message."""
    headers = {"cookie": http.headers["cookie"]} if "cookie" in http.headers else {}
    said = http.headers.get("authorization")
    return await over_socket(str(http.base_url), headers, {"Authorization": said} if said else {"other": 1}, operation)


async def over_socket(url: str, headers: Headers, payload: dict[str, Any] | None, operation: Operation) -> str:
    async with connect(
        websocket_url(url.rstrip("/")), subprotocols=[PROTOCOL], additional_headers=headers
    ) as connection:
        socket = Socket(connection)
        await socket.send({"type": "connection_init", "payload": payload})
        try:
            assert await socket.receive() == {"type": "connection_ack"}
        except ConnectionClosed:
            return "UNAUTHENTICATED" if connection.close_code == 4403 else f"closed with {connection.close_code}"
        message = await socket.message(await socket.subscribe(operation.text))
        if message["type"] == "error":
            (error,) = message["payload"]
            return str(error["extensions"]["code"])
        return ""


TRANSPORTS: dict[str, Ask] = {
    "POST": posting(),
    "POST, by the view": posting(content_type=f"{JSON}; charset=utf8"),
    "GET": by_get,
    "SSE": posting("text/event-stream"),
    "multipart": posting(MULTIPART),
    "WebSocket, by its handshake": by_socket,
    "WebSocket, by its first message": by_payload,
}


@pytest.mark.parametrize(
    ("who", "open_reads"), [*((who, False) for who in WHO), *((who, True) for who in UNDER_OPEN_READS)]
)
async def test_who_may_do_what(guarded: Guarded, who: str, open_reads: bool) -> None:
    url = guarded.open_reads_url if open_reads else guarded.url
    async with (
        httpx.AsyncClient(base_url=guarded.url, headers=bearer(guarded.secrets["write"])) as owner,
        httpx.AsyncClient(base_url=url, headers=WHO[who](guarded.secrets), timeout=PATIENCE) as http,
    ):
        every = operations(ended=guarded.ended, running=await Api(owner).started())
        rows = [(transport, each) for transport in TRANSPORTS for each in every]
        before = await jobs(owner)
        found: list[str] = []
        for ask in TRANSPORTS.values():  # all at once would be more than may wait of one client
            found += await asyncio.gather(*(ask(http, each) for each in every))
        changed = await jobs(owner) != before
    table = {(transport, each.field): code for (transport, each), code in zip(rows, found, strict=True)}
    expected = [refusal_of(who, transport, each.kind, open_reads=open_reads) for transport, each in rows]
    assert table == dict(zip(table, expected, strict=True))
    assert changed == who.startswith("write"), "what is refused is not done, and what is not, is"


async def jobs(http: httpx.AsyncClient) -> Any:
    """What mutations would change."""
    return await Api(http).data("{ jobs { id status metricCount updatedAt } }")


def refusal_of(who: str, transport: str, kind: OperationType, *, open_reads: bool) -> str:
    """What someone is to be told, or nothing."""
    nobody = who in {"nobody", "a revoked cookie"}
    if not who.startswith(("read", "write")) and not (nobody and open_reads):
        return "UNAUTHENTICATED"
    if kind is not OperationType.MUTATION:
        return ""
    if transport == "GET":
        return "NOT BY GET"
    if nobody:
        return "UNAUTHENTICATED"
    return "FORBIDDEN" if who.startswith("read") else ""
