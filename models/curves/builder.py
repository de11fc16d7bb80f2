"""Makes chunks in the background while points are logged: a client that opens a long run does not wait for them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from models.curves.chunks import Chunks
from models.curves.series import COLUMNS
from models.feed.channel import Event, Feed, MetricsRecorded
from models.job_reads import get_job
from models.store.errors import StoreFailure

RESTS = 9
"""How many times as long as it works it rests: loggers keep what is left of the store."""

log = logging.getLogger(__name__)


class Growth:
    """Keeps chunks of jobs logged in this process close behind their points: of COLUMNS, and names that were read."""

    def __init__(self, chunks: Chunks, feed: Feed) -> None:
        self._chunks = chunks
        self._feed = feed
        self._due: dict[int, None] = {}
        """Ids of the jobs that have a new full run, in the order in which they are seen to."""
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, chunks are made; what is under way at the end is stored."""
        with self._feed.overhearing(self._hear):
            task = asyncio.create_task(self._run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})

    def _hear(self, event: Event) -> None:
        if isinstance(event, MetricsRecorded):
            # By the job's own count: looking at the points would decode all of them.
            after = event.job.metric_count
            before = after - len(event.metrics)
            if self._chunks.runs(before) != self._chunks.runs(after):
                self._due[event.job.id] = None
                self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            job_id = next(iter(self._due))
            del self._due[job_id]
            try:
                await self._grow(job_id)
            except Exception as error:  # they are made when the next run is full, or by their first reader
                is_bug = not isinstance(error, StoreFailure)
                log.warning("chunks of job %s were not made: %s", job_id, error, exc_info=is_bug)
            if not self._due:
                self._news.clear()

    async def _grow(self, job_id: int) -> None:
        job = await get_job(self._chunks.database.reader, job_id)
        names = sorted({*COLUMNS, *await self._chunks.names(job_id)})
        loop = asyncio.get_running_loop()
        for numbers in await self._chunks.missing(job_id, names, job.metric_count):
            began = loop.time()
            await self._chunks.make(job_id, names, numbers, known=names)
            await asyncio.sleep(RESTS * (loop.time() - began))
