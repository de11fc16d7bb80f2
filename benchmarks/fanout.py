"""Deliveries a second to 500 subscribers of one job, against plain Strawberry, Mercurius and bare uvicorn.

Every server runs on one core and the load on another, in turn, round after round. A round publishes POINTS points at
once and ends when every subscriber has every point. Ours stores them first, the others keep nothing.
"""

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field

import httpx
import uvloop

from benchmarks.options import read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, memory_of, ours, peer, served
from benchmarks.sockets import subscribe_all

SUBSCRIBERS = 500
POINTS = 100
WARMING = 10
SUBSCRIPTION = 'subscription { metricAdded(jobId: "1", after: 0) { seq step epoch loss accuracy learningRate } }'
PUBLISH = "mutation ($first: Int!, $count: Int!) { publish(first: $first, count: $count) }"
OURS = "training-monitor"


@dataclass
class Server:
    name: str
    command: list[str]
    rates: list[float] = field(default_factory=list)
    """Deliveries a second of each round."""
    memory: float = 0
    """MiB held after its last round."""


async def measure(server: Server) -> None:
    with served(server.command) as (url, pid):
        async with httpx.AsyncClient(base_url=url, timeout=120) as http:
            await until_it_answers(http)
            if server.name == OURS:
                await create_started_job(http)
            subscribers = await subscribe_all(url, SUBSCRIPTION, SUBSCRIBERS)
            await _publish(http, server, 1, WARMING)
            await asyncio.gather(*(subscriber.until(WARMING) for subscriber in subscribers))
            began = time.perf_counter()
            publishing = asyncio.create_task(_publish(http, server, WARMING + 1, POINTS))
            await asyncio.gather(*(subscriber.until(WARMING + POINTS) for subscriber in subscribers))
            server.rates.append(SUBSCRIBERS * POINTS / (time.perf_counter() - began))
            await publishing
            assert all(subscriber.received == WARMING + POINTS for subscriber in subscribers)
            server.memory = memory_of(pid) / 2**20
            for subscriber in subscribers:
                subscriber.close()


async def until_it_answers(http: httpx.AsyncClient) -> None:
    """Return once the server answers. Raises TimeoutError."""
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(httpx.TransportError):
            await http.post("/graphql", json={"query": "{ __typename }", "variables": {"first": 1, "count": 0}})
            return
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.05)


async def create_started_job(http: httpx.AsyncClient) -> None:
    """Job 1 of a new store, RUNNING."""
    await mutate(http, 'createJob(input: {name: "a", modelName: "b", epochs: 100, learningRate: 1}) { __typename }')
    await mutate(http, 'startJob(id: "1") { __typename }')


async def _publish(http: httpx.AsyncClient, server: Server, first: int, count: int) -> None:
    if server.name == OURS:
        points = ", ".join(
            f"{{step: {seq}, loss: {1 / seq}, accuracy: {1 - 1 / seq}, learningRate: 0.1}}"
            for seq in range(first, first + count)
        )
        await mutate(http, f'logMetrics(id: "1", metrics: [{points}]) {{ __typename }}')
    else:
        await http.post("/graphql", json={"query": PUBLISH, "variables": {"first": first, "count": count}})


async def mutate(http: httpx.AsyncClient, field: str) -> None:
    """Run a mutation of training-monitor that must succeed."""
    answer = (await http.post("/graphql", json={"query": f"mutation {{ {field} }}"})).json()
    assert "Success" in str(answer), answer


def main() -> None:
    options = read_options(__doc__)
    os.sched_setaffinity(0, {LOAD_CORE})
    servers = [
        Server("bare uvicorn", peer("fanout/bare")),
        Server("Mercurius", peer("fanout/mercurius")),
        Server("plain Strawberry", peer("fanout/plain")),
        Server(OURS, []),
    ]
    for _ in range(options.rounds):
        for server in servers:
            with tempfile.TemporaryDirectory() as folder:
                if server.name == OURS:
                    server.command = ours(folder)
                uvloop.run(measure(server))
    own = statistics.median(servers[-1].rates)
    rows = []
    for server in servers:
        rate = statistics.median(server.rates)
        rows.append([server.name, f"{rate:,.0f}", f"{own / rate:.2f} ×", f"{server.memory:.0f} MiB"])
    publish(
        "fanout",
        f"{SUBSCRIBERS} subscribers of one job, server on one core and load on another, medians of {options.rounds} "
        "rounds (`python -m benchmarks.fanout`):",
        ["server", "deliveries a second", "training-monitor against it", "memory"],
        rows,
        write=options.write,
    )


if __name__ == "__main__":
    main()
