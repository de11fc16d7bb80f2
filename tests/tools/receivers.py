"""Receivers of webhooks: real servers on this machine that keep what they are sent."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from tests.tools.waiting import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILING = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SILENT = b""
"""No answer, on a connection that stays open."""


class Request(NamedTuple):
    """A request that was received."""

    line: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers each request with the same bytes, which a test may change."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.port = 0
        self._more = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Receive one request on a connection."""
        try:
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self.requests.append(Request(line, headers, await reader.readexactly(int(headers["content-length"]))))
            self._more.set()
            writer.write(self.answer)
            await writer.drain()
            while self.answer == SILENT and await reader.read():
                pass
        except (OSError, EOFError):
            pass  # the sender hung up
        finally:
            writer.close()

    async def until(self, count: int) -> list[Request]:
        """All requests, once there are so many. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while len(self.requests) < count:
                self._more.clear()
                await self._more.wait()
        return self.requests


@contextlib.asynccontextmanager
async def receiving(answer: bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on 127.0.0.1."""
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
