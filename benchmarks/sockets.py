"""Thousands of subscribers in one process: sockets that count messages and look at nothing else."""

import asyncio
import base64
import json
import os
import struct
from typing import cast
from urllib.parse import urlsplit

__all__ = ["Subscriber", "subscribe_all"]


class Subscriber(asyncio.Protocol):
    """One socket with one subscription. Counts the messages that were received."""

    def __init__(self, host: str, query: str) -> None:
        self._host = host
        self._query = query
        self._shaken = False
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self.received = 0
        self.acknowledged = asyncio.get_running_loop().create_future()
        self._waiting: tuple[int, asyncio.Future[None]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /graphql HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        self._transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        if not self._shaken:
            self._shaken = True
            self._send({"type": "connection_init"})
            return
        if not self.acknowledged.done():
            if b"connection_ack" in data:
                self._send({"id": "1", "type": "subscribe", "payload": {"query": self._query}})
                self.acknowledged.set_result(None)
            return
        # A message is counted by its type, which may come in two pieces.
        data = self._tail + data
        self.received += data.count(b'"next"')
        cut = max(data.rfind(b'"next"') + 6, len(data) - 5)
        self._tail = data[cut:]
        if self._waiting and self.received >= self._waiting[0] and not self._waiting[1].done():
            self._waiting[1].set_result(None)

    async def until(self, count: int) -> None:
        """Wait until `count` messages have been received."""
        if self.received < count:
            self._waiting = (count, asyncio.get_running_loop().create_future())
            await self._waiting[1]

    def close(self) -> None:
        """End the connection."""
        if self._transport:
            self._transport.close()

    def _send(self, message: object) -> None:
        assert self._transport is not None
        payload = json.dumps(message).encode()
        size = (
            bytes([0x80 | len(payload)])
            if len(payload) < 126
            else bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        )
        self._transport.write(b"\x81" + size + b"\0\0\0\0" + payload)  # a mask of zeros masks nothing


async def subscribe_all(url: str, query: str, count: int) -> list[Subscriber]:
    """`count` sockets, each subscribed and acknowledged."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    host, port = address.hostname, address.port
    loop = asyncio.get_running_loop()
    subscribers = []
    for begin in range(0, count, 100):
        for _ in range(min(100, count - begin)):
            _, subscriber = await loop.create_connection(lambda: Subscriber(address.netloc, query), host, port)
            subscribers.append(subscriber)
        await asyncio.gather(*(subscriber.acknowledged for subscriber in subscribers[begin:]))
    return subscribers
