"""A request to the receiver of a webhook, on a connection to an IP address that was looked at.

An HTTP client resolves a name by itself, so that between a look at its addresses and the connection the name may come
to lead elsewhere: into the server's own network. And all that is wanted of the answer is its status.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from urllib.parse import SplitResult, quote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from models.alerts.webhook import is_public

SECONDS = 15.0
"""For one request, from its name to the status of its answer."""
CONNECT_SECONDS = 5.0
"""For a connection to one of the addresses that a name has."""
MAX_ANSWER = 64 * 2**10
"""Bytes in which the status of an answer must be found."""
PORTS = {"http": 80, "https": 443}
RESERVED = "%/:?#[]@!$&'()*+,;=~"
"""What stands in an address as it is."""


class NotDelivered(Exception):
    """The receiver did not get it. The message says why, without the address."""


class Refused(NotDelivered):
    """Nothing is sent to the receiver: it is at an address that is not of the internet."""


class Receivers:
    """Where webhooks may be sent to."""

    def __init__(self, allowed: Collection[str]) -> None:
        """`allowed`: hosts whose addresses may be private."""
        self.allowed = allowed
        self._tls: ssl.SSLContext | None = None

    async def post(self, webhook: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request, and give the status of its answer. No redirect is followed. Raises NotDelivered."""
        parts = urlsplit(webhook)
        target = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=RESERVED)
        sent = {"Host": parts.netloc, **headers, "Content-Length": str(len(body)), "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await self._connected(parts)
                try:
                    writer.write(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
                    await writer.drain()
                    return await _status(reader)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise NotDelivered("it took too long") from None
        except (HttpParserError, HttpParserUpgrade) as error:
            raise NotDelivered("its answer is not HTTP") from error
        except (OSError, ValueError) as error:  # a name that is none is a ValueError
            raise NotDelivered(str(error) or type(error).__name__) from error

    async def _connected(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, tls = parts.hostname or "", None
        port = parts.port or PORTS[parts.scheme]
        addresses = await _addresses(host, port)
        private = [] if host in self.allowed else [each for each in addresses if not is_public(each)]
        if private:
            raise Refused(f"it is at {private[0]}, which is no address of the internet, nor allowed by its name")
        if parts.scheme == "https":
            tls = self._tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
        problem: Exception = OSError("its name has no address")
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)
            except OSError as error:
                problem = error
        raise problem


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of an answer. Raises OSError, and what the parser raises."""
    seen: list[int] = []
    parser: HttpResponseParser

    class Answer:
        def on_headers_complete(self) -> None:
            seen.append(parser.get_status_code())

    parser = HttpResponseParser(Answer())
    for _ in range(MAX_ANSWER // 1024):
        data = await reader.read(1024)
        if not data:
            raise ConnectionError("it closed the connection without an answer")
        parser.feed_data(data)
        final = [status for status in seen if status >= 200]
        if final:
            return final[0]
    raise ConnectionError("its answer has no end")


async def _addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises OSError, ValueError.

    A resolver may hang for long: in a thread of its own it holds up neither what waits for a thread, nor the end.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], problem: Exception | None) -> None:
        if problem is not None and not found.done():
            found.set_exception(problem)
        elif not found.done():  # nobody may wait any more
            found.set_result(addresses)

    def look_up() -> None:
        addresses: list[str] = []
        problem: Exception | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [*dict.fromkeys(str(info[4][0]) for info in infos)]
        except (OSError, ValueError) as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, addresses, problem)

    threading.Thread(target=look_up, daemon=True).start()
    return await found
