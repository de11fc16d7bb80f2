"""What arrives and is not complete is bounded: each message in bytes and in time, and all of them together in bytes."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import product

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.streams import StreamReader

from graph.app import App
from graph.process.limits import Arriving
from graph.process.websocket_connection import FIRST_MESSAGE_BYTES
from graph.settings import Settings
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, opened, websocket_url
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import INIT, SOCKET, STATUS, Wire, close_code_of, connected, frame, head, post, said

pytestmark = pytest.mark.sqlite_alone("what arrives has not come to a store yet")

MIB = 2**20
QUERY = json.dumps({"query": "{ __typename }" + " " * 10_000, "variables": {"x": "x" * 600_000}}).encode()
MESSAGE = json.dumps({"id": "1", "type": "subscribe", "payload": json.loads(QUERY)}).encode()


def test_past_the_bound_the_connection_that_has_received_nothing_for_longest_is_refused() -> None:
    refused: list[str] = []
    a, b, c, d = (partial(refused.append, name) for name in "abcd")
    arriving = Arriving(100)
    for _ in range(2):
        arriving.record(d, 100)
        arriving.record(d, 0)  # a complete message counts no more
    arriving.record(a, 40)
    arriving.record(b, 40)
    arriving.record(a, 41)
    arriving.record(c, 19)
    assert refused == []
    arriving.record(c, 20)
    assert refused == ["b"]
    arriving.record(c, 60)
    assert refused == ["b", "a"]
    arriving.record(c, 101)
    assert refused == ["b", "a", "c"], "one alone may be too long"


class Upload:
    """A request or a message, of which all but the last byte is sent at first."""

    def __init__(self, wire: Wire, last: bytes) -> None:
        self.wire = wire
        self._last = last

    async def answer(self) -> int | None:
        """The status or the close code with which the server answers; None for the result on a socket."""
        while True:
            if statuses := [int(status) for status in STATUS.findall(self.wire.heard) if status != b"101"]:
                return statuses[0]
            if b"HTTP/1.1 101" in self.wire.heard and (code := close_code_of(self.wire.heard)):
                return code
            if b'"type":"next"' in self.wire.heard:
                return None
            piece = await self.wire.reader.read(65_536)
            assert piece, "the server parted without a word"
            self.wire.heard += piece

    async def outcome(self) -> int | None:
        """Send the last byte; the answer."""
        await self.finish()
        return await self.answer()

    async def finish(self) -> None:
        """Send the last byte."""
        await self.wire.send(self._last)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        yield stack


async def wire_to(address: str, stack: AsyncExitStack) -> Wire:
    wire = await connected(address)
    stack.callback(wire.writer.close)
    return wire


async def posting(address: str, stack: AsyncExitStack) -> Upload:
    wire = await wire_to(address, stack)
    await wire.send(post(QUERY)[:-1])
    return Upload(wire, QUERY[-1:])


async def acknowledged(address: str, stack: AsyncExitStack) -> Wire:
    wire = await wire_to(address, stack)
    await wire.send(head("GET", **SOCKET))
    await wire.hear(b"\r\n\r\n")
    await wire.send(INIT)
    await wire.hear(b"connection_ack")
    return wire


async def messaging(address: str, stack: AsyncExitStack) -> Upload:
    wire = await acknowledged(address, stack)
    await wire.send(frame(1, MESSAGE)[:-1])
    return Upload(wire, MESSAGE[-1:])


async def fragmenting(address: str, stack: AsyncExitStack) -> Upload:
    wire = await acknowledged(address, stack)
    await wire.send(frame(1, MESSAGE[:-1], fin=False))
    return Upload(wire, frame(0, MESSAGE[-1:]))


WAYS = {"a body": posting, "a frame": messaging, "fragments": fragmenting}


class TestAllTogether:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, max_arriving_bytes=MIB)

    async def test_of_two_that_are_too_much_one_is_refused_and_the_other_answered(self, address: str) -> None:
        for ways in product(WAYS.values(), repeat=2):
            async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
                uploads = [await way(address, stack) for way in ways]
                answers = {asyncio.create_task(upload.answer()): upload for upload in uploads}
                refused, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
                assert {answer.result() for answer in refused} <= {503, 1013}
                (going_on,) = answers.keys() - refused
                await answers[going_on].finish()
                assert await going_on in {200, None}

    @pytest.mark.parametrize("way", WAYS)
    async def test_one_that_is_answered_or_hangs_up_counts_no_more(
        self, address: str, stack: AsyncExitStack, way: str
    ) -> None:
        for _ in range(4):
            upload = await WAYS[way](address, stack)
            assert await upload.outcome() in {200, None}
        for _ in range(4):
            (await WAYS[way](address, stack)).wire.writer.transport.abort()
        while (outcome := await (await WAYS[way](address, stack)).outcome()) in {503, 1013}:
            pass  # the server has not noticed yet
        assert outcome in {200, None}
        if way != "a body":
            await upload.wire.send(said({"type": "ping"}))
            await upload.wire.hear(b"pong")


class TestTheFirstMessage:
    """A client that is not acknowledged may have no token."""

    @pytest.mark.parametrize("length", [FIRST_MESSAGE_BYTES, FIRST_MESSAGE_BYTES + 1])
    async def test_is_at_most_64_kib(self, address: str, length: int) -> None:
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as socket:
            message = json.dumps({"type": "connection_init", "payload": {"x": ""}})
            await socket.send(message.replace('""', f'"{"x" * (length - len(message))}"'))
            if length > FIRST_MESSAGE_BYTES:
                await closed(socket)
                assert socket.close_code == 1009
            else:
                assert json.loads(await socket.recv()) == {"type": "connection_ack"}

    async def test_is_refused_as_soon_as_its_length_is_known(self, address: str, stack: AsyncExitStack) -> None:
        wire = await wire_to(address, stack)
        await wire.send(head("GET", **SOCKET))
        await wire.hear(b"\r\n\r\n")
        await wire.send(frame(1, bytes(FIRST_MESSAGE_BYTES + 1))[:20])
        await wire.hear_all()
        assert close_code_of(wire.heard) == 1009


class TestTime:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, request_seconds=0.2)

    @pytest.mark.parametrize("beginning", [frame(1, b"{", fin=False), frame(1, MESSAGE)[:-1], frame(1)[:1]], ids=len)
    async def test_a_message_that_does_not_end_closes_its_socket_with_4408(
        self, address: str, stack: AsyncExitStack, beginning: bytes
    ) -> None:
        wire = await acknowledged(address, stack)
        await wire.send(beginning)
        await wire.hear_all()
        assert close_code_of(wire.heard) == 4408

    async def test_that_it_is_slow_to_begin_does_not(self, address: str, app: App) -> None:
        """The time of an earlier message is over with it."""
        async with opened(websocket_url(address)) as quiet, opened(websocket_url(address)) as slow:
            await quiet.connection.send(["{", '"type": "ping"}'])
            assert (await quiet.receive())["type"] == "pong"
            await slow.connection.send('{"type": "ping"}')
            assert (await slow.receive())["type"] == "pong"
            unfinished = asyncio.create_task(slow.connection.send(begun_and_left()))
            await closed(slow.connection)  # so its time has passed, which began after that of the quiet one
            unfinished.cancel()
            await quiet.send({"type": "ping"})
            assert (await quiet.receive())["type"] == "pong"


async def begun_and_left() -> AsyncIterator[str]:
    """A message whose first fragment is never followed by another."""
    yield "{"
    await asyncio.Event().wait()


async def closed(socket: ClientConnection) -> None:
    async with asyncio.timeout(PATIENCE):
        await socket.wait_closed()


async def test_a_socket_that_hangs_up_in_the_middle_of_a_frame_gives_its_bytes_back(
    app: App, database_url: str, stack: AsyncExitStack
) -> None:
    """Also where the collector does not run: websockets' parser and its reader refer to each other."""
    async with served(app, Settings(database_url=database_url)) as address:
        gc.disable()
        try:
            wires = [await acknowledged(address, stack) for _ in range(4)]
            for wire in wires:
                await wire.send(frame(1, bytes(4_000_000))[:-10])
            await eventually(lambda: bytes_in_readers() > 4 * 3_900_000)
            for wire in wires:
                wire.writer.transport.abort()
            await eventually(lambda: bytes_in_readers() == 0)
        finally:
            gc.enable()


def bytes_in_readers() -> int:
    return sum(len(each.buffer) for each in gc.get_objects() if type(each) is StreamReader)
