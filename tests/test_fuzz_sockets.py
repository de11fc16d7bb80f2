"""hypothesis says whatever it likes over sockets to a real server: right messages, wrong ones, and no messages."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fuzzing import fuzzed
from tests.process import ServerProcess
from tests.sockets import PATIENCE, PROTOCOL, Socket, opened, websocket_url

CODES = {1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4408, 4409, 4429}
"""How a server of graphql-transport-ws may close: never 1006, without a word, nor 1011, a failure of its own."""
KINDS = ("next", "error", "complete", "connection_ack", "ping", "pong")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
ids = st.sampled_from(["1", "2", "", "a", "🚂", "x" * 2_000])
queries = st.sampled_from(
    [
        "{ __typename }",
        "{ jobs(limit: 2) { id name metrics(limit: 2) { seq } } }",
        "{ jobs(limit: 500) { metrics(limit: 10000) { values { name } } } }",
        "subscription { jobChanged { id } }",
        "subscription { metricAdded(jobId: 1, after: 0) { seq } }",
        "subscription { metricsAdded(jobId: 1, after: -1) { seq } }",
        'mutation { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }',
        "query A { __typename } query B { __typename }",
        "{ jobs {",
        "{ nothing }",
        "",
    ]
) | st.text(max_size=50)
types = st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong", "next", "connection_ack"])
payloads = anything | st.fixed_dictionaries(
    {"query": queries | anything}, optional={"variables": anything, "operationName": anything, "extensions": anything}
)
right = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("subscribe"), "id": ids, "payload": st.fixed_dictionaries({"query": queries})}
    ),
    st.fixed_dictionaries({"type": st.just("complete"), "id": ids}),
    st.fixed_dictionaries({"type": st.sampled_from(["ping", "pong"])}),
)
wrong = anything | st.fixed_dictionaries(
    {}, optional={"type": types | anything, "id": ids | anything, "payload": payloads}
)
frames = st.one_of(
    *[right.map(json.dumps)] * 3,
    wrong.map(json.dumps),
    st.text(max_size=100),
    st.binary(max_size=100),
    st.sampled_from(
        ['{"type": "connection_init"}', '{"type": NaN}', "[" * 5_000, '{"type": "ping", "payload": "\\ud800"}']
    ),
)
conversations = st.tuples(st.booleans(), st.lists(frames, min_size=1, max_size=12), st.booleans())
"""Whether it begins as it should, what is said, and whether the peer then hangs up without a word."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


def test_whatever_is_said_the_server_keeps_to_the_protocol_and_serves_the_others(server: ServerProcess) -> None:
    url = websocket_url(server.url)
    with asyncio.Runner() as runner:
        other = opened(url)
        socket = runner.run(other.__aenter__())

        @fuzzed(150, conversations)
        def look(conversation: tuple[bool, list[str | bytes], bool]) -> None:
            runner.run(hold(url, socket, *conversation))

        look()
        runner.run(other.__aexit__(None, None, None))
    assert server.process.poll() is None
    assert "Traceback" not in server.log
    assert httpx.get(f"{server.url}/healthz").status_code == 200


async def hold(url: str, other: Socket, begins: bool, said: list[str | bytes], hangs_up: bool) -> None:
    """A conversation on a socket of its own, beside which the other socket is served."""
    async with asyncio.timeout(PATIENCE), connect(url, subprotocols=[PROTOCOL], max_size=None) as connection:
        heard: list[Any] = []
        listening = asyncio.create_task(listen(connection, heard))
        try:
            if begins:
                await connection.send('{"type": "connection_init"}')
            for frame in said:
                await connection.send(frame)
            query = await other.subscribe("{ __typename }")
            assert await other.next(query) == {"__typename": "Query"}
            assert (await other.message(query))["type"] == "complete"
            if hangs_up:
                connection.transport.abort()
            else:
                await connection.send(
                    '{"type": "ping"}'
                )  # answered, where the socket is still open: all before it was read
        except ConnectionClosed:
            pass
        if not hangs_up:
            await connection.close()
        await listening
        if not hangs_up:
            assert connection.close_code in CODES, (connection.close_code, connection.close_reason)
        for message in heard:
            assert message["type"] in KINDS, message


async def listen(connection: ClientConnection, heard: list[Any]) -> None:
    try:
        while True:
            heard.append(json.loads(await connection.recv()))
    except ConnectionClosed:
        return
