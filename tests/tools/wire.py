"""A connection byte by byte, and the bytes of HTTP requests and WebSocket frames, right ones and wrong ones."""

import asyncio
import base64
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

JSON = "application/json"
SWITCHED = b"HTTP/1.1 101 "
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\nConnection: close\r\n\r\n"
"""A request where none is to be read, as the body of another. An answer to it has its id."""
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}


class Wire:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard = b""

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each by itself; a connection that the server has closed already is no error."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def hear(self, what: bytes) -> None:
        """Return once the server has sent that. Raises EOFError where it closes first."""
        while what not in self.heard:
            piece = await self.reader.read(65_536)
            if not piece:
                raise EOFError
            self.heard += piece

    async def hear_all(self) -> None:
        """Return once the server has closed the connection; a WebSocket that it closes is closed from here too."""
        is_open = self.heard.startswith(SWITCHED)
        with contextlib.suppress(ConnectionError):
            while piece := await self.reader.read(65_536):
                self.heard += piece
                if is_open and close_code_of(self.heard):
                    is_open = False
                    await self.send(CLOSE)


@asynccontextmanager
async def small_peer(address: str, *sent: bytes) -> AsyncIterator[socket.socket]:
    """A connection that has sent that, and whose own end takes next to nothing that it does not read."""
    host, port = address.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.setblocking(False)
        await loop.sock_connect(peer, (host, int(port)))
        for piece in sent:
            await loop.sock_sendall(peer, piece)
        yield peer


@asynccontextmanager
async def mute_peer(address: str, query: str, **variables: object) -> AsyncIterator[socket.socket]:
    """A peer that subscribes, and then neither reads nor answers, as one whose machine lost its power or its line."""
    loop = asyncio.get_running_loop()
    async with small_peer(address, head("GET", **SOCKET)) as peer:
        assert (await loop.sock_recv(peer, 1_000)).startswith(SWITCHED)
        payload = {"query": query, "variables": variables}
        await loop.sock_sendall(peer, INIT + said({"id": "1", "type": "subscribe", "payload": payload}))
        yield peer


async def connected(address: str) -> Wire:
    """A connection to the server at an http:// address."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return Wire(*await asyncio.open_connection(host, int(port)))


def close_code_of(heard: bytes) -> int | None:
    """The code with which a WebSocket was closed; None where it was not."""
    at = heard.index(b"\r\n\r\n") + 4
    while len(heard) >= at + 4:
        kind, length, start = heard[at] & 0x0F, heard[at + 1], 2
        if length == 126:
            length, start = struct.unpack_from(">H", heard, at + 2)[0], 4
        elif length == 127 and len(heard) >= at + 10:
            length, start = struct.unpack_from(">Q", heard, at + 2)[0], 10
        if kind == 8 and length >= 2:
            return int(struct.unpack_from(">H", heard, at + start)[0])
        at += start + length
    return None


def head(method: str = "POST", path: str = "/graphql", *, host: str | None = "localhost", **headers: str) -> bytes:
    """The head of a request, which is the last of its connection."""
    named = {"Host": host, "Connection": "close", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def post(body: bytes, type: str = JSON, **headers: str) -> bytes:
    """A whole POST."""
    return head(Content_Type=type, Content_Length=str(len(body)), **headers) + body


def asking(query: str, **variables: Any) -> bytes:
    """The body of a GraphQL request."""
    return json.dumps({"query": query, "variables": variables}).encode()


def frame(kind: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A WebSocket frame; its mask of zeros masks nothing."""
    size = len(data)
    marker = size if size < 126 else 126 if size < 2**16 else 127
    length = struct.pack({126: ">H", 127: ">Q"}[marker], size) if marker > 125 else b""
    first = bytes([(0x80 if fin else 0) | reserved << 4 | kind, marker | (0x80 if masked else 0)])
    return first + length + (bytes(4) if masked else b"") + data


def said(message: Any) -> bytes:
    """A message of graphql-transport-ws."""
    return frame(1, message if isinstance(message, bytes) else json.dumps(message).encode())


def subscribe(query: Any, id: Any = "1", **variables: Any) -> bytes:
    """A message that begins an operation."""
    return said({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})


CLOSE = frame(8, struct.pack(">H", 1000))
INIT = said({"type": "connection_init"})
