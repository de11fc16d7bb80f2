"""Load on a server: connections that each have one request under way, and ask the next as soon as that is answered."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

import orjson

__all__ = ["answered", "request"]

WARMING = 0.2
"""Of a round's time: how much longer it lasts, at its beginning, that does not count."""


def request(url: str, body: object = None, path: str = "/graphql", **headers: str) -> bytes:
    """The bytes of a POST of some JSON; of a GET where there is none."""
    headers = {"Host": urlsplit(url).netloc, **headers}
    content = b""
    if body is not None:
        content = orjson.dumps(body)
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", *map(": ".join, headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection(asyncio.Protocol):
    """One connection. Reads of an answer what it must: where it ends, and whether it tells of errors."""

    def __init__(self, requests: Iterator[bytes], seconds: float, *, acknowledging: bool) -> None:
        loop = asyncio.get_running_loop()
        self.answered = 0
        """All answers so far."""
        self.rate: asyncio.Future[float] = loop.create_future()
        """Answers a second, from an answer to one that came `seconds` later, or the next after that."""
        self.ended: asyncio.Future[None] = loop.create_future()
        self._requests = requests
        self._next = next(requests)
        self._acknowledging = acknowledging
        self._seconds = seconds
        self._warm = time.perf_counter() + seconds * WARMING
        self._began: tuple[float, int] | None = None
        """When counting began, and the answers before that."""
        self._ending = False
        self._head = b""
        self._missing = 0
        """Bytes of the answer that are still to come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._ask()

    def end(self) -> None:
        """Ask no more: it has ended when the request under way is answered."""
        self._ending = True

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            head = data[:end].lower()
            at = head.find(b"content-length:")
            if at < 0 or not head.startswith(b"http/1.1 200"):
                self._fail(data)
                return
            self._missing = end + 4 + int(head[at + 15 :].partition(b"\r\n")[0])
        if b'"errors"' in data:
            self._fail(data)
            return
        self._missing -= len(data)
        if not self._missing:
            self._count()
            if self._ending:
                self.ended.set_result(None)
                self._transport.close()
            else:
                self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._fail(b"it closed the connection")

    def _ask(self) -> None:
        self._transport.write(self._next)
        if self._acknowledging:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # the kernel forgets it now and then
        self._next = next(self._requests)  # made while the server is at work

    def _count(self) -> None:
        self.answered += 1
        now = time.perf_counter()
        if self._began is None:
            if now >= self._warm:
                self._began = now, self.answered
        elif now - self._began[0] >= self._seconds and not self.rate.done():
            self.rate.set_result((self.answered - self._began[1]) / (now - self._began[0]))

    def _fail(self, answer: bytes) -> None:
        error = RuntimeError(f"not the answer that was expected: {answer[:1000]!r}")
        for future in (self.rate, self.ended):
            if not future.done():
                future.set_exception(error)
        self._transport.close()


async def answered(
    url: str, requests: Sequence[Iterable[bytes]], seconds: float, *, acknowledging: bool = False
) -> tuple[float, int]:
    """Answers a second to as many connections as there are `requests`, and all answers that were given.

    What a server answers while it warms up is among all, but counts for no rate; and all ask until each has its rate,
    so that slow answers count for what they are. `acknowledging`: each packet at once, for servers that wait for that
    before they send the rest of an answer. Raises RuntimeError where an answer is an error.
    """
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    host, port = str(address.hostname), address.port or 80

    def asking(each: Iterable[bytes]) -> Callable[[], Connection]:
        return lambda: Connection(iter(each), seconds, acknowledging=acknowledging)

    opened = [await loop.create_connection(asking(each), host, port) for each in requests]
    connections = [connection for _, connection in opened]
    rates = await asyncio.gather(*(connection.rate for connection in connections))
    for connection in connections:
        connection.end()
    await asyncio.gather(*(connection.ended for connection in connections))
    return sum(rates), sum(connection.answered for connection in connections)
