"""What an HTTP connection may hold, and for how long; how many streams there may be; how much a socket may say."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from http.client import HTTPConnection

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from graph.app import App
from graph.settings import Settings
from tests.tools.inside import Inside
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.waiting import PATIENCE
from tests.tools.wire import connected, head, post

pytestmark = pytest.mark.sqlite_alone("limits of connections, not of the store")

HEADER_BYTES = 2_000
HELLO = b'{"query": "{ __typename }"}'
SUBSCRIBE = {"query": "subscription { jobChanged { id } }"}


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        max_header_bytes=HEADER_BYTES,
        max_sockets=3,
        max_messages_a_second=10,
    )


async def answer_to(address: str, *pieces: bytes) -> bytes:
    """All that is answered to some pieces, each of which the server may read by itself, until it closes."""
    async with asyncio.timeout(PATIENCE):
        wire = await connected(address)
        for piece in pieces:
            await wire.send(piece)
            for _ in range(10):
                await asyncio.sleep(0)
        await wire.hear_all()
        wire.writer.close()
    return wire.heard


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


class TestByDefault:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url)

    async def test_ten_thousand_points_of_fourteen_names_are_taken(self, address: str) -> None:
        """The longest batch of points, with as many names as loops have: some 7 MB."""
        values = {f"train/some_quantity_of_a_loop_{number:02}": 0.1234567890123 for number in range(14)}
        metrics = [{"step": step, "scalars": values, "loggedAt": "2026-11-30T12:00:00Z"} for step in range(10_000)]
        create = 'mutation { createJob(input: {name: "a", start: true}) { ... on CreateJobSuccess { job { id } } } }'
        log = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) {
            ... on LogMetricsSuccess { recorded job { metricCount } } } }"""
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            made = (await http.post("/graphql", json={"query": create})).json()["data"]["createJob"]["job"]
            variables = {"id": made["id"], "metrics": metrics}
            answer = await http.post("/graphql", json={"query": log, "variables": variables})
        assert int(answer.request.headers["Content-Length"]) > 7_000_000
        assert answer.json()["data"]["logMetrics"] == {"recorded": 10_000, "job": {"metricCount": 10_000}}


class TestTime:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, request_seconds=0.1)

    @pytest.mark.parametrize(
        "beginning",
        [
            b"GET / HT",
            head("GET")[:-2],
            post(HELLO)[:-1],
            head(Content_Type="application/json", Transfer_Encoding="chunked") + b"5\r\nab",
        ],
        ids=["a line", "a head", "a body", "a chunk"],
    )
    async def test_a_request_that_does_not_end_is_refused_with_408(self, address: str, beginning: bytes) -> None:
        assert status_of(await answer_to(address, beginning)) == 408

    async def test_a_connection_without_a_request_is_closed_without_an_answer(self, address: str) -> None:
        assert await answer_to(address) == b""


class TestTimeEnough:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, request_seconds=3, ping_seconds=4)

    async def test_a_request_that_ends_in_time_is_served(self, address: str) -> None:
        whole = post(HELLO)
        assert status_of(await answer_to(address, whole[:40], whole[40:])) == 200

    async def test_a_body_that_outlasts_its_answer_closes_the_connection_without_another(self, address: str) -> None:
        answer = await answer_to(address, head(host="evil.example", Content_Length="9", Connection="keep-alive"))
        assert (status_of(answer), answer.count(b"HTTP/1.1 ")) == (421, 1)

    async def test_a_stream_lasts_longer_than_a_request_may(self, address: str) -> None:
        """Its first sign of life comes later than that."""
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            headers = {"Accept": "text/event-stream"}
            async with http.stream("POST", "/graphql", headers=headers, json=SUBSCRIBE) as stream:
                assert (await anext(stream.aiter_bytes())).startswith(b":")


