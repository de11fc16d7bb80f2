"""Where one request ends and the next begins is read in one way only: no body is ever answered as a request.

A proxy that reads it in another way would give one of its clients what another one asked for: RFC 9112, 11.2.
"""

import asyncio

import httpx
import pytest

from graph.process.http_connection import MAX_PIPELINED
from tests.tools.api import Api
from tests.tools.waiting import PATIENCE
from tests.tools.wire import SMUGGLED, SOCKET, STATUS, SWITCHED, connected, head

pytestmark = pytest.mark.sqlite_alone("framing is the same whatever is stored where")

HELLO = b'{"query": "{ __typename }"}'
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(HELLO), HELLO)
KEPT = {"Connection": "keep-alive"}
JSON = {"Content-Type": "application/json"}
HEALTHY = head("GET", "/healthz", **KEPT)


async def heard(address: str, *pieces: bytes) -> bytes:
    """All that is answered to pieces of which each is sent once the one before it has been answered."""
    async with asyncio.timeout(PATIENCE):
        wire = await connected(address)
        for piece in pieces[:-1]:
            await wire.send(piece)
            await wire.hear(b"\r\n\r\n")
        await wire.send(pieces[-1])
        await wire.hear_all()
        wire.writer.close()
    return wire.heard


async def answers(address: str, *pieces: bytes) -> list[int]:
    """The statuses of all that is answered to them."""
    return [int(status) for status in STATUS.findall(await heard(address, *pieces))]


def asking(*lines: str, body: bytes = b"", first: str = "POST /graphql HTTP/1.1") -> bytes:
    """A POST after which the connection is to be kept."""
    lines = (first, "Host: localhost", "Content-Type: application/json", *lines, "", "")
    return "\r\n".join(lines).encode("latin-1") + body


LENGTH = f"Content-Length: {len(HELLO)}"
IN_CHUNKS = "Transfer-Encoding: chunked"


