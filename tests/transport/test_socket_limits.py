"""What a socket may ask for, how many there may be, and how long a peer that is gone keeps its place."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graph.admission.connection_slots import UNAUTHENTICATED_SHARE
from graph.app import App
from graph.settings import Settings
from graph.transport.websocket import MAX_HELD
from models.store.database import Database
from models.token import Scope as TokenScope
from models.tokens import Tokens
from tests.tools.api import Api
from tests.tools.inside import Inside
from tests.tools.process import ServerProcess, memory_of
from tests.tools.sockets import PROTOCOL, Socket, opened, websocket_url
from tests.tools.streaming import METRICS
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import mute_peer

pytestmark = pytest.mark.sqlite_alone("limits of sockets, not of the store")

QUIET = "subscription { jobChanged { id } }"
MESSAGE_BYTES = 100_000


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        max_socket_operations=3,
        max_sockets=4,
        max_message_bytes=MESSAGE_BYTES,
        max_document_characters=MESSAGE_BYTES,
    )


@pytest.fixture
async def inside(app: App, address: str) -> Inside:
    return Inside(app)


class TestOperations:
    async def test_one_too_many_is_answered_with_an_error_and_the_others_go_on(
        self, app: App, socket: Socket, api: Api
    ) -> None:
        first, *_ = [await socket.subscribe(QUIET) for _ in range(3)]
        await Inside(app).changes_are_heard()
        refused = await socket.subscribe("{ __typename }")
        message = await socket.message(refused)
        assert message["type"] == "error"
        assert message["payload"][0]["message"]
        job = await api.created()
        assert await socket.next(first) == {"jobChanged": {"id": job}}

    async def test_one_that_has_ended_makes_room(self, socket: Socket) -> None:
        first, *_ = [await socket.subscribe(QUIET) for _ in range(3)]
        await socket.send({"id": first, "type": "complete"})
        for _ in range(5):
            query = await socket.subscribe("{ __typename }")
            assert [(await socket.message(query))["type"] for _ in range(2)] == ["next", "complete"]


class TestMessages:
    @pytest.mark.parametrize("pieces", [1, 10], ids=["whole", "in fragments"])
    async def test_one_that_is_too_long_closes_with_1009(self, socket: Socket, pieces: int) -> None:
        query = "{ __typename }" + " " * MESSAGE_BYTES
        message = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}})
        size = len(message) // pieces + 1
        parts = [message[start : start + size] for start in range(0, len(message), size)]
        await socket.connection.send(message if pieces == 1 else parts)
        async with asyncio.timeout(PATIENCE):
            await socket.connection.wait_closed()
        assert socket.connection.close_code == 1009

    async def test_one_that_is_just_short_enough_is_taken(self, socket: Socket) -> None:
        bare = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}})
        query = "{ __typename }" + " " * (MESSAGE_BYTES - len(bare))
        await socket.send({"id": "1", "type": "subscribe", "payload": {"query": query}})
        assert (await socket.receive())["type"] == "next"


class TestSockets:
    async def test_one_too_many_is_refused_with_503_and_those_that_are_closed_make_room(
        self, address: str, inside: Inside
    ) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(4):
                await stack.enter_async_context(opened(websocket_url(address)))
            with pytest.raises(InvalidStatus) as refused:
                await connect(websocket_url(address), subprotocols=[PROTOCOL])
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
        await inside.comes_to()
        async with opened(websocket_url(address)) as socket:
            assert await socket.next(await socket.subscribe("{ __typename }")) == {"__typename": "Query"}


class TestWhoHasNotSaidWhoTheyAre:
    """Where there are tokens, a socket may send its own in its first message; before it, any client may be there."""

    @pytest.fixture
    async def secret(self, database_url: str) -> str:
        async with Database(database_url) as database:
            return (await Tokens(database).create("the only one", TokenScope.READ)).secret

    @pytest.fixture
    def settings(self, database_url: str, secret: str) -> Settings:
        return Settings(database_url=database_url, max_sockets=2 * UNAUTHENTICATED_SHARE)

    async def test_they_take_no_place_from_those_who_have(self, address: str, secret: str, inside: Inside) -> None:
        async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            for _ in range(3 * UNAUTHENTICATED_SHARE):
                await stack.enter_async_context(connect(websocket_url(address), subprotocols=[PROTOCOL]))
            for _ in range(2 * UNAUTHENTICATED_SHARE - 1):
                connection = await stack.enter_async_context(connect(websocket_url(address), subprotocols=[PROTOCOL]))
                assert await answer_to_init(connection, secret) == {"type": "connection_ack"}
            bearer = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"}
            asking = http.build_request("POST", "/graphql", json={"query": QUIET}, headers=bearer)
            stream = await http.send(asking, stream=True)
            stack.push_async_callback(stream.aclose)
            assert stream.status_code == 200
            assert (await http.send(asking)).status_code == 503
            with pytest.raises(InvalidStatus, match="503"):
                await connect(websocket_url(address), subprotocols=[PROTOCOL])
        await inside.comes_to()

    async def test_of_those_who_wait_the_first_gives_way_to_one_too_many(self, address: str, secret: str) -> None:
        """So a client that sends its token at once is accepted, however many send nothing."""
        async with AsyncExitStack() as stack:
            first, second, *_ = [
                await stack.enter_async_context(connect(websocket_url(address), subprotocols=[PROTOCOL]))
                for _ in range(3)
            ]
            async with asyncio.timeout(PATIENCE):
                await first.wait_closed()
            assert (first.close_code, first.close_reason) == (4408, "Connection initialisation timeout")
            assert await answer_to_init(second, secret) == {"type": "connection_ack"}

    async def test_one_who_says_it_when_all_places_are_taken_is_closed_with_1013(
        self, address: str, secret: str, inside: Inside
    ) -> None:
        async with AsyncExitStack() as stack:
            late = await stack.enter_async_context(connect(websocket_url(address), subprotocols=[PROTOCOL]))
            bearer = {"Authorization": f"Bearer {secret}"}
            for _ in range(2 * UNAUTHENTICATED_SHARE):
                known = connect(websocket_url(address), subprotocols=[PROTOCOL], additional_headers=bearer)
                await stack.enter_async_context(known)
            with pytest.raises(ConnectionClosed):
                await answer_to_init(late, secret)
            assert (late.close_code, late.close_reason) == (1013, "Too many sockets and streams are open.")
            await inside.comes_to(sockets=2 * UNAUTHENTICATED_SHARE)
        await inside.comes_to()

    async def test_one_who_may_not_come_in_makes_room(self, address: str, inside: Inside) -> None:
        for _ in range(5):
            async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
                with pytest.raises(ConnectionClosed):
                    await answer_to_init(connection, "tm_guessed")
                assert connection.close_code == 4403
        await inside.comes_to()


async def answer_to_init(connection: ClientConnection, secret: str) -> Any:
    """The answer to a socket that sends its token. Raises ConnectionClosed."""
    await connection.send(json.dumps({"type": "connection_init", "payload": {"token": secret}}))
    async with asyncio.timeout(PATIENCE):
        return json.loads(await connection.recv())


class TestWhatOperationsCarry:
    """Their messages are long: an operation may go on for days, and what it came with would stay as long."""

    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        assert Settings().max_message_bytes == MAX_HELD / 2
        return Settings(database_url=database_url)

    async def test_together_they_came_with_so_much_and_one_more_is_answered_with_an_error(self, socket: Socket) -> None:
        for id in ("1", "2"):
            await socket.send(quiet(id, of_length=MAX_HELD // 2))
        await socket.send(quiet("3"))
        refused = await socket.receive()
        assert (refused["id"], refused["type"]) == ("3", "error")
        assert refused["payload"][0]["extensions"] == {"code": "TOO_MUCH_AT_ONCE"}
        await socket.send({"id": "1", "type": "complete"})
        await socket.send(quiet("3", of_length=MAX_HELD // 2))
        await socket.send(quiet("4"))
        assert (await socket.receive())["id"] == "4", "the others run"

    @pytest.mark.parametrize("over", ["sockets", "HTTP"])
    async def test_what_they_do_not_need_is_forgotten(self, server: ServerProcess, over: str) -> None:
        """A server may have ten thousand sockets."""
        megabytes, streams = 3, 20
        unused = {"a": "x" * (megabytes * 2**20)}
        query = "subscription { jobChanged(id: 1, current: true) { id } }"
        asked = {"query": query, "variables": unused, "extensions": {}}
        begun, events = memory_of(server.process.pid), list[AsyncIterator[str]]()
        async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            assert await Api(http).created() == "1"
            for _ in range(streams):
                if over == "sockets":
                    socket = await stack.enter_async_context(opened(websocket_url(server.url)))
                    await socket.send({"id": "1", "type": "subscribe", "payload": asked})
                    assert (await socket.receive())["type"] == "next"
                else:
                    accepted = {"Accept": "application/json, text/event-stream"}
                    asking = http.build_request("POST", "/graphql", json=asked, headers=accepted)
                    response = await http.send(asking, stream=True)
                    stack.push_async_callback(response.aclose)
                    events.append(response.aiter_text())
                    assert "errors" not in await anext(events[-1])
            await eventually(lambda: memory_of(server.process.pid) - begun < streams * megabytes * 2**20 / 3)


def quiet(id: str, of_length: int = 0) -> dict[str, Any]:
    """A message that begins an operation which says nothing, and is so long."""
    names: list[str] = []
    query = "subscription ($names: [String!]) { jobChanged { latestMetrics { values(names: $names) { name } } } }"
    message = {"id": id, "type": "subscribe", "payload": {"query": query, "variables": {"names": names}}}
    names.append("x" * (of_length - len(json.dumps(message)) - 2))
    return message


class TestAPeerThatIsGoneWithoutAWord:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, ping_seconds=0.5)

    async def test_is_forgotten(self, api: Api, address: str, inside: Inside) -> None:
        """One that reads nothing while there is much to read is closed too: see test_write_timeout."""
        id = await api.started()
        async with mute_peer(address, METRICS, id=id):
            await inside.holds(listeners=1)
            await inside.is_as_before()
