"""hypothesis sends whatever it likes over sockets to a real server: right messages, wrong ones, and no messages.

A conversation has at most one thing wrong with it, of which it is known how it ends. Meanwhile its job is trained.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.tools.api import Api
from tests.tools.fuzzing import CODES, codes_of, fuzzed
from tests.tools.process import ServerProcess
from tests.tools.sockets import PROTOCOL, opened, websocket_url
from tests.tools.waiting import PATIENCE, eventually

EXAMPLES = 3
"""Conversations that end in one way."""
JOB = "query ($id: ID!) { job(id: $id) { name metrics(limit: 5) { seq } curve(points: 10) { step value } } }"
CREATE = 'mutation { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }'
LOG = "mutation ($id: ID!) { logMetrics(id: $id, metrics: [{step: 6, loss: 1}]) { __typename } }"
POINTS = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq } }"
BATCHES = "subscription ($id: ID!, $after: Int) { metricsAdded(jobId: $id, after: $after, everyMs: 0) { seq } }"
FOLLOW = "subscription ($id: ID!) { jobChanged(id: $id, current: true, everyMs: 100) { status metricCount } }"
LETTERS = {"next": "n", "error": "e", "complete": "c"}


class Ask(NamedTuple):
    """An operation, and the letters of the messages that answer it, as a regular expression."""

    query: str
    variables: Any
    answered: str

    def message(self, id: str, job: str) -> str:
        payload = {"query": self.query, "variables": self.variables}
        return json.dumps({"type": "subscribe", "id": id, "payload": payload}).replace("$job", job)


class Stop(NamedTuple):
    """Completes the operation with that number, which may not exist."""

    number: int


Step = Ask | Stop | str
"""A text is a message of no operation."""
IT = {"id": "$job"}
RIGHT = (
    Ask(JOB, IT, "nc"),
    Ask(LOG, IT, "nc"),
    Ask(POINTS, {**IT, "after": 0}, "n+c"),
    Ask(BATCHES, {**IT, "after": 0}, "n+c"),
    Ask("{ jobs {", {}, "e"),
)
"""One of each kind, in every conversation."""
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
objects = st.dictionaries(st.text(max_size=8), anything, max_size=3)
asks = st.one_of(
    st.sampled_from(RIGHT),
    st.sampled_from(
        [
            Ask(CREATE, {}, "nc"),
            Ask(JOB, {"id": [1]}, "nc"),
            Ask("mutation ($id: ID!) { simulateStep(id: $id) { __typename } }", IT, "nc"),
            Ask("mutation ($id: ID!) { completeJob(id: $id) { __typename } }", IT, "nc"),
            Ask(FOLLOW, IT, "n+c"),
            Ask(POINTS, {"id": "99999999"}, "e"),
            Ask(POINTS, {**IT, "after": -1}, "e"),
            Ask("{ nothing }", {}, "e"),
            Ask("{" * 5_000, {}, "e"),
            Ask("{ jobs(limit: 500) { metrics(limit: 10000) { values { name } } } }", {}, "e"),
        ]
    ),
    st.builds(Ask, st.text(max_size=50), objects, st.just("nc|e")),
    st.builds(Ask, st.sampled_from([JOB, LOG, POINTS, BATCHES, FOLLOW]), objects, st.just("n*c|e")),
)
harmless = st.sampled_from(['{"type": "ping"}', '{"type": "pong", "payload": {"at": [1]}}'])
steps = st.lists(asks | st.builds(Stop, st.integers(0, 20)) | harmless, max_size=10)


def texts(*messages: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([json.dumps(message) for message in messages])


WRONG: dict[int, st.SearchStrategy[str | bytes]] = {
    4400: st.one_of(
        anything.filter(lambda value: not isinstance(value, dict)).map(json.dumps),
        st.builds(lambda more, kind: json.dumps({**more, "type": kind}), objects, st.none() | st.just("x")),
        st.text(max_size=50).map(lambda text: "}" + text),
        st.binary(max_size=100),
        st.sampled_from(["", '{"type": NaN}', "[" * 5_000, '{"type": "ping", "payload": "\\ud800"}']),
        texts(
            {"type": "subscribe", "id": "1"},
            {"type": "subscribe", "id": "x" * 257, "payload": {"query": "{ __typename }"}},
            {"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}},
            {"type": "complete", "id": 5},
        ),
    ),
    4401: asks.map(lambda ask: ask.message("1", "1")),
    4409: texts({"type": "subscribe", "id": "lasting", "payload": {"query": "{ __typename }"}}),
    4429: texts({"type": "connection_init"}, {"type": "connection_init", "payload": {"token": "x"}}),
}
"""The close codes of graphql-transport-ws, and the messages that they answer."""
ENDINGS: Sequence[int] = (1000, 1006, *WRONG)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


@pytest.mark.parametrize("code", ENDINGS)
def test_whatever_is_said_the_server_keeps_to_the_protocol_and_serves_the_others(
    server: ServerProcess, code: int
) -> None:
    with asyncio.Runner() as runner:
        mixed = steps.flatmap(lambda more: st.permutations([*RIGHT, *more]))
        conversations = st.tuples(mixed, WRONG.get(code, st.just("")))
        fuzzed(EXAMPLES, conversations)(lambda drawn: runner.run(hold(server.url, code, *drawn)))()
    assert server.process.poll() is None
    assert "Traceback" not in server.log


async def hold(address: str, code: int, script: list[Step], wrong: str | bytes) -> None:
    """A conversation that ends with that code, while a job is trained, and another socket is served after it."""
    url = websocket_url(address)
    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http,
        connect(url, subprotocols=[PROTOCOL], max_size=None) as connection,
    ):
        job = await Api(http).started(epochs=1, stepsPerEpoch=20)
        await train(Api(http), job, range(1, 6))
        heard: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        listening = asyncio.create_task(listen(connection, heard))
        training = asyncio.create_task(train_to_the_end(Api(http), job))
        if code == 4401:
            await connection.send(wrong)
        else:
            asked = await say(connection, script, job)
            await training
            if code == 1000:
                await eventually(
                    lambda: listening.done() or all(heard[id] and heard[id][-1]["type"] != "next" for id in asked)
                )
                check(asked, heard, (await Api(http).job(job))["metricCount"])
                await connection.close()
            elif code == 1006:
                connection.transport.abort()
            else:
                lasting = {"query": "subscription { jobChanged { id } }"}
                await connection.send(json.dumps({"type": "subscribe", "id": "lasting", "payload": lasting}))
                await connection.send(wrong)
        await asyncio.gather(listening, training)
        assert connection.close_code == code
        async with opened(url) as other:
            assert await other.next(await other.subscribe("{ __typename }")) == {"__typename": "Query"}


async def say(connection: ClientConnection, script: list[Step], job: str) -> dict[str, Ask]:
    """Say hello and the script; gives the operations that were not stopped, by their ids."""
    asked: dict[str, Ask] = {}
    await connection.send('{"type": "connection_init"}')
    for number, step in enumerate(script):
        if isinstance(step, Ask):
            asked[str(number)] = step
            await connection.send(step.message(str(number), job))
        elif isinstance(step, Stop):
            asked.pop(str(step.number), None)
            await connection.send(json.dumps({"type": "complete", "id": str(step.number)}))
        else:
            await connection.send(step)
    return asked


async def listen(connection: ClientConnection, heard: defaultdict[str, list[dict[str, Any]]]) -> None:
    """Sort all messages by the ids of their operations, up to the end of the socket."""
    try:
        while True:
            message = json.loads(await connection.recv())
            heard[message.get("id", "")].append(message)
    except ConnectionClosed:
        return


def check(asked: dict[str, Ask], heard: defaultdict[str, list[dict[str, Any]]], count: int) -> None:
    """Raises AssertionError where an operation was answered with more, with less or with something else."""
    for id, ask in asked.items():
        letters = "".join(LETTERS[message["type"]] for message in heard[id])
        assert re.fullmatch(ask.answered, letters), (ask, heard[id])
        seqs = []
        for message in heard[id]:
            payload = message.get("payload", {})
            assert codes_of(payload if message["type"] == "error" else payload.get("errors", [])) <= CODES, message
            if ask in (RIGHT[2], RIGHT[3]):
                for points in payload.get("data", {}).values():
                    seqs += [point["seq"] for point in (points if isinstance(points, list) else [points])]
        assert seqs in ([], [*range(1, count + 1)]), "each point, up to the last"
    assert {message["type"] for message in heard[""]} <= {"connection_ack", "pong"}


async def train(api: Api, job: str, steps: Iterable[int]) -> None:
    """Step after step, unless a client ends the job."""
    for step in steps:
        await api.log(job, [{"step": step, "loss": 0.5}])


async def train_to_the_end(api: Api, job: str) -> None:
    await train(api, job, range(7, 21))
    await api.complete(job)
