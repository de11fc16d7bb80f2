"""A job's points as a stream from the store, with the feed as its doorbell.

1. Begin to listen. 2. Read what is stored beyond the last point sent, and send it. 3. Send what the feed brings while
it continues the sequence. 4. At a gap, an overflow or a doubt go back to 2. So nothing is lost and nothing comes twice,
whatever happens to the feed. When the job has ended and its last point is sent, the stream completes; and as soon as it
is deleted.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from itertools import islice

from graph.live.changes import Changes, LiveCounts
from graph.live.raised_alerts import RaisedAlerts
from graph.live.retries import patiently, regularly
from graph.live.wakeups import A_TURN, Signal, Wakeups
from models.feed.channel import Event, Feed, JobDeleted, MetricsRecorded
from models.job import Job
from models.job_reads import find_job
from models.lifecycle import ENDED
from models.metric import Recorded
from models.points import read_after
from models.store.database import Database

PAGE = 500
"""Points a stream reads from the store at once: the most that a watcher that is behind holds in memory."""
BATCH = 1_000
"""The most points in one batch."""


class WatchedJob:
    """The newest points of one job, and how far its store is known to reach: shared by its watchers.

    Watchers keep only their place. One whose next point is not in the buffer, for it fell behind, or for the feed never
    brought it, reads the store. So the buffer is the only memory, whatever the number and the pace of the watchers.
    """

    def __init__(self, job_id: int, buffer: int, wakeups: Wakeups) -> None:
        self.job_id = job_id
        self.watchers = 0
        self.stored = 0
        """The highest seq that is known to be stored."""
        self.ended = False
        """Whether the job is known to have ended, or to be deleted: `stored` is then its last seq."""
        self.deleted = False
        """Whether it is known to be deleted: what is left of its points in the store may have gaps."""
        self._change = 0
        """Its last known change, which says whether it has ended: it may be resumed."""
        self.open = contextlib.ExitStack()
        """What keeps it up to date; closed after the last watcher."""
        self._recent: deque[Recorded] = deque(maxlen=buffer)
        self._size = buffer
        self._changed = Signal(wakeups)

    def hear(self, event: Event) -> None:
        """Receive an event of the feed; doubled, late and missing ones do no harm."""
        if isinstance(event, MetricsRecorded):
            # Of a long batch only what the buffer keeps is looked at: its points are decoded one by one.
            skipped = max(0, len(event.metrics) - self._size)
            for metric in event.metrics[skipped:]:
                self._append(metric)
        if isinstance(event, JobDeleted):
            self.delete()
        else:
            self.learn(event.job)

    def learn(self, job: Job) -> None:
        """Receive the job as it is, or was: news from before what is known does no harm."""
        last = self._recent[-1].seq if self._recent else 0
        stored, ended = max(self.stored, job.metric_count, last), self.ended
        if job.change >= self._change and not self.deleted:
            ended = job.status in ENDED or (ended and job.change == self._change)
            self._change = job.change
        if (stored, ended) != (self.stored, self.ended):
            self.stored, self.ended = stored, ended
            self._changed.wake()

    def delete(self) -> None:
        """Receive that the job was deleted."""
        self.ended = self.deleted = True
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
        while not self.ended and self.stored <= after:
            await self._changed.wait()

    async def wait_for_end(self, after: int) -> None:
        """Return as soon as the job is known to have ended without a point with seq > `after`."""
        while not self.ended or (self.stored > after and not self.deleted):
            await self._changed.wait()

    def _append(self, metric: Recorded) -> None:
        if self._recent:
            last = self._recent[-1].seq
            if metric.seq <= last:
                return
            if metric.seq > last + 1:
                self._recent.clear()
        self._recent.append(metric)


class Streams:
    """The live streams of one process."""

    def __init__(
        self, database: Database, feed: Feed, buffer: int, check_seconds: float, *, show_secrets: bool = False
    ) -> None:
        """`buffer`: newest points kept of each watched job; `check_seconds`: between two checks of the store.

        `show_secrets`: whether filters of jobs may look for the secrets of configs.
        """
        self._database = database
        self._feed = feed
        self._buffer = buffer
        self._check_seconds = check_seconds
        self._watched: dict[int, WatchedJob] = {}
        self.counts = LiveCounts()
        self._wakeups = Wakeups()
        self.changes = Changes(
            database, feed, buffer, check_seconds, self._wakeups, self.counts, show_secrets=show_secrets
        )
        self.alerts = RaisedAlerts(database, feed, buffer, check_seconds, self._wakeups)

    @property
    def watchers(self) -> int:
        """The number of streams of points, and of changes of jobs, that are open now."""
        return sum(job.watchers for job in self._watched.values()) + self.changes.followers + self.alerts.followers

    async def has_job(self, job_id: int) -> bool:
        """Whether there is such a job, once the store can say."""
        return await patiently(lambda: find_job(self._database.reader, job_id), self._check_seconds) is not None

    async def metrics(self, job_id: int, after: int | None) -> AsyncGenerator[Recorded, None]:
        """Every point with seq > `after`, or, where it is None, from now on, in order; ends with the job's last."""
        with self._watching(job_id) as watched:
            last = await self._first_place(watched, after)
            began = watched.stored
            while points := await self._following(watched, last, PAGE, began):
                last = points[-1].seq
                for place, point in enumerate(points, start=1):
                    self.counts.delivered += 1
                    yield point
                    if place % A_TURN == 0 and place < len(points):
                        await self._wakeups.turn()
                del points, point  # or a watcher of a quiet job would hold its last page for as long as it waits

    async def batches(self, job_id: int, after: int | None, every: float) -> AsyncGenerator[Sequence[Recorded], None]:
        """The same points in batches of all that is ready, up to BATCH, at most one each `every` seconds."""
        loop = asyncio.get_running_loop()
        with self._watching(job_id) as watched:
            last = await self._first_place(watched, after)
            began = watched.stored
            while points := await self._following(watched, last, BATCH, began):
                due = loop.time() + every
                last = points[-1].seq
                if len(points) > A_TURN:
                    await self._wakeups.turn(len(points) // A_TURN)
                self.counts.delivered += len(points)
                yield points
                del points
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await watched.wait_for_end(last)

    async def _following(self, watched: WatchedJob, last: int, limit: int, began: int) -> Sequence[Recorded]:
        """The points after `last` as soon as there are some, at most `limit`; none once the job has ended there.

        `began`: how far the store reached when the watcher came; reading up to there is no gap to be counted.
        """
        while True:
            points: Sequence[Recorded] | None = watched.after(last, limit)
            if points is None and watched.deleted:
                return ()
            if points is None and last < watched.stored:
                read = partial(read_after, self._database.reader, [watched.job_id], last, limit)
                found = (await patiently(read, self._check_seconds))[watched.job_id]
                points = _without_gap(found, last)
                if last >= began and points:
                    if watched.overflowed(last):
                        self.counts.overflows += 1
                    else:
                        self.counts.gaps += 1
            if points:
                return points
            if last < watched.stored:
                # Known to be stored, but not read: a replica that lags behind is read again.
                await asyncio.sleep(self._check_seconds)
            elif watched.ended:
                return ()
            else:
                await watched.wait_for_point(last)

    @contextlib.contextmanager
    def _watching(self, job_id: int) -> Iterator[WatchedJob]:
        """The job, kept up to date by the feed and by checks of the store from its first watcher to its last."""
        watched = self._watched.get(job_id)
        if watched is None:
            watched = self._watched[job_id] = WatchedJob(job_id, self._buffer, self._wakeups)
            watched.open.enter_context(self._feed.listening(watched.hear, job_id))
            checking = regularly(partial(self._check, watched), f"new points of job {job_id}", self._check_seconds)
            watched.open.callback(checking.cancel)
        watched.watchers += 1
        try:
            yield watched
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                del self._watched[job_id]
                watched.open.close()

    async def _check(self, watched: WatchedJob) -> None:
        if not watched.deleted:
            await self._learn(watched)

    async def _learn(self, watched: WatchedJob) -> Job | None:
        job = await find_job(self._database.reader, watched.job_id)
        if job is None:
            watched.delete()
        else:
            watched.learn(job)
        return job

    async def _first_place(self, watched: WatchedJob, after: int | None) -> int:
        """The seq to go on from, once that knows the job: read after listening began, or points would be lost."""
        job = await patiently(lambda: self._learn(watched), self._check_seconds)
        return (job.metric_count if job else 0) if after is None else after


def _without_gap(points: Sequence[Recorded], last: int) -> Sequence[Recorded]:
    """The points that continue the sequence: those of a job that is being deleted may have gaps."""
    if not points or points[-1].seq == last + len(points):
        return points
    return [point for seq, point in enumerate(points, last + 1) if point.seq == seq]
