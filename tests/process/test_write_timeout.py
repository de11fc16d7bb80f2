"""An answer stays in memory until its client has read it; a client that reads nothing for two pings is closed."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from graph.app import App
from graph.settings import Settings
from tests.tools.api import Api
from tests.tools.process import files_of
from tests.tools.serving import served
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import asking, mute_peer, post, small_peer

pytestmark = pytest.mark.sqlite_alone("what is held in memory does not depend on the store")

POINTS = 10_000
# Its names are long: an answer of 8 MiB is made in a moment. Systems keep some four millions of bytes themselves.
QUERY = (
    f"query ($id: ID!) {{ job(id: $id) {{ metrics(limit: {POINTS}) {{ seq {'x' * 400}: step {'y' * 400}: step }} }} }}"
)


@pytest.fixture
async def job(api: Api) -> str:
    """The id of a job with many points."""
    id = await api.started(epochs=POINTS)
    await api.log(id, [{"step": step} for step in range(POINTS)])
    return id


def posted(address: str, query: str, **variables: object) -> AbstractAsyncContextManager[socket.socket]:
    """A client that has sent a POST, and whose system takes little that it does not read."""
    return small_peer(address, post(asking(query, **variables)))


async def all_read(peer: socket.socket, end: bytes) -> None:
    """Return once the client has read the end of its answer."""
    heard = b""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    async with asyncio.timeout(PATIENCE):
        while end not in heard:
            piece = await asyncio.get_running_loop().sock_recv(peer, 2**20)
            assert piece, "the server hung up"
            heard = heard[-100:] + piece


Way = Callable[..., AbstractAsyncContextManager[socket.socket]]
both_ways = pytest.mark.parametrize("way", [posted, mute_peer], ids=["posts", "sockets"])


@both_ways
async def test_a_client_that_reads_nothing_is_closed(app: App, job: str, database_url: str, way: Way) -> None:
    impatient = Settings(database_url=database_url, ping_seconds=0.1)
    async with served(app, impatient) as address:
        files = files_of(os.getpid())
        async with way(address, QUERY, id=job):
            await eventually(lambda: files_of(os.getpid()) > files + 1)
            await eventually(lambda: files_of(os.getpid()) == files + 1)  # its own end


@both_ways
async def test_before_that_its_answer_waits_for_it(app: App, job: str, database_url: str, way: Way) -> None:
    patient = Settings(database_url=database_url, ping_seconds=600)
    async with served(app, patient) as address, way(address, QUERY, id=job) as peer:
        await all_read(peer, f'"{"y" * 400}":{POINTS - 1}}}]}}}}}}'.encode())
