"""Replaying 100,000 stored points over one socket: in batches (metricsAdded) against point by point (metricAdded)."""

import json
import os
import statistics
import tempfile
import time

import uvloop
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks.options import Options, read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, ours, served

POINTS = 100_000
FIELDS = "seq step epoch loss accuracy learningRate"
FILL = """mutation ($id: ID!, $metrics: [MetricInput!]!) {
    logMetrics(id: $id, metrics: $metrics) { ... on LogMetricsSuccess { recorded } } }"""
CREATE = 'mutation { createJob(input: {name: "a", modelName: "b", epochs: 1000, learningRate: 1}) { __typename } }'
ONE_BY_ONE = f'subscription {{ metricAdded(jobId: "1", after: 0) {{ {FIELDS} }} }}'
BATCHED = f'subscription {{ metricsAdded(jobId: "1", after: 0, everyMs: 0) {{ {FIELDS} }} }}'


class Socket:
    """A socket on which one operation runs at a time."""

    def __init__(self, url: str) -> None:
        address = url.replace("http", "ws", 1) + "/graphql"
        self._connect = connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], max_size=None)

    async def __aenter__(self) -> "Socket":
        self._connection = await self._connect.__aenter__()
        await self._connection.send('{"type":"connection_init"}')
        await self._connection.recv()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connect.__aexit__(*error)  # type: ignore[arg-type]  # what the interpreter passes

    async def begin(self, query: str, **variables: object) -> None:
        payload = {"query": query, "variables": variables}
        await self._connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))

    async def answer(self) -> None:
        while b'"complete"' not in await self._connection.recv(decode=False):
            pass

    async def replay(self, query: str) -> tuple[float, int]:
        """The seconds it takes to receive every point, and in how many messages."""
        began = time.perf_counter()
        await self.begin(query)
        points = messages = 0
        while points < POINTS:
            points += (await self._connection.recv(decode=False)).count(b'"seq"')
            messages += 1
        return time.perf_counter() - began, messages


async def fill(url: str) -> None:
    async with Socket(url) as socket:
        for query in (CREATE, 'mutation { startJob(id: "1") { __typename } }'):
            await socket.begin(query)
            await socket.answer()
        for first in range(1, POINTS, 10_000):
            metrics = [
                {"step": step, "loss": 1 / step, "accuracy": 1 - 1 / step, "learningRate": 0.1}
                for step in range(first, first + 10_000)
            ]
            await socket.begin(FILL, id="1", metrics=metrics)
            await socket.answer()


async def measure(url: str, options: Options) -> None:
    await fill(url)
    taken: dict[str, list[float]] = {ONE_BY_ONE: [], BATCHED: []}
    messages = {}
    for _ in range(options.rounds):
        for query, seconds in taken.items():
            async with Socket(url) as socket:
                second, messages[query] = await socket.replay(query)
                seconds.append(second)
    single, batched = (statistics.median(seconds) for seconds in taken.values())
    publish(
        "replay",
        f"{POINTS:,} stored points replayed over one socket, medians of {options.rounds} rounds "
        f"(`python -m benchmarks.replay`); in batches it is {single / batched:.1f} × as fast:",
        ["subscription", "messages", "seconds", "points a second"],
        [
            ["`metricAdded`", f"{messages[ONE_BY_ONE]:,}", f"{single:.2f}", f"{POINTS / single:,.0f}"],
            ["`metricsAdded(everyMs: 0)`", f"{messages[BATCHED]:,}", f"{batched:.2f}", f"{POINTS / batched:,.0f}"],
        ],
        write=options.write,
    )


def main() -> None:
    options = read_options(__doc__)
    os.sched_setaffinity(0, {LOAD_CORE})
    with (
        tempfile.TemporaryDirectory() as folder,
        served(ours(folder, "--max-message-bytes", "16777216")) as (url, _),
    ):
        uvloop.run(measure(url, options))


if __name__ == "__main__":
    main()
