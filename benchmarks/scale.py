"""What is gained by other stores, workers and replicas: points logged, deliveries, running jobs.

The servers and the load share two cores, so that what two workers or replicas gain here is what was left of the second.
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.calls import Caller, logged
from benchmarks.options import read_options
from benchmarks.report import publish
from benchmarks.sockets import subscribe_all
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.valkey import Valkey

CALLERS = 16
SECONDS = 5.0
WATCHERS = 500
DELIVERED = 100
JOBS_RUNNING = (1, 10, 100, 1_000)
SUBSCRIPTION = "subscription {{ metricAdded(jobId: {id}, after: 0) {{ seq step epoch loss accuracy learningRate }} }}"
DURABLE = ("fsync=on", "synchronous_commit=on")
"""As it is run where points matter."""


@dataclass
class Deployment:
    """One way to run it, and what was measured there: row of the table -> cell."""

    name: str
    store: str
    workers: int = 1
    replicas: int = 1
    cells: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def started(self, postgres: Postgres, valkey: Valkey) -> Iterator[tuple[str, list[str]]]:
        """The address of its store, and those of its replicas."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = postgres.new() if self.store == "PostgreSQL" else f"sqlite://{Path(folder) / 'bench.sqlite3'}"
            flags = ["--workers", str(self.workers)]
            if self.workers > 1 or self.replicas > 1:
                flags += ["--feed-url", valkey.url]
            servers = [stack.enter_context(ServerProcess(url, *flags, is_forked=False)) for _ in range(self.replicas)]
            yield url, [server.url for server in servers]


@contextlib.asynccontextmanager
async def calling(urls: list[str], count: int) -> AsyncIterator[list[Caller]]:
    """So many connections, dealt out."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Caller(urls[number % len(urls)])) for number in range(count)]


async def measure_traffic(deployment: Deployment, urls: list[str], seconds: float) -> None:
    """What a deployment takes in and gives out."""
    async with calling(urls, CALLERS) as callers:
        ids = [await callers[0].started() for _ in range(CALLERS)]
        for batch in (1, 100):
            rate = await logged(callers, ids, batch, seconds, first=batch * 1_000_000)
            deployment.cells[f"points logged a second, {batch} a request, {CALLERS} loops"] = f"{rate:,.0f}"
        id = await callers[0].started()
        shares = [await subscribe_all(url, SUBSCRIPTION.format(id=id), WATCHERS // len(urls)) for url in urls]
        watchers = [watcher for share in shares for watcher in share]
        rates = []
        for turn in range(1, 6):
            began = time.perf_counter()
            await callers[0].log(id, range(turn * DELIVERED, (turn + 1) * DELIVERED))
            await asyncio.gather(*(watcher.until(turn * DELIVERED) for watcher in watchers))
            rates.append(len(watchers) * DELIVERED / (time.perf_counter() - began))
        for watcher in watchers:
            watcher.close()
        name = f"deliveries a second, {WATCHERS} watchers of one job"
        deployment.cells[name] = f"{statistics.median(rates):,.0f}"


async def measure_jobs(deployment: Deployment, urls: list[str], seconds: float) -> None:
    """Points stored as running jobs become more."""
    async with calling(urls, CALLERS) as callers:
        ids: list[str] = []
        for count in JOBS_RUNNING:
            ids += [await callers[0].started() for _ in range(count - len(ids))]
            rate = await logged(callers, ids, 10, seconds, first=count * 100_000)
            deployment.cells[f"points stored a second, 10 a request; running jobs: {count:,}"] = f"{rate:,.0f}"


def main() -> None:
    options = read_options(__doc__)
    seconds = options.seconds if options.quick else SECONDS
    deployments = [
        Deployment("SQLite", "SQLite"),
        Deployment("PostgreSQL", "PostgreSQL"),
        Deployment("PostgreSQL, Valkey, 2 workers", "PostgreSQL", workers=2),
        Deployment("PostgreSQL, Valkey, 2 replicas", "PostgreSQL", replicas=2),
    ]
    with Postgres(None, *DURABLE) as postgres, Valkey() as valkey:
        for deployment in deployments:
            with deployment.started(postgres, valkey) as (_, urls):
                uvloop.run(measure_traffic(deployment, urls, seconds))
        for deployment in deployments[:2]:
            with deployment.started(postgres, valkey) as (_, urls):
                uvloop.run(measure_jobs(deployment, urls, seconds))
            print(deployment.name, deployment.cells, file=sys.stderr)
    names = list(dict.fromkeys(name for deployment in deployments for name in deployment.cells))
    publish(
        "scale",
        "Servers, stores and load together on two cores (`python -m benchmarks.scale`):",
        ["", *(deployment.name for deployment in deployments)],
        [[name, *(deployment.cells.get(name, "") for deployment in deployments)] for name in names],
        write=options.write,
    )


if __name__ == "__main__":
    main()
