"""SIGTERM and SIGINT: streams end, what is under way is finished, and the process ends, whatever it waits for."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, closing
from socket import create_server
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.tools.api import Api
from tests.tools.nodejs import Script, running_script
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.streaming import METRICS, Stream, by_multipart, by_sse_post
from tests.tools.waiting import PATIENCE
from tests.tools.wire import mute_peer

SERVICE_RESTART = 1012
SOCKETS, STREAMS = 40, 10
ONE = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq } }"
ALL = "subscription { jobChanged { id status } }"

either_signal = pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
no_sql = pytest.mark.sqlite_alone("what the connections do is the same")


async def ended(server: ServerProcess) -> None:
    """Hold a server that a signal was sent to to its end, and to exit status 0."""
    assert await asyncio.to_thread(server.reap) == 0
    assert "Traceback" not in server.log, server.log


async def ended_silently(server: ServerProcess) -> None:
    """Hold it, beyond that, to having logged nothing."""
    await ended(server)
    assert server.log == ""


async def close_code(socket: Socket) -> int:
    """Read what still comes until the server closes the socket, and give the code it closes it with."""
    with pytest.raises(ConnectionClosed) as closed:
        await everything(socket)
    assert closed.value.rcvd is not None, "the connection broke off without a close frame"
    assert closed.value.rcvd_then_sent, "the server is the first to say goodbye"
    return closed.value.rcvd.code


async def to_the_end(stream: AsyncGenerator[Any, None], seen: list[int]) -> None:
    async for point in stream:
        seen.append(point["seq"])  # noqa: PERF401  # what came before the end must not be lost with it


async def everything(socket: Socket) -> None:
    while True:
        await socket.receive()


async def begun(socket: Socket, query: str, id: str | None = None) -> None:
    """Begin a subscription, and return once the server has begun it too."""
    await socket.subscribe(query, **({"id": id} if id else {}))
    await socket.next(await socket.subscribe("{ __typename }"))


async def end_of(stream: Stream) -> None:
    """The response ends well, and does not say that the operation has."""
    with pytest.raises(EOFError):
        await stream.told()


@no_sql
@either_signal
async def test_sockets_are_closed_with_1012_and_responses_that_stream_end(
    server: ServerProcess, remote: Api, sent: signal.Signals
) -> None:
    """Streams of one job and of all, several on one socket, and sockets without any."""
    id = await remote.started()
    await remote.step(id)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(opened(websocket_url(server.url))) for _ in range(SOCKETS)]
        await begun(sockets[0], ALL)
        for socket in sockets[1:]:
            await begun(socket, ONE, id)
        await begun(sockets[1], ALL)
        streams = []
        for begin in (by_multipart, *[by_sse_post] * STREAMS):
            streams.append(await stack.enter_async_context(begin(server.url, METRICS, id=id, after=0)))
            assert await streams[-1].data() == {"metricAdded": {"seq": 1}}
        server.process.send_signal(sent)
        codes, _ = await asyncio.gather(
            asyncio.gather(*map(close_code, sockets)), asyncio.gather(*map(end_of, streams))
        )
        assert codes == [SERVICE_RESTART] * SOCKETS
        await ended_silently(server)


async def test_sockets_with_busy_streams_are_closed_with_1012_and_what_was_sent_is_stored(
    server: ServerProcess, remote: Api
) -> None:
    """Points are recorded, by several at once, while the signal comes. Some of the callers are turned away."""
    id = await remote.started(epochs=1000)
    stepped: list[int] = []
    seen: list[int] = []

    async def step() -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                stepped.append((await remote.step(id))["metric"]["seq"])

    async with opened(websocket_url(server.url)) as socket, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(step())
        stream = socket.metrics(id)
        while len(seen) < 20:
            seen.append((await anext(stream))["seq"])
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed, match=str(SERVICE_RESTART)):
            await to_the_end(stream, seen)
        await ended_silently(server)
    assert seen == list(range(1, len(seen) + 1))
    await asyncio.to_thread(server.start)
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        stored = {point["seq"] for point in await Api(http).metrics(id)}
        assert stored >= {*stepped, *seen}


async def waiting_step(server: ServerProcess, remote: Api, id: str) -> "asyncio.Task[dict[str, object]]":
    """A step that the server is at work on; it waits for the store, and another request was answered meanwhile."""
    step = asyncio.create_task(remote.step(id))
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        for _ in range(3):
            assert await Api(http).data("{ __typename }") == {"__typename": "Query"}
    assert not step.done()
    return step


async def test_a_request_under_way_is_answered(server: ServerProcess, remote: Api, outside: Outside) -> None:
    id = await remote.started()
    async with opened(websocket_url(server.url)) as socket:
        await begun(socket, ONE, id)
        with outside.writing():
            step = await waiting_step(server, remote, id)
            server.process.send_signal(signal.SIGTERM)
            assert await close_code(socket) == SERVICE_RESTART
            assert not step.done()
        answer = await step
        assert (answer["__typename"], answer["complete"]) == ("SimulateStepSuccess", False)
        await ended_silently(server)


async def test_a_store_that_another_process_keeps_locked_does_not_keep_the_server(
    server: ServerProcess, remote: Api, outside: Outside
) -> None:
    """The request is lost, and its client gets no answer."""
    id = await remote.started()
    with outside.writing():
        step = await waiting_step(server, remote, id)
        try:
            server.process.send_signal(signal.SIGTERM)
            await ended(server)
        finally:
            (outcome,) = await asyncio.gather(step, return_exceptions=True)
        assert isinstance(outcome, Exception), outcome


@no_sql
async def test_a_client_that_never_finishes_its_request_does_not_keep_the_server(
    server: ServerProcess, remote: Api
) -> None:
    address = urlsplit(server.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    with contextlib.closing(writer):
        head = b"POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        writer.write(head + b'{"query":')
        await writer.drain()
        await remote.data("{ __typename }")
        server.process.send_signal(signal.SIGTERM)
        await ended(server)


@no_sql
async def test_a_peer_that_reads_no_more_does_not_keep_it(server: ServerProcess, remote: Api) -> None:
    id = await remote.started(epochs=1_000)
    values = [{"name": letter * 200, "value": 1} for letter in "abcdefgh"]
    for first in range(0, 6_000, 2_000):
        await remote.log(id, [{"step": first + step, "values": values} for step in range(2_000)])
    query = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq values { name } } }"
    async with mute_peer(server.url, query, id=id):
        await remote.step(id)
        server.process.send_signal(signal.SIGTERM)
        await ended(server)


@no_sql
async def test_more_signals_do_no_harm(server: ServerProcess, remote: Api) -> None:
    """Impatient people press Ctrl-C again and again."""
    id = await remote.started()
    async with opened(websocket_url(server.url)) as socket:
        await begun(socket, ONE, id)
        server.process.send_signal(signal.SIGINT)
        await close_code(socket)  # else they may come as one
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            await asyncio.sleep(0)
        await ended_silently(server)


@no_sql
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
                assert await asyncio.to_thread(server.stop) == 0
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
