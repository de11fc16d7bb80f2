"""How long a point takes from one replica to a watcher of the other."""

import asyncio
import json
import statistics
import time

import uvloop
from websockets.asyncio.client import connect

from benchmarks.calls import Caller
from benchmarks.options import read_options
from benchmarks.report import publish
from tests.tools.replicas import replicas

POINTS = 500
QUICK_POINTS = 20
PAUSE = 0.01
"""Seconds between points: it is the way of one that is measured, not a queue of many."""
DURABLE = ("fsync=on", "synchronous_commit=on")
"""As it is run where points matter."""
STEP = "mutation ($id: ID!) { simulateStep(id: $id) { ... on SimulateStepSuccess { metric { seq } } } }"
STREAM = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq } }"


async def measure(watched: str, stepped: str, points: int) -> tuple[list[float], list[float]]:
    """Seconds from each step's request until its point has reached the watcher, and until the request is answered."""
    arrived, answered = [], []
    address = watched.replace("http", "ws") + "/graphql"
    async with Caller(stepped) as caller, connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]  # a string with another name
        id = await caller.started()
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        await socket.send(
            json.dumps({"id": "1", "type": "subscribe", "payload": {"query": STREAM, "variables": {"id": id}}})
        )
        for seq in range(1, points + 1):
            began = time.perf_counter()
            stepping = asyncio.create_task(caller.data(STEP, {"id": id}))
            stepping.add_done_callback(lambda _, began=began: answered.append(time.perf_counter() - began))  # type: ignore[misc]  # of this turn
            message = json.loads(await socket.recv())
            arrived.append(time.perf_counter() - began)
            assert message["payload"]["data"]["metricAdded"]["seq"] == seq
            await stepping
            await asyncio.sleep(PAUSE)
    return arrived, answered


def main() -> None:
    options = read_options(__doc__)
    points = QUICK_POINTS if options.quick else POINTS
    with replicas((0, 0), *DURABLE) as (first, second):
        arrived, answered = uvloop.run(measure(first.url, second.url, points))

    def row(name: str, seconds: list[float]) -> list[str]:
        ordered = sorted(seconds)
        figures = (statistics.median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1])
        return [name, *(f"{figure * 1000:.1f} ms" for figure in figures)]

    publish(
        "latency",
        f"{points} steps at one of two replicas on PostgreSQL and Valkey (`python -m benchmarks.latency`):",
        ["from the step's request until", "median", "99 of 100", "longest"],
        [row("a watcher of the other replica has the point", arrived), row("the request is answered", answered)],
        write=options.write,
    )


if __name__ == "__main__":
    main()
