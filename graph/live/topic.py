"""What a process knows of one watched job, shared by all its watchers."""

import asyncio
import contextlib
import logging
from collections import deque
from contextvars import Context
from itertools import islice

from graph.live.wakeups import Signal, Wakeups
from models.feed.channel import Event, Feed, MetricsRecorded
from models.job import Job
from models.job_reads import find_job
from models.lifecycle import ENDED
from models.metric import Recorded
from models.store.database import Database
from models.store.errors import StoreFailure

__all__ = ["Topic"]

log = logging.getLogger(__name__)


class Topic:
    """The newest points of one job, and how far its store is known to reach.

    Watchers keep only their place. While a watcher's next point is in the buffer it is served from there; one that
    fell behind the buffer, or whose next point never came by the feed, reads the store. So the buffer is the only
    memory, bounded whatever the number and the pace of the watchers.
    """

    def __init__(self, job_id: int, buffer: int, wakeups: Wakeups) -> None:
        self.job_id = job_id
        self.watchers = 0
        self.stored = 0
        """The highest seq that is known to be stored."""
        self.ended = False
        """Whether the job is known to have ended: `stored` is then its last seq."""
        self._recent: deque[Recorded] = deque(maxlen=buffer)
        self._size = buffer
        self._changed = Signal(wakeups)
        self._open = contextlib.ExitStack()

    def hear(self, event: Event) -> None:
        """Receive an event of the feed; doubled, late and missing ones do no harm."""
        if isinstance(event, MetricsRecorded):
            # Of a long batch only what the buffer keeps is looked at: its points are made readable one by one.
            skipped = max(0, len(event.metrics) - self._size)
            for metric in event.metrics[skipped:]:
                self._append(metric)
        self.learn(event.job)

    def learn(self, job: Job) -> None:
        """Receive the job as it is, or was: what is known only ever grows."""
        last = self._recent[-1].seq if self._recent else 0
        stored, ended = max(self.stored, job.metric_count, last), self.ended or job.status in ENDED
        if (stored, ended) != (self.stored, self.ended):
            self.stored, self.ended = stored, ended
            self._changed.wake()

    def after(self, seq: int, limit: int) -> list[Recorded] | None:
        """The points that follow `seq` in the buffer, at most `limit`; None where it has not the next one."""
        recent = self._recent
        if not recent or not recent[0].seq <= seq + 1 <= recent[-1].seq:
            return None
        skip = seq + 1 - recent[0].seq
        if skip == len(recent) - 1:
            return [recent[-1]]
        return list(islice(recent, skip, skip + limit))

    def overflowed(self, seq: int) -> bool:
        """Whether the point that follows `seq` was pushed out of the buffer by later ones."""
        recent = self._recent
        return len(recent) == recent.maxlen and recent[0].seq > seq + 1

    async def wait_for_point(self, after: int) -> None:
        """Return as soon as a point with seq > `after` is known to be stored, or the job to have ended."""
        while self.stored <= after and not self.ended:
            await self._changed.wait()

    async def wait_for_end(self, after: int) -> None:
        """Return as soon as the job is known to have ended without a point with seq > `after`."""
        while self.stored > after or not self.ended:
            await self._changed.wait()

    def open(self, database: Database, feed: Feed, check_seconds: float) -> None:
        """Begin to receive the job's events by the feed, and to check the store regularly."""
        self._open.enter_context(feed.listening(self.hear, self.job_id))
        checking = asyncio.create_task(self._check(database, check_seconds), context=Context())  # of no request
        self._open.callback(checking.cancel)

    def close(self) -> None:
        """End that."""
        self._open.close()

    async def _check(self, database: Database, seconds: float) -> None:
        while not self.ended:
            await asyncio.sleep(seconds)
            try:
                job = await find_job(database.reader, self.job_id)
            except StoreFailure as outage:
                log.warning("job %s: could not check the store for new points: %s", self.job_id, outage)
                continue
            except Exception:  # whatever is wrong, the next check may succeed
                log.warning("job %s: could not check the store for new points", self.job_id, exc_info=True)
                continue
            if job is not None:
                self.learn(job)

    def _append(self, metric: Recorded) -> None:
        if self._recent:
            last = self._recent[-1].seq
            if metric.seq <= last:
                return
            if metric.seq > last + 1:
                self._recent.clear()
        self._recent.append(metric)
