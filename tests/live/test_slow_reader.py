"""A client that stops reading costs little, delays no other, and misses nothing."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.tools.api import Api
from tests.tools.process import ServerProcess, memory_of
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE
from tests.tools.wire import mute_peer

pytestmark = pytest.mark.sqlite_alone("what is held in memory does not depend on the store")

POINTS = 20_000
POINTS_BEFORE = 12_000
SLOW = 6
"""Clients that stop reading: several, so that what is no cost of theirs weighs little."""
BATCH = 2_000
COSTS = 2 * 2**20
"""Bytes that one such client may cost: a quarter of what it is sent."""
# Its messages are long, for the system itself keeps some millions of bytes for a peer that does not read.
METRICS = f"subscription ($id: ID!) {{ metricAdded(jobId: $id, after: 0) {{ seq {'x' * 360}: step }} }}"
BATCHES = "subscription ($id: ID!) { metricsAdded(jobId: $id, after: 0, everyMs: 0) { seq } }"


@pytest.fixture
def server(database_url: str) -> Iterator[ServerProcess]:
    """A server that does not ask its peers whether they live: this one does not answer."""
    with ServerProcess(database_url, "--ping-seconds", "3600") as process:
        yield process


async def record(api: Api, id: str, count: int) -> None:
    """Log `count` points, of which another client gets every one meanwhile."""
    async with opened(websocket_url(str(api.http.base_url).rstrip("/"))) as other:
        operation = await other.subscribe(BATCHES, id=id)
        seen = 0
        for first in range(0, count, BATCH):
            metrics = [{"step": step, "loss": 0.5} for step in range(first, first + BATCH)]
            assert (await api.log(id, metrics))["recorded"] == BATCH
            while seen < first + BATCH:
                for point in (await other.next(operation))["metricsAdded"]:
                    assert point["seq"] == seen + 1
                    seen = point["seq"]


async def read_to_the_end(peer: socket.socket) -> list[int]:
    """The seqs of what the peer reads when it reads again, up to the operation's completion."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    loop = asyncio.get_running_loop()
    received = bytearray()
    async with asyncio.timeout(2 * PATIENCE):
        while b'"complete"' not in received[-200:]:
            piece = await loop.sock_recv(peer, 2**20)
            assert piece, "the server hung up"
            received += piece
    return [int(seq) for seq in re.findall(rb'"metricAdded":\{"seq":(\d+),', received)]


async def test_a_client_that_stops_reading_costs_little_delays_no_other_and_gets_every_point(
    server: ServerProcess, remote: Api
) -> None:
    async with AsyncExitStack() as stack:
        # One comes first: with it the server takes once what it keeps for all. What it takes after that is for them.
        first = await remote.started(epochs=POINTS)
        await stack.enter_async_context(mute_peer(server.url, METRICS, id=first))
        await record(remote, first, POINTS_BEFORE)
        before = memory_of(server.process.pid)
        id = await remote.started(epochs=POINTS)
        peers = [await stack.enter_async_context(mute_peer(server.url, METRICS, id=id)) for _ in range(SLOW)]
        await record(remote, id, POINTS)
        cost = memory_of(server.process.pid) - before
        await remote.complete(id)
        assert await read_to_the_end(peers[0]) == [*range(1, POINTS + 1)]
    assert cost < SLOW * COSTS
