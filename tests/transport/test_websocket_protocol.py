"""graphql-transport-ws, message by message: what graphql-ws's PROTOCOL.md says a server must do.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from graph.settings import Settings
from graph.transport.websocket import MAX_ID
from tests.tools.api import Api
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("the protocol is the same whatever is stored where")

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}
QUERY = {"query": "{ __typename }"}
NO_OBJECTS: tuple[Any, ...] = ([], "token", 5, True)
QUIET = {"query": "subscription { jobChanged { id } }"}
"""An operation that goes on, and says nothing."""
FROM_NOW = "subscription ($id: ID!) { jobChanged(id: $id, current: true) { id } }"
"""One that says at once that it has begun."""


@pytest.fixture(autouse=True)
def nothing_is_logged(address: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, it is no error of the server's."""
    uvicorn = logging.getLogger("uvicorn")  # whose records go no further
    uvicorn.addHandler(caplog.handler)
    yield
    uvicorn.removeHandler(caplog.handler)
    records = caplog.get_records("call")
    assert [record.getMessage() for record in records if record.levelno >= logging.WARNING] == []


@pytest.fixture
async def fresh(address: str) -> AsyncIterator[ClientConnection]:
    """A socket on which nothing was said yet."""
    async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
        yield connection


async def assert_closed(address: str, *messages: Any, code: int = 4400) -> None:
    """A new socket on which these are sent, texts as they are, is closed with that code, and with a reason."""
    async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as connection:
        for message in messages:
            await connection.send(message if isinstance(message, str) else json.dumps(message))
        received, reason = await closed(connection)
    assert (received, bool(reason)) == (code, True), messages


async def closed(connection: ClientConnection) -> tuple[int, str]:
    """How the server closes the socket: the code and the reason of its close frame; 1006 where it sends none."""
    async with asyncio.timeout(PATIENCE):
        await connection.wait_closed()
    return connection.close_code or 1006, connection.close_reason or ""


async def said(connection: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE):
        return json.loads(await connection.recv())


def subscribe(id: Any = "1", payload: Any = QUERY) -> dict[str, Any]:
    return {"id": id, "type": "subscribe", "payload": payload}


class TestTheSocket:
    async def test_the_subprotocol_is_chosen_among_those_the_client_offers(self, address: str) -> None:
        offers = [Subprotocol("other"), PROTOCOL]
        async with connect(websocket_url(address), subprotocols=offers) as connection:
            assert connection.subprotocol == PROTOCOL

    @pytest.mark.parametrize("offer", [None, [Subprotocol("graphql-ws")], [Subprotocol("graphql-sse")]])
    async def test_without_the_subprotocol_it_is_closed_with_4406(
        self, address: str, offer: list[Subprotocol] | None
    ) -> None:
        async with connect(websocket_url(address), subprotocols=offer) as connection:
            assert connection.subprotocol is None
            assert (await closed(connection))[0] == 4406


class TestConnectionInit:
    @pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"token": "x"}}])
    async def test_it_is_acknowledged_with_or_without_a_payload(
        self, fresh: ClientConnection, payload: dict[str, Any]
    ) -> None:
        await fresh.send(json.dumps({**INIT, **payload}))
        assert await said(fresh) == ACK

    async def test_a_payload_that_is_no_object_closes_with_4400(self, address: str) -> None:
        for payload in NO_OBJECTS:
            await assert_closed(address, {**INIT, "payload": payload})

    async def test_a_second_one_closes_with_4429(self, fresh: ClientConnection) -> None:
        await fresh.send(json.dumps(INIT))
        await fresh.send(json.dumps(INIT))
        assert await closed(fresh) == (4429, "Too many initialisation requests")


class TestConnectionInitTooLate:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, init_seconds=0.2)

    async def test_a_socket_without_one_in_time_is_closed_with_4408(self, fresh: ClientConnection) -> None:
        await fresh.send(json.dumps({"type": "ping"}))  # which does not stand in for it
        assert await closed(fresh) == (4408, "Connection initialisation timeout")


class TestConnectionInitInTime:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, init_seconds=3)

    async def test_keeps_the_socket_open_beyond_that_time(self, fresh: ClientConnection, address: str) -> None:
        await fresh.send(json.dumps(INIT))
        assert await said(fresh) == ACK
        async with connect(websocket_url(address), subprotocols=[PROTOCOL]) as later:
            assert (await closed(later))[0] == 4408
        await fresh.send(json.dumps(subscribe()))
        assert (await said(fresh))["type"] == "next"


