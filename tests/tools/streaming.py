"""The client's side of the three transports, with one interface: what a stream says, and ways to leave it."""

import json
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Literal, cast

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.waiting import PATIENCE

Kind = Literal["next", "error", "complete", "alive"]
Message = tuple[Kind, Any]
"""A GraphQL response, or the errors that refuse the operation, or its completion, or a mere sign of life."""
ALIVE: Message = ("alive", None)

METRICS = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq } }"


class Stream:
    """One operation that streams."""

    def __init__(
        self, messages: AsyncIterator[Message], close: Callable[[], Awaitable[None]], hang_up: Callable[[], None]
    ) -> None:
        """`close` leaves as the transport has it, `hang_up` without a word: the connection is reset."""
        self._messages = messages
        self.close = close
        self.hang_up = hang_up

    async def message(self) -> Message:
        """What comes next. Raises TimeoutError; EOFError where the transport ends before the operation did."""
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            raise EOFError("the response ended, the operation did not") from None

    async def told(self) -> Message:
        """What comes next, signs of life aside."""
        while (message := await self.message())[0] == "alive":
            pass
        return message

    async def data(self) -> Any:
        """The data of the next message, which must be a result without errors."""
        kind, response = await self.told()
        assert kind == "next", (kind, response)
        assert set(response) == {"data"}, response
        return response["data"]

    async def rest(self) -> AsyncGenerator[Any, None]:
        """The data of the messages up to the stream's completion."""
        while (message := await self.told()) != ("complete", None):
            assert message[0] == "next", message
            assert set(message[1]) == {"data"}, message
            yield message[1]["data"]

    async def refusal(self) -> list[dict[str, Any]]:
        """The errors that ended the operation before it gave anything."""
        kind, payload = await self.told()
        if kind == "error":  # graphql-transport-ws has a message of its own, after which nothing comes
            return cast("list[dict[str, Any]]", payload)
        assert kind == "next", (kind, payload)
        assert payload.get("data") is None, payload
        assert await self.told() == ("complete", None)
        return cast("list[dict[str, Any]]", payload["errors"])


Begin = Callable[..., AbstractAsyncContextManager[Stream]]
"""(address, query, **variables) -> the stream of that operation."""

PING = {"type": "a ping frame"}


class PingedConnection(ClientConnection):
    """A connection on which each ping of the server is a message too."""

    def process_event(self, event: Any) -> None:
        """Note a ping, which the protocol below has answered already."""
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.recv_messages.put(Frame(Opcode.TEXT, json.dumps(PING).encode()))
        super().process_event(event)


@asynccontextmanager
async def by_websocket(address: str, query: str, **variables: Any) -> AsyncIterator[Stream]:
    """A socket of its own for the operation."""
    # Without a bound on its queue: a client that is behind would see the close frame only after all before it.
    async with opened(websocket_url(address), max_queue=None, create_connection=PingedConnection) as socket:
        messages = _from_socket(socket, await socket.subscribe(query, **variables))
        yield Stream(messages, socket.connection.close, socket.connection.transport.abort)


async def _from_socket(socket: Socket, id: str) -> AsyncIterator[Message]:
    while True:
        message = await socket.receive()
        if message == PING:
            yield ALIVE
        else:
            assert message["id"] == id, message
            yield message["type"], message.get("payload")


@asynccontextmanager
async def _by_http(
    read: Callable[[httpx.Response], AsyncIterator[Message]],
    method: str,
    accept: str,
    address: str,
    query: str,
    **variables: Any,
) -> AsyncIterator[Stream]:
    """A response that goes on."""
    asked: dict[str, Any] = (
        {"params": {"query": query, "variables": json.dumps(variables)}}
        if method == "GET"
        else {"json": {"query": query, "variables": variables}}
    )
    async with (
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http,
        http.stream(method, "/graphql", headers={"Accept": accept}, **asked) as response,
    ):
        assert response.status_code == 200, await response.aread()

        def hang_up() -> None:
            connection: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RDWR)

        yield Stream(read(response), response.aclose, hang_up)


async def _parts(response: httpx.Response, delimiter: bytes, kept: bytes = b"") -> AsyncIterator[bytes]:
    """What stands before each delimiter, as soon as that is there; then the rest."""
    async for piece in response.aiter_bytes():
        *parts, kept = (kept + piece).split(delimiter)
        for part in parts:
            yield part
    yield kept


async def _events(response: httpx.Response) -> AsyncIterator[Message]:
    """Server-sent events, as graphql-sse has them: one operation a connection."""
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    async for event in _parts(response, b"\n\n"):
        pairs = (line.partition(":") for line in event.decode().split("\n"))
        fields = {name: value.removeprefix(" ") for name, _, value in pairs if name}
        if event.startswith(b":"):
            yield ALIVE
        elif fields.get("event") == "next":
            yield "next", json.loads(fields["data"])
        elif event:
            assert fields == {"event": "complete", "data": ""}, event
            yield "complete", None


async def _multipart(response: httpx.Response) -> AsyncIterator[Message]:
    """A part a message, as Apollo's clients have it."""
    assert "multipart/mixed;boundary=graphql;subscriptionSpec=1.0" in response.headers["content-type"]
    parts = _parts(response, b"\r\n--graphql", b"\r\n")  # a delimiter begins a line, and so does the stream
    assert await anext(parts) == b""
    async for part in parts:
        if part == b"--\r\n":
            yield "complete", None
        elif part:
            headers, _, body = part.partition(b"\r\n\r\n")
            assert headers.strip().lower() == b"content-type: application/json; charset=utf-8"
            content = json.loads(body)
            yield ("next", content["payload"]) if content else ALIVE


by_sse_post: Begin = partial(_by_http, _events, "POST", "text/event-stream")
by_multipart: Begin = partial(
    _by_http, _multipart, "POST", "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
)
TRANSPORTS: dict[str, Begin] = {
    "graphql-transport-ws": by_websocket,
    "SSE by POST": by_sse_post,
    "SSE by GET": partial(_by_http, _events, "GET", "text/event-stream"),  # as browsers' EventSource asks
    "multipart": by_multipart,
}
