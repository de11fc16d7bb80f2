"""What a batch of points at one crowded step costs beside one at new steps: the same run, the same store, in turns.

python -m benchmarks.late_points [sqlite://FILE or postgres://…] [points that the step has, 1000000]
"""

import asyncio
import gc
import statistics
import sys
from tempfile import TemporaryDirectory
from time import process_time, thread_time

from models.feed.channel import Feed
from models.jobs import Jobs
from models.metric import Point
from models.store.database import Database
from models.validation import MAX_BATCH, NewJob

ROUNDS = 9


async def measure(url: str, crowd: int) -> None:
    """Print the medians of the processor's time, their ratio, and the longest turn of the event loop."""
    gc.freeze()  # as the server does
    async with Database(url) as database:
        jobs = Jobs(database, Feed())
        late, new = [(await jobs.create(NewJob("late points", "none", 1, 0.1))).id for _ in range(2)]
        for id in (late, new):
            await jobs.start(id)
        for begin in range(0, crowd, MAX_BATCH):
            await jobs.log(late, _points(begin, at_zero=True))
        times: dict[str, list[float]] = {"at step 0": [], "at new steps": []}
        turns: list[float] = []
        for number in range(2 * ROUNDS):
            begin = crowd + number * MAX_BATCH
            is_watched = number % 2 == 1  # a watcher takes time of the processor itself while a commit is waited for
            for kind, id in (("at step 0", late), ("at new steps", new)):
                batch = _points(begin, at_zero=id == late)
                turns.append(0.0)
                watching = asyncio.create_task(_longest_turn(turns) if is_watched else asyncio.sleep(0))
                await asyncio.sleep(0)  # making the batch is not the store's
                began = process_time()
                await jobs.log(id, batch)
                if not is_watched:
                    times[kind].append(process_time() - began)
                watching.cancel()
    medians = {kind: statistics.median(some) for kind, some in times.items()}
    for kind, median in medians.items():
        print(f"{MAX_BATCH} points {kind}: {median * 1000:.0f} ms of the processor")
    print(f"ratio: {medians['at step 0'] / medians['at new steps']:.2f}")
    print(f"longest turn of the event loop: {max(turns) * 1000:.0f} ms of the processor")


def _points(begin: int, *, at_zero: bool) -> list[Point]:
    return [Point(0 if at_zero else number, {"loss": number / 8}) for number in range(begin, begin + MAX_BATCH)]


async def _longest_turn(turns: list[float]) -> None:
    while True:
        began = thread_time()
        await asyncio.sleep(0)
        turns[-1] = max(turns[-1], thread_time() - began)


if __name__ == "__main__":
    crowd = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with TemporaryDirectory() as folder:
        asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else f"sqlite://{folder}/late.sqlite3", crowd))
