"""What a request takes as its store grows: points of one job, and jobs, from none to a million.

Times are medians of requests one after another, on a server that does nothing else. A job's points are logged through
the API; jobs are copied in the store.
"""

import contextlib
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from benchmarks.calls import Caller
from benchmarks.options import Options, read_options
from benchmarks.report import publish
from benchmarks.scale import DURABLE, Deployment
from tests.tools.outside import Outside
from tests.tools.postgres import Postgres
from tests.tools.valkey import Valkey

REQUESTS = 20
SIZES = (0, 100, 1_000, 10_000, 100_000, 1_000_000)
MOST_JOBS = 100_000
BATCH = 10_000
STEP = "mutation ($id: ID!) { simulateStep(id: $id) { ... on SimulateStepSuccess { metric { seq } } } }"
READ = "query ($id: ID!, $after: Int!) { job(id: $id) { metrics(limit: 200, after: $after) { seq loss } } }"
LIST = "{ jobs(limit: 100) { id name status progress } }"

Row = dict[int, float]
"""Size -> milliseconds."""


async def time_of(request: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds that it takes."""
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        await request()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


class GrowingJob:
    """A job that points are added to, each at the step of its seq."""

    def __init__(self, caller: Caller, id: str) -> None:
        self._caller = caller
        self._id = id
        self._stored = 0

    async def grow(self, size: int) -> None:
        """Log points until it has so many."""
        while self._stored < size:
            await self.log(min(BATCH, size - self._stored))

    async def log(self, count: int = 1) -> None:
        await self._caller.log(self._id, range(self._stored + 1, self._stored + count + 1))
        self._stored += count

    async def step(self) -> None:
        answer = await self._caller.data(STEP, {"id": self._id})
        self._stored += 1
        assert answer["simulateStep"]["metric"]["seq"] == self._stored

    async def read(self, after: int) -> None:
        answer = await self._caller.data(READ, {"id": self._id, "after": after})
        assert [metric["seq"] for metric in answer["job"]["metrics"]] == list(range(after + 1, after + 201))


async def measure_points(url: str, sizes: Sequence[int]) -> dict[str, Row]:
    """Adding to a job that has so many points already, and reading a page behind them."""
    rows: dict[str, Row] = {"simulateStep, after N points": {}, "logMetrics, 1 point after N": {}}
    stepping, logging = rows.values()
    reading = rows["`metrics(limit: 200, after: N)`"] = {}
    async with Caller(url) as caller:
        job = GrowingJob(caller, await caller.started())
        for size in sizes:
            await job.grow(size)
            stepping[size] = await time_of(job.step)
            logging[size] = await time_of(job.log)
        await job.log(200)  # so that there is a whole page behind the last
        for size in sizes:
            reading[size] = await time_of(lambda after=size: job.read(after))  # type: ignore[misc]  # no inference here
    return rows


async def measure_jobs(url: str, store: str, sizes: Sequence[int]) -> dict[str, Row]:
    """Listing the newest jobs of so many."""
    row: Row = {}
    async with Caller(url) as caller:
        row[0] = await time_of(lambda: caller.data(LIST))
        await caller.started()
        with Outside(store) as outside:
            columns = ", ".join(name for name in outside.columns("job") if name != "id")
            stored = 1
            for size in sizes[1:]:
                while stored < size:
                    more = min(stored, size - stored)
                    outside.execute(f"INSERT INTO job ({columns}) SELECT {columns} FROM job ORDER BY id LIMIT {more}")
                    stored += more
                row[size] = await time_of(lambda: caller.data(LIST))
    return {"`jobs(limit: 100)` of N": row}


def measure(deployment: Deployment, postgres: Postgres, valkey: Valkey, options: Options) -> list[list[str]]:
    """The rows of one store."""
    sizes = [size for size in SIZES if size <= 10_000 or not options.quick]
    with deployment.started(postgres, valkey) as (_, urls):
        rows = uvloop.run(measure_points(urls[0], sizes))
    with deployment.started(postgres, valkey) as (store, urls):
        jobs = [size for size in sizes if size <= MOST_JOBS]
        rows |= uvloop.run(measure_jobs(urls[0], store, jobs))
    return [
        [deployment.name, title, *(f"{row[size]:.1f} ms" if size in row else "" for size in SIZES)]
        for title, row in rows.items()
    ]


def main() -> None:
    options = read_options(__doc__)
    with contextlib.ExitStack() as stack:
        postgres, valkey = stack.enter_context(Postgres(None, *DURABLE)), stack.enter_context(Valkey())
        rows = []
        for name in ("SQLite", "PostgreSQL"):
            rows += measure(Deployment(name, name), postgres, valkey, options)
            print(*rows, sep="\n", file=sys.stderr)
    publish(
        "growth",
        f"A request as the store grows, medians of {REQUESTS} (`python -m benchmarks.growth`):",
        ["store", "N", *(f"{size:,}" for size in SIZES)],
        rows,
        write=options.write,
    )


if __name__ == "__main__":
    main()