class TestLength:
    @staticmethod
    def with_head_of(size: int) -> bytes:
        """A request whose headers and address are so many bytes long."""
        request = post(HELLO, X_A="")
        lines = request.partition(b"\r\n\r\n")[0].partition(b"\r\n")[2]
        have = len("/graphql") + len(lines) + len("\r\n")
        return request.replace(b"X-A: ", b"X-A: " + b"a" * (size - have))

    @pytest.mark.parametrize("pieces", [1, 3])
    async def test_a_head_just_short_enough_is_taken_and_a_longer_one_refused_with_431(
        self, address: str, pieces: int
    ) -> None:
        for size, status in ((HEADER_BYTES, 200), (HEADER_BYTES + 1, 431)):
            request = self.with_head_of(size)
            step = len(request) // pieces + 1
            parts = [request[at : at + step] for at in range(0, len(request), step)]
            assert status_of(await answer_to(address, *parts)) == status

    async def test_trailers_are_no_headers(self, address: str) -> None:
        chunk = b"%x\r\n%s\r\n0\r\nOrigin: http://evil.example\r\n\r\n" % (len(HELLO), HELLO)
        request = head(Content_Type="application/json", Transfer_Encoding="chunked") + chunk
        assert status_of(await answer_to(address, request)) == 200


class TestStreams:
    async def test_they_count_among_the_sockets_and_one_too_many_is_refused_with_503(
        self, app: App, address: str
    ) -> None:
        inside = Inside(app)
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
                asking = http.build_request("POST", "/graphql", json=SUBSCRIBE, headers={"Accept": accept})
                async with AsyncExitStack() as stack:
                    await stack.enter_async_context(opened(websocket_url(address)))
                    for _ in range(2):
                        response = await http.send(asking, stream=True)
                        stack.push_async_callback(response.aclose)
                        assert response.status_code == 200
                    refused = await http.send(asking)
                    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
                    assert (
                        await http.post("/graphql", content=HELLO, headers={"Content-Type": "application/json"})
                    ).status_code == 200
                await inside.comes_to()


class TestMessages:
    async def test_three_seconds_worth_may_come_at_once(self, socket: Socket) -> None:
        for _ in range(28):  # and one began the socket
            await socket.send({"type": "ping"})
        for _ in range(28):
            assert (await socket.receive())["type"] == "pong"

    @pytest.mark.parametrize("kind", ["messages", "pings", "empty pieces"])
    async def test_more_close_the_socket_with_4429(self, socket: Socket, kind: str) -> None:
        connection = socket.connection
        if kind == "empty pieces":
            await asyncio.wait({asyncio.ensure_future(connection.send([""] * 2_000))}, timeout=PATIENCE)
        else:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(1_000):
                    await (socket.send({"type": "pong"}) if kind == "messages" else connection.ping())
        async with asyncio.timeout(PATIENCE):
            await connection.wait_closed()
        assert (connection.close_code, connection.close_reason) == (4429, "Too many messages")


class TestABodyThatIsTooLong:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, max_message_bytes=1024)

    @pytest.mark.parametrize("connection", ["close", "keep-alive"])
    async def test_a_client_that_sends_all_of_it_before_it_reads_learns_of_it(
        self, address: str, connection: str
    ) -> None:
        """As urllib and requests do: a connection that is closed while bytes arrive would be reset."""

        def post() -> int:
            with contextlib.closing(HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)) as client:
                headers = {"Content-Type": "application/json", "Connection": connection}
                client.request("POST", "/graphql", b"x" * 10_000_000, headers)
                return client.getresponse().status

        assert await asyncio.to_thread(post) == 413

    async def test_one_that_never_ends_is_broken_off(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("graph.process.http_connection.LINGER_BYTES", 100_000)
        wire = await connected(address)
        endless = head(Content_Type="application/json", Content_Length=str(10**9), Connection="close")

        async def send() -> None:
            wire.writer.write(endless)
            while True:
                wire.writer.write(b"x" * 65_536)
                await wire.writer.drain()

        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionError):
                await send()
        wire.writer.close()
