"""What deleting a long job costs others: how long a point of another one takes while its points are swept away.

python -m benchmarks.deletion [sqlite://FILE or postgres://…] [points, 1000000]
"""

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import publish
from models.deletions import sweep
from models.feed.channel import Feed
from models.housekeeping import REST_SECONDS
from models.jobs import Jobs
from models.metric import Point
from models.store.database import Database, sqlite_file
from models.validation import MAX_BATCH, NewJob

QUIET = 200
"""Points that are logged before."""
NAMES = ("loss", "accuracy", "learningRate", "val/loss")


def _points(begin: int, count: int) -> list[Point]:
    return [Point(step, dict.fromkeys(NAMES, 1 / (step + 1))) for step in range(begin, begin + count)]


async def _log(jobs: Jobs, id: int, step: int) -> float:
    began = time.perf_counter()
    await jobs.log(id, _points(step, 1))
    return 1000 * (time.perf_counter() - began)


async def measure(url: str, count: int) -> list[list[str]]:
    """The rows of the table."""
    gc.freeze()  # as the server does
    async with Database(url) as database:
        jobs = Jobs(database, Feed())
        long, other = [(await jobs.create(NewJob("deletion", start=True))).id for _ in range(2)]
        for begin in range(0, count, MAX_BATCH):
            await jobs.log(long, _points(begin, MAX_BATCH))
        file = sqlite_file(url)
        before = _bytes(file)
        quiet = [await _log(jobs, other, step) for step in range(QUIET)]
        await jobs.complete(long)
        began = time.perf_counter()
        await jobs.delete(long)
        deleted = 1000 * (time.perf_counter() - began)
        pieces: list[float] = []

        async def swept() -> None:
            is_left = True
            while is_left:
                begun = time.perf_counter()
                is_left = await database.write(sweep, lambda _: None)
                pieces.append(1000 * (time.perf_counter() - begun))
                await asyncio.sleep(REST_SECONDS)

        sweeping = asyncio.create_task(swept())
        busy: list[float] = []
        while not sweeping.done():
            busy.append(await _log(jobs, other, QUIET + len(busy)))
            await asyncio.sleep(0.001)
        await sweeping
        taken = time.perf_counter() - began
        for begin in range(0, count, MAX_BATCH):
            await jobs.log(other, _points(10_000_000 + begin, MAX_BATCH))
        after = _bytes(file)
    rows = [["a point logged, nothing swept", *_shown(quiet)], ["a point logged while it is swept", *_shown(busy)]]
    rows += [["a piece swept away", *_shown(pieces)], ["deleteJob", f"{deleted:,.1f} ms", "", ""]]
    rows.append([f"all of it swept away: {len(pieces):,} pieces", f"{taken:,.0f} s", "", ""])
    if file is not None:
        grown = f"{before / 2**20:,.0f} MiB, then {after / 2**20:,.0f} MiB"
        rows.append(["the file with its points, and with as many new ones", grown, "", ""])
    return rows


def _shown(taken: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(taken, n=100)
    return [f"{each:,.1f} ms" for each in (statistics.median(taken), cuts[98], max(taken))]


def _bytes(file: Path | None) -> int:
    return 0 if file is None else file.stat().st_size


def main(arguments: Sequence[str]) -> None:
    with TemporaryDirectory() as folder:
        url = arguments[0] if arguments else f"sqlite://{folder}/bench.sqlite3"
        count = int(arguments[1]) if len(arguments) > 1 else 1_000_000
        rows = asyncio.run(measure(url, count))
    caption = f"A job of {count:,} points of {len(NAMES)} values is deleted (`python -m benchmarks.deletion`):"
    publish("deletion", caption, ["", "median", "99 of 100", "longest"], rows, write=False)


if __name__ == "__main__":
    main(sys.argv[1:])
