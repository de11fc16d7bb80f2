"""How long a list of 500 jobs with ten names each takes with all of their series, also while points arrive.

python -m benchmarks.series [sqlite://FILE or postgres://…]   (a store without jobs; else a new one in SQLite)
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.calls import LOG, Caller
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, cpu_of, served

JOBS = 500
NAMES = [f"train/quantity_{number}" for number in range(10)]
READS = 20
CREATE = "mutation ($input: CreateJobInput!) { createJob(input: $input) { ... on CreateJobSuccess { job { id } } } }"
LIST = """{ jobs(limit: 500) { id name status progress series {
    name count last { step value } lowest { step value } highest { step value }
    nonFiniteCount goal unit isMain } } }"""


async def filled(caller: Caller) -> list[str]:
    """The ids of the jobs."""
    ids = []
    for number in range(JOBS):
        made = await caller.data(CREATE, {"input": {"name": f"run {number}", "start": True}})
        ids.append(made["createJob"]["job"]["id"])
        await log(caller, ids[-1], 1)
    return ids


async def log(caller: Caller, id: str, step: int) -> None:
    metrics: list[dict[str, Any]] = [{"step": step, "scalars": dict.fromkeys(NAMES, step / 7)}]
    assert (await caller.data(LOG, {"id": id, "metrics": metrics}))["logMetrics"]["recorded"] == 1


async def listed(caller: Caller, pid: int) -> list[str]:
    """Milliseconds until a list is here, and those of the processor."""
    taken, busy = [], []
    for _ in range(READS):
        before, began = cpu_of(pid), time.perf_counter()
        jobs = (await caller.data(LIST))["jobs"]
        taken.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (cpu_of(pid) - before))
        assert len(jobs) == JOBS
        assert all(len(job["series"]) == len(NAMES) for job in jobs)
    return [f"{each:,.1f} ms" for each in (statistics.median(taken), max(taken), statistics.mean(busy))]


async def measure(url: str, pid: int) -> list[list[str]]:
    """The rows of the table."""
    async with Caller(url) as caller, Caller(url) as loop:
        ids = await filled(caller)
        rows = [["nothing arrives", *await listed(caller, pid)]]

        async def arriving() -> None:
            step = 2
            while True:
                for id in ids:
                    await log(loop, id, step)
                    await asyncio.sleep(0.01)
                step += 1

        task = asyncio.create_task(arriving())
        rows.append(["10 ms after each point the next one", *await listed(caller, pid)])
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task  # raises where points did not arrive
    return rows


def main(arguments: Sequence[str]) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder:
        url = arguments[0] if arguments else f"sqlite://{Path(folder) / 'bench.sqlite3'}"
        command = [sys.executable, "-m", "graph", "serve", "--port", "0", "--database-url", url]
        with served(command) as (address, pid):
            rows = uvloop.run(measure(address, pid))
    caption = (
        f"`jobs(limit: {JOBS})` with `series` of ten names each, over HTTP, of {READS} (`python -m benchmarks.series`):"
    )
    publish("series", caption, ["meanwhile", "median", "longest", "of the processor"], rows, write=False)


if __name__ == "__main__":
    main(sys.argv[1:])
