"""A server with many jobs, one of them long, and points that arrive in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from models.lifecycle import JobStatus
from models.metric import Point
from tests.tools.api import Api
from tests.tools.domain import opened_domain
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

PACE = 0.1
"""Seconds from one batch of the loop that trains to the next."""


@dataclass(frozen=True)
class Crowd:
    """A server with many jobs: one has two points, one very many, the others none."""

    url: str
    short_run: str
    long_run: str

    @asynccontextmanager
    async def points_arriving(self) -> AsyncIterator[None]:
        """Inside, the long run gets hundreds of points a second."""
        arrived = asyncio.Event()
        logging = asyncio.create_task(self._log(arrived))
        try:
            await arrived.wait()
            yield
        finally:
            logging.cancel()
            await asyncio.wait({logging})

    async def _log(self, arrived: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE) as http:
            trainer = Api(http)
            first = (await trainer.job(self.long_run))["metricCount"] + 1
            while True:
                points = [
                    {"step": step, "loss": 100 / step, "accuracy": step / 200_000, "learningRate": 0.1}
                    for step in range(first, first + 50)
                ]
                await trainer.log(self.long_run, points)
                first += len(points)
                arrived.set()
                await asyncio.sleep(PACE)


@asynccontextmanager
async def crowded(folder: Path, jobs: int, points: int) -> AsyncIterator[Crowd]:
    """One whose store is in a folder, with so many jobs, and so many points in the long run."""
    url = f"sqlite://{folder / 'crowd.sqlite3'}"
    async with opened_domain(url) as domain:
        for number in range(jobs - 2):
            await domain.job(JobStatus.QUEUED, name=f"job {number}")
        short, long = [await domain.job(name=name, epochs=2_000) for name in ("short", "long")]
        await domain.jobs.log(short.id, [_point(step) for step in (1, 2)])
        for first in range(1, points, 10_000):
            await domain.jobs.log(long.id, [_point(step) for step in range(first, first + 10_000)])
    with ServerProcess(url) as process:
        yield Crowd(process.url, str(short.id), str(long.id))


def _point(step: int) -> Point:
    return Point(step, {"loss": 100 / step, "accuracy": step / 200_000, "learningRate": 0.1, "val_loss": 110 / step})
