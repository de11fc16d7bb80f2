"""A client of the graphql-transport-ws protocol that shows every message as it is."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.tools.waiting import PATIENCE

PROTOCOL = Subprotocol("graphql-transport-ws")


class Socket:
    """One connection. Operations are numbered; messages of operations that are not asked for yet are kept."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = count(1)
        self._kept: dict[str, list[dict[str, Any]]] = {}

    async def send(self, message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message, whatever it is. Raises websockets' ConnectionClosed, TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            return cast("dict[str, Any]", json.loads(await self.connection.recv()))

    async def subscribe(self, query: str, **variables: Any) -> str:
        """Begin an operation, and give its id."""
        id = str(next(self._ids))
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        return id

    async def message(self, id: str) -> dict[str, Any]:
        """The next message of an operation."""
        kept = self._kept.setdefault(id, [])
        while not kept:
            message = await self.receive()
            self._kept.setdefault(message["id"], []).append(message)
        return kept.pop(0)

    async def next(self, id: str) -> Any:
        """The data of the operation's next message, which must be a result without errors."""
        message = await self.message(id)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def metrics(self, job_id: str, after: int | None = 0, fields: str = "seq") -> AsyncGenerator[Any, None]:
        """The points of a metricAdded, until it completes."""
        query = f"subscription ($id: ID!, $after: Int) {{ metricAdded(jobId: $id, after: $after) {{ {fields} }} }}"
        id = await self.subscribe(query, id=job_id, after=after)
        while (message := await self.message(id))["type"] != "complete":
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            yield message["payload"]["data"]["metricAdded"]


def websocket_url(address: str) -> str:
    """Where the sockets of a server at an http:// address are opened."""
    return address.replace("http", "ws", 1) + "/graphql"


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Socket]:
    """A socket to a server's ws:// address that has been acknowledged; `options` are those of websockets' connect."""
    async with connect(url, subprotocols=[PROTOCOL], max_size=None, **options) as connection:
        socket = Socket(connection)
        await socket.send({"type": "connection_init"})
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket
