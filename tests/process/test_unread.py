"""Long answers stay in memory until they are read, and all of them together within a bound."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from graph.process.unread import Held, Unread
from tests.tools.api import Api
from tests.tools.domain import eventually
from tests.tools.process import ServerProcess, files_of
from tests.tools.sockets import PATIENCE
from tests.transport.test_socket_limits import mute_peer, small_peer

pytestmark = pytest.mark.sqlite_alone("what is held in memory does not depend on the store")

MIB = 2**20
POINTS = 10_000
# Its names are long: an answer is made in a moment.
QUERY = (
    f"query ($id: ID!) {{ job(id: $id) {{ metrics(limit: {POINTS}) {{ seq {'x' * 400}: step {'y' * 400}: step }} }} }}"
)
LENGTH = range(7 * MIB, 10 * MIB)
"""Of an answer to it: of each, systems keep some four millions of bytes themselves."""


@pytest.fixture
def server(database_url: str) -> Iterator[ServerProcess]:
    """A server that holds two such answers, but not three, and has little patience."""
    with ServerProcess(
        database_url, "--max-unread-bytes", str(20 * MIB), "--request-seconds", "1", "--ping-seconds", "60"
    ) as process:
        yield process


@pytest.fixture
async def job(remote: Api) -> str:
    """The id of a job with many points."""
    id = await remote.started(epochs=POINTS)
    await remote.log(id, [{"step": step} for step in range(POINTS)])
    return id


@pytest.fixture
async def answer(remote: Api, job: str) -> bytes:
    """The whole answer to the query."""
    response = await remote.http.post("/graphql", json={"query": QUERY, "variables": {"id": job}})
    assert "errors" not in response.json()
    assert len(response.content) in LENGTH
    return response.content


class Reader:
    """A client that has asked, and reads when it is told to."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.heard = bytearray()

    async def read(self, is_enough: Callable[[bytearray], bool], most: int = MIB) -> bytes:
        """What it has heard, once that is enough. Raises ConnectionError where the server hangs up before."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(2 * PATIENCE):
            while not is_enough(self.heard):
                piece = await loop.sock_recv(self.peer, most)
                if not piece:
                    raise ConnectionResetError
                self.heard += piece
        return bytes(self.heard)

    async def begin(self) -> None:
        """Return once the answer has begun to arrive."""
        await self.read(lambda heard: b'"seq"' in heard, 1024)

    async def read_bytes(self, count: int) -> None:
        """Read that many bytes."""
        await self.read(lambda heard: len(heard) >= count)

    async def read_all(self, answer: bytes) -> None:
        """Read the rest of an answer, which must be that one."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        end = answer[-100:]
        heard = await self.read(lambda heard: end in heard[-2 * MIB :])
        assert answer in heard


@asynccontextmanager
async def posted(address: str, query: str, times: int = 1, **variables: object) -> AsyncIterator[socket.socket]:
    """A peer that asks by POST, so many times at once, and reads little."""
    async with small_peer(address) as peer:
        body = json.dumps({"query": query, "variables": variables})
        head = "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        await asyncio.get_running_loop().sock_sendall(peer, times * request.encode())
        yield peer


Way = Callable[..., AbstractAsyncContextManager[socket.socket]]
Ask = Callable[[Way], Awaitable[Reader]]
both_ways = pytest.mark.parametrize("way", [posted, mute_peer], ids=["posts", "sockets"])


@pytest.fixture
async def ask(server: ServerProcess, job: str) -> AsyncIterator[Ask]:
    """Has clients ask in a way, which read the beginning of their answers."""
    async with AsyncExitStack() as stack:

        async def ask(way: Way) -> Reader:
            reader = Reader(await stack.enter_async_context(way(server.url, QUERY, id=job)))
            await reader.begin()
            return reader

        yield ask


@both_ways
async def test_up_to_the_bound_an_answer_waits_for_its_reader(
    server: ServerProcess, answer: bytes, ask: Ask, way: Way
) -> None:
    readers = [await ask(way) for _ in range(2)]
    for reader in readers:
        await reader.read_all(answer)
    assert server.log == ""