class TestPingAndPong:
    @pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {"at": 1}}])
    async def test_a_ping_is_answered_with_a_pong(self, socket: Socket, payload: dict[str, Any]) -> None:
        await socket.send({"type": "ping", **payload})
        assert (await socket.receive())["type"] == "pong"

    async def test_a_ping_is_answered_before_the_socket_is_acknowledged(self, fresh: ClientConnection) -> None:
        await fresh.send(json.dumps({"type": "ping"}))
        assert (await said(fresh))["type"] == "pong"

    async def test_a_pong_that_nobody_asked_for_is_fine(self, socket: Socket) -> None:
        await socket.send({"type": "pong", "payload": {"at": 1}})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"

    async def test_a_payload_that_is_no_object_closes_with_4400(self, address: str) -> None:
        for type in ("ping", "pong"):
            for payload in NO_OBJECTS:
                await assert_closed(address, INIT, {"type": type, "payload": payload})


class TestSubscribe:
    async def test_before_the_acknowledgement_it_closes_with_4401(self, fresh: ClientConnection) -> None:
        await fresh.send(json.dumps(subscribe()))
        assert await closed(fresh) == (4401, "Unauthorized")

    async def test_a_query_is_answered_then_completed(self, socket: Socket) -> None:
        await socket.send(subscribe("q"))
        assert await socket.receive() == {"id": "q", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await socket.receive() == {"id": "q", "type": "complete"}

    async def test_a_mutation_is_done_then_completed(self, socket: Socket, api: Api) -> None:
        id = await api.created()
        query = "mutation M($id: ID!) { startJob(id: $id) { __typename } } query Q { __typename }"
        await socket.send(subscribe("m", {"query": query, "variables": {"id": id}, "operationName": "M"}))
        message = await socket.receive()
        assert message["payload"] == {"data": {"startJob": {"__typename": "StartJobSuccess"}}}
        assert await socket.receive() == {"id": "m", "type": "complete"}
        assert (await api.job(id))["status"] == "RUNNING"

    async def test_members_that_are_null_are_left_out(self, socket: Socket) -> None:
        await socket.send(subscribe("1", {**QUERY, "variables": None, "operationName": None, "extensions": None}))
        assert (await socket.receive())["type"] == "next"

    @pytest.mark.parametrize("name", [None, "B"])
    async def test_of_several_operations_one_is_named_or_none_is_run(self, socket: Socket, name: str | None) -> None:
        query = "query A { a: __typename } query B { b: __typename }"
        await socket.send(subscribe("1", {"query": query, "operationName": name}))
        payload = (await socket.receive())["payload"]
        if name:
            assert payload == {"data": {"b": "Query"}}
        else:
            assert "operation name" in json.dumps(payload)
            assert '"Query"' not in json.dumps(payload)

    async def test_an_id_that_is_in_use_closes_with_4409(self, socket: Socket) -> None:
        await socket.send(subscribe("same", QUIET))
        await socket.send(subscribe("same"))
        assert await closed(socket.connection) == (4409, "Subscriber for same already exists")

    @pytest.mark.parametrize("character", ["x", "é", "🚂"])
    async def test_a_reason_too_long_for_a_close_frame_is_cut(self, socket: Socket, character: str) -> None:
        await socket.send(subscribe(character * MAX_ID, QUIET))
        await socket.send(subscribe(character * MAX_ID))
        code, reason = await closed(socket.connection)
        assert code == 4409
        assert reason.startswith(f"Subscriber for {character * 20}")
        assert 119 < len(reason.encode()) <= 123

    async def test_an_id_is_free_again_once_its_operation_has_completed_or_was_refused(self, socket: Socket) -> None:
        for _ in range(3):
            await socket.send(subscribe("again", {"query": "{"}))
            assert (await socket.receive())["type"] == "error"
            await socket.send(subscribe("again"))
            assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]


class TestError:
    @pytest.mark.parametrize(
        "payload",
        [
            {"query": ""},
            {"query": "{"},
            {"query": "{ nobody }"},
            {"query": "{ jobs(limit: 1" + "0" * 5_000 + ") { id } }"},
            {"query": "{ __typename }", "operationName": "Nobody"},
            {"query": "subscription ($id: ID!) { jobChanged(id: $id) { id } }", "variables": {"id": [1]}},
            {"query": "subscription { metricAdded(jobId: 99) { seq } }"},
            {"query": "subscription S { jobChanged { id } jobChanged2: jobChanged { id } }"},
        ],
        ids=lambda payload: json.dumps(payload["query"])[:60],
    )
    async def test_what_is_wrong_with_an_operation_ends_that_one_and_leaves_the_others(
        self, socket: Socket, api: Api, payload: dict[str, Any]
    ) -> None:
        job = await api.created()
        await socket.send(subscribe("other", {"query": FROM_NOW, "variables": {"id": job}}))
        told = {"id": "other", "type": "next", "payload": {"data": {"jobChanged": {"id": job}}}}
        assert await socket.receive() == told, "it has begun"
        await socket.send(subscribe("wrong", payload))
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("wrong", "error")
        assert all(error["message"] for error in message["payload"])
        assert "INTERNAL_SERVER_ERROR" not in str(message), "it is the client's"
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong", "no complete follows an error"
        await api.start(job)
        assert await socket.receive() == told

    @pytest.mark.parametrize(
        "payload",
        [
            {"query": "query ($id: ID!) { job(id: $id) { id } }"},
            {"query": "query ($id: ID!) { job(id: $id) { id } }", "variables": {"id": [1]}},
        ],
        ids=json.dumps,
    )
    async def test_what_the_execution_of_a_query_refuses_is_told_as_its_result(
        self, socket: Socket, payload: dict[str, Any]
    ) -> None:
        """As graphql-ws's own server does: the document was valid, its execution was not."""
        await socket.send(subscribe("1", payload))
        message = await socket.receive()
        assert message["type"] == "next"
        assert message["payload"]["data"] is None
        assert message["payload"]["errors"][0]["message"]
        assert await socket.receive() == {"id": "1", "type": "complete"}


