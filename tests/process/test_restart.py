"""A server that ends: its clients are notified, and come back when it does."""

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from socket import create_server
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.tools.api import Api
from tests.tools.nodejs import Script, running_script
from tests.tools.process import ServerProcess
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.streaming import METRICS, Stream, by_multipart, by_sse_post
from tests.tools.waiting import PATIENCE
from tests.tools.wire import mute_peer

SOCKETS = 500
STREAMS = 50


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for as many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4_096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(database_url: str) -> Iterator[ServerProcess]:
    """A server that closes no socket whose client is busy."""
    with ServerProcess(database_url, "--ping-seconds", "600") as process:
        yield process


async def subscribed(address: str, id: str, stack: AsyncExitStack) -> ClientConnection:
    connection = await stack.enter_async_context(
        connect(websocket_url(address), subprotocols=[PROTOCOL], ping_interval=None)
    )
    socket = Socket(connection)
    await socket.send({"type": "connection_init"})
    assert await socket.receive() == {"type": "connection_ack"}
    operation = await socket.subscribe(METRICS, id=id, after=0)
    assert await socket.next(operation) == {"metricAdded": {"seq": 1}}
    return connection


async def streaming(address: str, id: str, stack: AsyncExitStack) -> Stream:
    stream = await stack.enter_async_context(by_sse_post(address, METRICS, id=id, after=0))
    assert await stream.data() == {"metricAdded": {"seq": 1}}
    return stream


async def end_of(stream: Stream) -> None:
    """The response ends well, and does not say that the operation has."""
    with pytest.raises(EOFError):
        await stream.told()


async def ended(server: ServerProcess) -> int:
    """The exit status of the server after SIGTERM."""
    return await asyncio.to_thread(server.stop, signal.SIGTERM)


async def test_many_sockets_are_closed_with_1012_and_streams_end(
    server: ServerProcess, remote: Api, many_files: None
) -> None:
    id = await remote.started()
    await remote.step(id)
    async with AsyncExitStack() as stack:
        connections: list[ClientConnection] = []
        for _ in range(SOCKETS // 50):
            connections += await asyncio.gather(*(subscribed(server.url, id, stack) for _ in range(50)))
        streams = await asyncio.gather(*(streaming(server.url, id, stack) for _ in range(STREAMS)))
        ending = asyncio.create_task(ended(server))
        await asyncio.gather(
            *(connection.wait_closed() for connection in connections), *(end_of(stream) for stream in streams)
        )
        assert [connection.close_code for connection in connections] == [1012] * SOCKETS
        assert await ending == 0
    assert server.log == ""


async def test_multipart_streams_end_too_without_the_last_delimiter(server: ServerProcess, remote: Api) -> None:
    id = await remote.started()
    await remote.step(id)
    async with by_multipart(server.url, METRICS, id=id, after=0) as stream:
        assert await stream.data() == {"metricAdded": {"seq": 1}}
        status, _ = await asyncio.gather(ended(server), end_of(stream))
    assert status == 0


async def test_a_peer_that_reads_no_more_does_not_hold_it_up(server: ServerProcess, remote: Api) -> None:
    id = await remote.started(epochs=1_000)
    values = [{"name": letter * 200, "value": 1} for letter in "abcdefgh"]
    for first in range(0, 6_000, 2_000):
        await remote.log(id, [{"step": first + step, "values": values} for step in range(2_000)])
    query = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq values { name } } }"
    async with mute_peer(server.url, query, id=id):
        await remote.step(id)
        assert await ended(server) == 0


@pytest.mark.sqlite_alone("what the client does is the same, and it takes its time")
async def test_graphql_ws_own_client_follows_a_job_over_a_restart_without_hole_or_double(database_url: str) -> None:
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with ServerProcess(database_url, "--port", str(port)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            id = await Api(http).started()
            await steps(Api(http), id, 5)
        async with running_script("follow.mjs", websocket_url(server.url), id) as follower:
            seen = await until(follower, {"seq": 5})
            for last in (10, 15):
                assert await ended(server) == 0
                seen += await until(follower, {"closed": 1012})
                await asyncio.to_thread(server.start)
                assert server.url.endswith(f":{port}")
                async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
                    await steps(Api(http), id, 5)
                    seen += await until(follower, {"seq": last})
                    if last == 15:
                        await Api(http).complete(id)
                        seen += await follower.rest()
    assert [line["seq"] for line in seen if "seq" in line] == [*range(1, 16)]
    assert {"complete": True} in seen
    assert not [line for line in seen if "error" in line or "errors" in line]


async def steps(api: Api, id: str, count: int) -> None:
    for _ in range(count):
        assert (await api.step(id))["__typename"] == "SimulateStepSuccess"


async def until(script: Script, line: dict[str, Any]) -> list[Any]:
    """What the script says up to a line."""
    lines: list[Any] = []
    while line not in lines:
        lines.append(await script.line())
        assert lines[-1] is not None
    return lines
