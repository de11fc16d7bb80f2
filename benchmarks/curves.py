"""How long a curve of 500 points takes, of ever longer jobs: the first to be drawn, the next, and the same again."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.calls import Caller
from benchmarks.options import read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, memory_of, served
from tests.tools.outside import Outside

LENGTHS = (10_000, 100_000, 1_000_000)
NAMES = ("loss", "accuracy", "learningRate")
READS = 20
CURVE = """query ($id: ID!, $name: String!, $points: Int!) {
    job(id: $id) { curve(name: $name, points: $points) { seq step value } } }"""
CURVES = """query ($id: ID!, $names: [String!]!, $points: Int!) {
    job(id: $id) { curves(names: $names, points: $points) { name x seq step value } } }"""
COLUMNS = 'epoch, loss, accuracy, learning_rate, "values", recorded_at'


async def filled(caller: Caller, store: Outside, length: int) -> str:
    """A job of so many points: the first by the API, copied behind its back, so that no chunk is made of them."""
    id = await caller.started()
    first = LENGTHS[0] // 10
    for begin in range(0, first, 1_000):
        await caller.log(id, range(begin, begin + 1_000))
    for copied in range(first, length, first):
        store.execute(
            f"INSERT INTO metric (job_id, seq, step, {COLUMNS}) SELECT job_id, seq + ?, step + ?, {COLUMNS} "
            "FROM metric WHERE job_id = ? AND seq <= ?",
            [copied, copied, int(id), first],
        )
    store.execute("UPDATE job SET metric_count = ?, furthest_step = ? WHERE id = ?", [length, length - 1, int(id)])
    return id


async def drawn(caller: Caller, id: str, name: str, points: int) -> float:
    """Milliseconds until a curve is here."""
    began = time.perf_counter()
    curve = (await caller.data(CURVE, {"id": id, "name": name, "points": points}))["job"]["curve"]
    taken = 1000 * (time.perf_counter() - began)
    assert points - 2 <= len(curve["step"]) <= points
    return taken


async def drawn_together(caller: Caller, id: str, names: Sequence[str], points: int) -> float:
    """Milliseconds until the curves of some names are here."""
    began = time.perf_counter()
    curves = (await caller.data(CURVES, {"id": id, "names": [*names], "points": points}))["job"]["curves"]
    taken = 1000 * (time.perf_counter() - began)
    assert all(points - 2 <= len(curve["x"]) <= points for curve in curves)
    return taken


async def measure(url: str, store: Outside, length: int) -> list[str]:
    async with Caller(url) as caller:
        id = await filled(caller, store, length)
    async with Caller(url) as caller:  # the other was quiet for so long that the server may have closed it
        new = [await drawn(caller, id, name, 500) for name in NAMES]
        # Of other points each time, so that none is remembered.
        there = [await drawn(caller, id, "loss", points) for points in range(480, 480 + READS)]
        # As many of `curves`, of one name, and of three at once.
        one = [await drawn_together(caller, id, NAMES[:1], points) for points in range(510, 510 + READS)]
        three = [await drawn_together(caller, id, NAMES, points) for points in range(540, 540 + READS)]
        again = [await drawn(caller, id, "loss", 500) for _ in range(READS)]
        live = []
        for step in range(length, length + READS):
            await caller.log(id, [step])
            live.append(await drawn(caller, id, "loss", 500))
    return [f"{statistics.median(taken):,.1f} ms" for taken in (new, there, one, three, live, again)]


def main() -> None:
    options = read_options(__doc__)
    lengths = LENGTHS[:1] if options.quick else LENGTHS
    os.sched_setaffinity(0, {LOAD_CORE})
    cells: dict[int, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite://{Path(folder) / 'bench.sqlite3'}"
        command = [sys.executable, "-m", "graph", "serve", "--port", "0", "--database-url", url]
        with served(command) as (address, pid), Outside(url) as store:
            for length in lengths:
                cells[length] = uvloop.run(measure(address, store, length))
            memory = memory_of(pid) / 2**20
    publish(
        "curves",
        f"A curve of 500 points over HTTP, medians of {READS}, server on one core and load on another "
        f"(`python -m benchmarks.curves`); the server holds {memory:.0f} MiB after it:",
        [
            *("points of the job", "never drawn before", "drawn before", "by `curves`", "three by `curves`"),
            *("with one more point", "the same again"),
        ],
        [[f"{length:,}", *row] for length, row in cells.items()],
        write=options.write,
    )


if __name__ == "__main__":
    main()