@both_ways
async def test_past_it_who_has_read_nothing_for_longest_is_cut_off_and_the_log_says_why(
    server: ServerProcess, remote: Api, answer: bytes, ask: Ask, way: Way
) -> None:
    longest, *others = [await ask(way) for _ in range(3)]
    assert await remote.data("{ __typename }") == {"__typename": "Query"}  # it was hung up on before that
    with pytest.raises(ConnectionError):
        await longest.read_all(answer)
    for reader in others:
        await reader.read_all(answer)
    (line,) = server.log.splitlines()
    assert "cut off a client" in line
    if way is posted:
        id = re.search(rb"x-request-id: (\w+)", longest.heard)
        assert id
        assert f"request_id={id[1].decode()}" in line, "its own, not that of who came last"
    assert "--max-unread-bytes" in line


@both_ways
async def test_what_was_read_or_given_up_is_counted_no_more(
    server: ServerProcess, answer: bytes, ask: Ask, way: Way
) -> None:
    pid = server.process.pid
    files = files_of(pid)
    (await ask(way)).peer.close()
    await eventually(lambda: files_of(pid) <= files)
    for _ in range(2):
        for reader in [await ask(way) for _ in range(2)]:
            await reader.read_all(answer)
    assert server.log == ""


@pytest.mark.parametrize("next", ["garbage\r\n\r\n", "POST /graphql HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "G"])
async def test_whatever_comes_behind_its_request_a_long_answer_is_sent_to_its_end(
    server: ServerProcess, answer: bytes, ask: Ask, next: str
) -> None:
    """A request behind it cannot be read to its end before the answer is, and its time is not counted."""
    reader = await ask(posted)
    await asyncio.get_running_loop().sock_sendall(reader.peer, next.encode())
    await asyncio.sleep(1.5)  # longer than a request may take to come
    await reader.read_all(answer)
    assert server.log == ""


@pytest.mark.parametrize("requests", [1, 3])
async def test_one_who_leaves_in_the_middle_of_a_long_answer_is_no_matter_for_the_log(
    server: ServerProcess, remote: Api, answer: bytes, job: str, requests: int
) -> None:
    """A transport that is closed is not written to: it would raise, and each answer that waits."""
    for size in range(100_000, len(answer), 500_000):
        async with posted(server.url, QUERY, requests, id=job) as peer:
            reader = Reader(peer)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
            await reader.read_bytes(size)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # by a reset
    assert await remote.data("{ __typename }") == {"__typename": "Query"}
    assert server.log == ""


async def test_a_client_that_says_no_more_is_sent_the_rest_of_a_long_answer_and_hung_up_on(
    server: ServerProcess, answer: bytes, ask: Ask
) -> None:
    reader = await ask(posted)
    reader.peer.shutdown(socket.SHUT_WR)
    await reader.read_all(answer)
    async with asyncio.timeout(4):  # a connection that is kept is given up after five
        assert await asyncio.get_running_loop().sock_recv(reader.peer, 1) == b""
    assert server.log == ""


async def test_a_server_that_ends_meanwhile_says_nothing_of_it(server: ServerProcess, answer: bytes, ask: Ask) -> None:
    reader = await ask(posted)
    assert await asyncio.to_thread(server.stop) == 0
    with pytest.raises(ConnectionError):
        await reader.read_all(answer)
    assert "Traceback" not in server.log


Hold = Callable[..., tuple[Unread, Held]]


class TestTheBound:
    """Of 100 bytes."""

    @pytest.fixture
    def cut(self) -> list[str]:
        """Who was cut off."""
        return []

    @pytest.fixture
    def hold(self, cut: list[str]) -> Hold:
        """Holds an answer for a reader of that name."""
        unread = Unread(100)

        def hold(name: str, size: int = 40) -> tuple[Unread, Held]:
            return unread, unread.hold(size, lambda: cut.append(name))

        return hold

    def test_for_one_that_is_longer_nobody_is_cut_off_but_others(self, hold: Hold, cut: list[str]) -> None:
        hold("long", 1_000)
        assert cut == []
        hold("other", 1)
        assert cut == ["long"]

    def test_as_many_are_cut_off_as_it_takes(self, hold: Hold, cut: list[str]) -> None:
        hold("one")
        hold("two")
        assert cut == []
        hold("long", 70)
        assert cut == ["one", "two"]

    def test_whoever_reads_stays(self, hold: Hold, cut: list[str]) -> None:
        unread, one = hold("one")
        hold("two")
        unread.moved(one)
        hold("three")
        assert cut == ["two"]

    def test_who_was_cut_off_is_counted_no_more(self, hold: Hold, cut: list[str]) -> None:
        unread, one = hold("one", 60)
        hold("two", 60)
        unread.moved(one)
        unread.let_go(one)
        hold("three")
        assert cut == ["one"]
        hold("four", 1)
        assert cut == ["one", "two"]
