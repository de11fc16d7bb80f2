"""The client's side of the three transports, with one interface: what a stream says, and ways to leave it."""

import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.waiting import PATIENCE

__all__ = ["METRICS", "TRANSPORTS", "Begin", "Message", "Stream", "by_multipart", "by_sse_post", "by_websocket"]

Kind = Literal["next", "error", "complete", "alive"]
Message = tuple[Kind, Any]
"""A GraphQL response, or the errors that refuse the operation, or its completion, or a mere sign of life."""

METRICS = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq } }"


class Stream(ABC):
    """One operation that streams."""

    @abstractmethod
    async def message(self) -> Message:
        """What comes next. Raises TimeoutError; EOFError where the transport ends before the operation did."""

    @abstractmethod
    async def close(self) -> None:
        """Leave as the transport has it."""

    @abstractmethod
    def hang_up(self) -> None:
        """Leave without a word: the connection is reset."""

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


class PingedConnection(ClientConnection):
    """A connection that counts the server's pings."""

    pings = 0

    def process_event(self, event: Any) -> None:
        """Note a ping, which the protocol below has answered already."""
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings += 1
            self.recv_messages.put(Frame(Opcode.TEXT, PING.encode()))
        super().process_event(event)


PING = json.dumps({"type": "a ping frame"})


class WebSocketStream(Stream):
    """graphql-transport-ws."""

    def __init__(self, socket: Socket, id: str) -> None:
        self.socket = socket
        self._id = id

    async def message(self) -> Message:
        message = await self.socket.receive()
        if message == json.loads(PING):
            return "alive", None
        assert message.pop("id") == self._id, message
        return message["type"], message.get("payload")

    async def close(self) -> None:
        await self.socket.connection.close()

    async def complete(self) -> None:
        """Leave the operation, and keep the socket."""
        await self.socket.send({"id": self._id, "type": "complete"})

    def hang_up(self) -> None:
        self.socket.connection.transport.abort()


class HTTPStream(Stream):
    """A response that goes on."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._pieces = response.aiter_bytes()
        self._messages = self._read()

    async def message(self) -> Message:
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            raise EOFError("the response ended, the operation did not") from None

    async def close(self) -> None:
        await self.response.aclose()

    def hang_up(self) -> None:
        network = self.response.extensions["network_stream"]
        connection: socket.socket = network.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)

    async def _parts(self, delimiter: bytes, kept: bytes = b"") -> AsyncIterator[bytes]:
        """What stands before each delimiter, as soon as that is there; then the rest."""
        async for piece in self._pieces:
            *parts, kept = (kept + piece).split(delimiter)
            for part in parts:
                yield part
        yield kept

    @abstractmethod
    def _read(self) -> AsyncIterator[Message]:
        """The messages, as soon as each is whole."""


class SSEStream(HTTPStream):
    """Server-sent events, as graphql-sse has them: one operation a connection."""

    async def _read(self) -> AsyncIterator[Message]:
        assert self.response.headers["content-type"].partition(";")[0] == "text/event-stream"
        async for event in self._parts(b"\n\n"):
            lines = event.decode().split("\n")
            pairs = (line.partition(":") for line in lines)
            fields = {name: value.removeprefix(" ") for name, _, value in pairs if name}
            if event.startswith(b":"):
                yield "alive", None
            elif fields.get("event") == "next":
                yield "next", json.loads(fields["data"])
            elif event:
                assert fields == {"event": "complete", "data": ""}, event
                yield "complete", None


class MultipartStream(HTTPStream):
    """A part a message, as Apollo's clients have it."""

    async def _read(self) -> AsyncIterator[Message]:
        assert "multipart/mixed;boundary=graphql;subscriptionSpec=1.0" in self.response.headers["content-type"]
        parts = self._parts(b"\r\n--graphql", b"\r\n")  # a delimiter begins a line, and so does the stream
        assert await anext(parts) == b""
        async for part in parts:
            if part == b"--\r\n":
                yield "complete", None
                continue
            if not part:
                continue
            headers, _, body = part.partition(b"\r\n\r\n")
            assert headers.strip().lower() == b"content-type: application/json; charset=utf-8"
            content = json.loads(body)
            yield ("alive", None) if content == {} else ("next", content["payload"])


@asynccontextmanager
async def by_websocket(address: str, query: str, **variables: Any) -> AsyncIterator[WebSocketStream]:
    """A socket of its own for the operation."""
    # Without a bound on its queue: a client that is behind would see the close frame only after all before it.
    async with connect(
        websocket_url(address),
        subprotocols=[PROTOCOL],
        max_size=None,
        max_queue=None,
        create_connection=PingedConnection,
    ) as connection:
        socket = Socket(connection)
        await socket.send({"type": "connection_init"})
        assert await socket.receive() == {"type": "connection_ack"}
        yield WebSocketStream(socket, await socket.subscribe(query, **variables))


@asynccontextmanager
async def _responding(
    kind: type[HTTPStream], address: str, accept: str, query: str, variables: dict[str, Any], *, get: bool = False
) -> AsyncIterator[Stream]:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
        request = (
            http.build_request("GET", "/graphql", params={"query": query, "variables": json.dumps(variables)})
            if get
            else http.build_request("POST", "/graphql", json={"query": query, "variables": variables})
        )
        request.headers["accept"] = accept
        response = await http.send(request, stream=True)
        try:
            assert response.status_code == 200, await response.aread()
            yield kind(response)
        finally:
            await response.aclose()


def by_sse_post(address: str, query: str, **variables: Any) -> AbstractAsyncContextManager[Stream]:
    """A POST that is answered with events."""
    return _responding(SSEStream, address, "text/event-stream", query, variables)


def by_sse_get(address: str, query: str, **variables: Any) -> AbstractAsyncContextManager[Stream]:
    """A GET that is answered with events, as browsers' EventSource asks."""
    return _responding(SSEStream, address, "text/event-stream", query, variables, get=True)


def by_multipart(address: str, query: str, **variables: Any) -> AbstractAsyncContextManager[Stream]:
    """A POST that is answered with parts, asked for as Apollo Client does."""
    accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
    return _responding(MultipartStream, address, accept, query, variables)


TRANSPORTS: dict[str, Begin] = {
    "graphql-transport-ws": by_websocket,
    "SSE by POST": by_sse_post,
    "SSE by GET": by_sse_get,
    "multipart": by_multipart,
}