class TestAnUpgrade:
    async def test_to_a_socket_of_a_request_with_a_body_is_refused_and_the_body_is_no_request(
        self, address: str
    ) -> None:
        for said, body in (
            ({"Content-Length": str(len(SMUGGLED))}, SMUGGLED),
            ({"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        ):
            beginning = head("GET", **JSON | SOCKET | said)
            for pieces in ([beginning, body], [beginning + body]):
                assert await answers(address, *pieces) == [400]

    async def test_to_what_is_not_spoken_here_is_passed_over_and_nothing_is_read_after_it(self, address: str) -> None:
        for protocol in ("h2c", "foo"):
            request = head("GET", "/healthz", Connection="Upgrade", Upgrade=protocol)
            for pieces in ([request, SMUGGLED], [request + SMUGGLED]):
                answer = await heard(address, *pieces)
                assert STATUS.findall(answer) == [b"200"]
                assert b"\r\nconnection: close\r\n" in answer

    @pytest.mark.parametrize("size", [1, 7, 60, 10_000])
    @pytest.mark.parametrize("by", ["a length", "chunks"])
    async def test_to_what_is_not_spoken_here_takes_no_body_from_its_request(
        self, address: str, by: str, size: int
    ) -> None:
        """Java's HttpClient asks for h2c with every POST, unless set to HTTP/1.1. Pieces are of any size."""
        lines = ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAAB"]
        said, body = (LENGTH, HELLO) if by == "a length" else (IN_CHUNKS, CHUNKS + b"\r\n")
        request = HEALTHY + asking(*lines, said, body=body)
        pieces = [request[start : start + size] for start in range(0, len(request), size)]
        pieces[-1] += asking(*lines, said, body=body) + SMUGGLED  # of which nothing is read
        async with asyncio.timeout(PATIENCE):
            wire = await connected(address)
            for piece in pieces:
                await wire.send(piece)
                await asyncio.sleep(0)
            await wire.hear_all()
            wire.writer.close()
        _, answer = wire.heard.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b'\r\n\r\n{"data":{"__typename":"Query"}}')

    async def test_by_connect_is_refused(self, address: str) -> None:
        assert await answers(address, head("CONNECT", **KEPT) + SMUGGLED) == [400]

    @pytest.mark.parametrize("change", [{"Origin": "null"}, {"Sec-WebSocket-Version": "12"}], ids=str)
    async def test_to_a_socket_that_is_refused_is_the_last_of_its_connection(
        self, address: str, change: dict[str, str]
    ) -> None:
        assert await answers(address, head("GET", **SOCKET | change), SMUGGLED) in ([400], [403])

    async def test_to_a_socket_is_by_get_and_by_http_1_1(self, address: str) -> None:
        handshake = head("GET", **SOCKET)
        assert await answers(address, handshake.replace(b"GET", b"POST") + SMUGGLED) == [400]
        assert await answers(address, handshake.replace(b"HTTP/1.1", b"HTTP/1.0") + SMUGGLED) == [400]

    async def test_to_a_socket_comes_to_nothing_while_an_earlier_request_is_answered(self, address: str) -> None:
        """Or else the answers would come in another order, or one within the other."""
        assert await answers(address, HEALTHY + head("GET", **SOCKET) + SMUGGLED) == []

    async def test_to_a_socket_may_follow_requests_that_are_answered(self, address: str) -> None:
        async with asyncio.timeout(PATIENCE):
            wire = await connected(address)
            await wire.send(HEALTHY)
            await wire.hear(b"}")
            await wire.send(head("GET", **SOCKET))
            await wire.hear(SWITCHED)
            wire.writer.close()


class TestABody:
    async def test_ends_where_its_length_or_its_chunks_do_and_the_next_request_begins(self, address: str) -> None:
        for request in (
            asking(LENGTH, body=HELLO),
            asking(IN_CHUNKS, body=CHUNKS + b"\r\n"),
            asking(IN_CHUNKS, body=CHUNKS + b"X-A: a trailer\r\n\r\n"),
            asking("Transfer-Encoding: Chunked", body=b"0" * 20 + CHUNKS + b"\r\n"),
            asking(LENGTH, body=HELLO, first="GET /healthz HTTP/1.1"),
            asking(LENGTH, body=HELLO, first="HEAD /healthz HTTP/1.1"),
            asking(IN_CHUNKS, body=CHUNKS + b"\r\n", first="HEAD /healthz HTTP/1.1"),
        ):
            assert await answers(address, request + SMUGGLED) == [200, 200], request

    async def test_whose_end_is_said_in_more_than_one_way_is_refused(self, address: str) -> None:
        for lines in (
            [LENGTH, IN_CHUNKS],
            [LENGTH, "Content-Length: 0"],
            [f"{LENGTH}, {len(HELLO)}"],
            ["Content-Length:"],
            [f"Content-Length : {len(HELLO)}"],
            [f"Content-Length:\r\n {len(HELLO)}"],
            [f"{LENGTH}\rX-A: a"],
            ["Transfer-Encoding:"],
            ["Transfer-Encoding:\r\n chunked"],
            ["Transfer-Encoding: identity", LENGTH],
            ["Transfer-Encoding: chunked, identity"],
            ["Transfer-Encoding: gzip, chunked"],
            ["Transfer-Encoding: identity", IN_CHUNKS],
            [f"{IN_CHUNKS}\t"],
            [f"X-A: a\n{IN_CHUNKS}"],
        ):
            for body in (HELLO, CHUNKS + b"\r\n"):
                assert await answers(address, asking(*lines, body=body + SMUGGLED)) == [400], lines

    async def test_in_chunks_that_are_not_as_they_should_be_is_refused(self, address: str) -> None:
        for body in (
            CHUNKS.replace(b"\r\n", b"\n", 1),
            CHUNKS.replace(b"}\r\n", b"}"),
            CHUNKS.replace(b"0\r\n", b"0\n"),
            CHUNKS.replace(b"\r\n", b" \r\n", 1),
            CHUNKS.replace(b"\r\n", b";a\nb\r\n", 1),
            b" " + CHUNKS,
            b"0x" + CHUNKS,
            b"1" + b"0" * 14 + CHUNKS,
            b"\r\n" + CHUNKS,
            CHUNKS + b"Content-Length: 9\r\n",
            CHUNKS + b"X-A: 1\n",
            CHUNKS + b"GET /healthz HTTP/1.1\r\n",
        ):
            assert await answers(address, asking(IN_CHUNKS, body=body + b"\r\n" + SMUGGLED)) == [400], body

    async def test_in_chunks_is_none_of_http_1_0(self, address: str) -> None:
        request = asking(IN_CHUNKS, "Connection: keep-alive", body=CHUNKS + b"\r\n", first="POST /graphql HTTP/1.0")
        assert await answers(address, request + SMUGGLED) == [400]

    async def test_of_a_refused_request_is_read_all_the_same(self, address: str) -> None:
        elsewhere = asking(f"Content-Length: {len(SMUGGLED)}").replace(b"localhost", b"evil.example")
        assert await answers(address, elsewhere, SMUGGLED + SMUGGLED) == [421, 200]


class TestAnExpectation:
    """A client that waits for 100 Continue may send the body after a refusal, or the next request."""

    async def test_that_is_not_met_ends_the_connection(self, address: str) -> None:
        request = asking("Expect: 100-continue", f"Content-Length: {len(SMUGGLED)}")
        assert await answers(address, request.replace(b"localhost", b"evil.example"), SMUGGLED * 2) == [421]

    async def test_that_is_met_is_followed_by_the_answer(self, address: str) -> None:
        assert await answers(address, asking("Expect: 100-continue", LENGTH), HELLO + SMUGGLED) == [100, 200]


class TestTheLastRequest:
    async def test_is_one_of_http_1_0_and_what_comes_after_it_is_not_done(self, address: str) -> None:
        first = asking("Connection: keep-alive", first="GET /nothing HTTP/1.0").replace(b"localhost", b"evil.example")
        mutation = (
            b'{"query": "mutation { createJob(input: {name: \\"a\\", modelName: \\"b\\", epochs: 1, '
            b'learningRate: 0.1}) { __typename } }"}'
        )
        for size in (0, 30_000):  # of which the longer is read after the answer
            late = asking(f"X-A: {'a' * size}", f"Content-Length: {len(mutation)}", body=mutation)
            assert await answers(address, first + late) == [421]
        async with httpx.AsyncClient(base_url=address) as http:
            assert await Api(http).data("{ jobs { id } }") == {"jobs": []}

    @pytest.mark.parametrize("version", ["0.9", "2.0"])
    async def test_is_one_of_a_version_that_is_not_spoken_here(self, address: str, version: str) -> None:
        request = asking("Connection: keep-alive", first=f"GET /healthz HTTP/{version}")
        assert await answers(address, request + SMUGGLED) == [400]


async def test_what_is_no_request_ends_a_stream_that_it_comes_behind(address: str) -> None:
    body = b'{"query": "subscription { jobChanged { id } }"}'
    request = asking("Accept: text/event-stream", f"Content-Length: {len(body)}", body=body)
    assert await answers(address, request, b"garbage\r\n\r\n") == [200]


async def test_what_is_no_request_closes_a_connection_that_still_waits_for_an_answer(address: str) -> None:
    assert await answers(address, HEALTHY + b"garbage\r\n\r\n" + SMUGGLED) == []


async def test_a_trailer_may_say_that_a_request_is_the_last(address: str) -> None:
    """httptools reads nothing after it, so the client must not be left to wait."""
    assert await answers(address, asking(IN_CHUNKS, body=CHUNKS + b"Connection: close\r\n\r\n") + SMUGGLED) == [200]


async def test_too_many_requests_that_wait_on_one_connection_close_it(address: str) -> None:
    """Each costs memory, and the time to read it, before the first of them is answered."""
    many = HEALTHY * MAX_PIPELINED
    assert await answers(address, many + SMUGGLED) == [200] * (MAX_PIPELINED + 1)
    assert await answers(address, HEALTHY + many + SMUGGLED) == []