class TestComplete:
    async def test_nothing_more_of_the_operation_is_sent(self, socket: Socket, api: Api) -> None:
        job = await api.created()
        for id in ("leaves", "stays"):
            await socket.send(subscribe(id, {"query": FROM_NOW, "variables": {"id": job}}))
            assert (await socket.receive())["id"] == id, "it has begun"
        await socket.send({"id": "leaves", "type": "complete"})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        for change in (api.start, api.fail):
            await change(job)
            assert (await socket.receive())["id"] == "stays"

    async def test_its_id_is_free_again_at_once(self, socket: Socket, api: Api) -> None:
        for _ in range(20):
            await socket.send(subscribe("again", QUIET))
            await socket.send({"id": "again", "type": "complete"})
        await socket.send(subscribe("again"))
        assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]

    @pytest.mark.parametrize("id", ["never", "done"])
    async def test_for_an_id_that_is_not_in_use_it_is_ignored(self, socket: Socket, id: str) -> None:
        await socket.send(subscribe("done"))
        assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]
        await socket.send({"id": id, "type": "complete"})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


class TestInvalidMessages:
    async def test_what_is_no_message_of_the_protocol_closes_with_4400(self, address: str) -> None:
        for text in (
            "",
            "{",
            "[]",
            "NaN",
            "{}",
            '{"type": null}',
            '{"type": ["ping"]}',
            '{"type": "start"}',
            '{"type": "connection_ack"}',
            '{"type": "ping", "payload": "\\ud800"}',
            '{"type": "' + "x" * 1_000 + '"}',
            "[" * 3_000,
        ):
            await assert_closed(address, text)
            await assert_closed(address, INIT, text)

    async def test_a_binary_frame_closes_with_4400(self, socket: Socket) -> None:
        await socket.connection.send(b'{"type": "ping"}')
        assert (await closed(socket.connection))[0] == 4400

    async def test_text_that_is_not_utf_8_closes_with_1007_as_websockets_have_it(self, socket: Socket) -> None:
        await socket.connection.send(b'{"type": "\xff"}', text=True)
        assert (await closed(socket.connection))[0] == 1007

    async def test_an_id_that_is_no_text_or_empty_or_left_out_closes_with_4400(self, address: str) -> None:
        for type in ("subscribe", "complete"):
            for id in (None, "", 5, ["1"], {"a": 1}):
                await assert_closed(address, INIT, {"id": id, "type": type, "payload": QUERY})
            await assert_closed(address, INIT, {"type": type, "payload": QUERY})

    @pytest.mark.parametrize("type", ["subscribe", "complete"])
    async def test_an_id_is_as_long_as_256_characters_and_a_longer_one_closes_with_4400(
        self, socket: Socket, type: str
    ) -> None:
        """It stands in each message of its operation."""
        await socket.send({"id": "🚂" * MAX_ID, "type": "complete"})
        await socket.send(subscribe("🚂" * MAX_ID))
        assert (await socket.receive())["id"] == "🚂" * MAX_ID
        await socket.send({"id": "1" * (MAX_ID + 1), "type": type, "payload": QUERY})
        assert await closed(socket.connection) == (4400, "The id of a message has 256 characters at most")

    async def test_a_subscribe_whose_payload_is_not_as_it_should_be_closes_with_4400(self, address: str) -> None:
        odd: list[dict[str, Any]] = [{"variables": []}, {"operationName": 5}, {"extensions": []}]
        for payload in (*NO_OBJECTS, None, {}, {"query": None}, {"query": 5}, *({**QUERY, **each} for each in odd)):
            await assert_closed(address, INIT, subscribe("1", payload))

    async def test_members_that_the_protocol_does_not_know_are_passed_over(self, socket: Socket) -> None:
        await socket.send({**subscribe("1", {**QUERY, "more": 1}), "more": {"a": []}})
        assert (await socket.receive())["type"] == "next"
