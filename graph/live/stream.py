"""A job's points as a stream from the store, with the feed as its doorbell.

1. Begin to listen. 2. Read what is stored beyond the last point sent, and send it. 3. Send what the feed brings while
it continues the sequence. 4. At a gap, an overflow or a doubt go back to 2. So nothing is lost and nothing comes twice,
whatever happens to the feed. When the job has ended and its last point is sent, the stream completes.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence

from graph.live.changes import Changes
from graph.live.counts import LiveCounts
from graph.live.patience import patiently
from graph.live.topic import Topic
from graph.live.wakeups import A_TURN, Wakeups
from models.feed.channel import Feed
from models.job_reads import find_job, get_job
from models.metric import Recorded
from models.points import read_after
from models.store.database import Database

__all__ = ["BATCH", "Streams"]

PAGE = 500
"""Points a stream reads from the store at once: the most that a watcher who is behind holds in memory."""
BATCH = 1_000
"""The most points in one batch."""


class Streams:
    """The live streams of one process."""

    def __init__(self, database: Database, feed: Feed, buffer: int, check_seconds: float) -> None:
        """`buffer`: newest points kept of each watched job; `check_seconds`: between two checks of the store."""
        self._database = database
        self._feed = feed
        self._buffer = buffer
        self._check_seconds = check_seconds
        self._topics: dict[int, Topic] = {}
        self.counts = LiveCounts()
        self._wakeups = Wakeups()
        self.changes = Changes(database, feed, buffer, check_seconds, self._wakeups, self.counts)

    @property
    def watchers(self) -> int:
        """The number of streams of points, and of changes of jobs, that are open now."""
        return sum(topic.watchers for topic in self._topics.values()) + self.changes.followers

    async def has_job(self, job_id: int) -> bool:
        """Whether there is such a job, once the store can say."""
        return await patiently(lambda: find_job(self._database.reader, job_id), self._check_seconds) is not None

    async def metrics(self, job_id: int, after: int | None) -> AsyncGenerator[Recorded, None]:
        """Every point with seq > `after` in the order of seq, or, where it is None, those recorded from now on.

        Ends once the job has ended and its last point was given.
        """
        with self._watching(job_id) as topic:
            last = await self._first_place(topic, after)
            began = topic.stored
            while points := await self._following(topic, last, PAGE, began):
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
        with self._watching(job_id) as topic:
            last = await self._first_place(topic, after)
            began = topic.stored
            while points := await self._following(topic, last, BATCH, began):
                due = loop.time() + every
                last = points[-1].seq
                if len(points) > A_TURN:
                    await self._wakeups.turn(len(points) // A_TURN)
                self.counts.delivered += len(points)
                yield points
                del points
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await topic.wait_for_end(last)

    async def _following(self, topic: Topic, last: int, limit: int, began: int) -> Sequence[Recorded]:
        """The points after `last` as soon as there are some, at most `limit`; none once the job has ended there.

        `began`: how far the store reached when the watcher came; reading up to there is no gap to be counted.
        """
        while True:
            points: Sequence[Recorded] | None = topic.after(last, limit)
            if points is None and last < topic.stored:
                points = await self._read(topic.job_id, last, limit)
                if last >= began and points:
                    if topic.overflowed(last):
                        self.counts.overflows += 1
                    else:
                        self.counts.gaps += 1
            if points:
                return points
            if last < topic.stored:
                # Known to be stored, but not read: a replica that lags behind is read again.
                await asyncio.sleep(self._check_seconds)
            elif topic.ended:
                return ()
            else:
                await topic.wait_for_point(last)

    async def _read(self, job_id: int, after: int, limit: int) -> Sequence[Recorded]:
        reader = self._database.reader
        points = await patiently(lambda: read_after(reader, [job_id], after, limit), self._check_seconds)
        return points[job_id]

    @contextlib.contextmanager
    def _watching(self, job_id: int) -> Iterator[Topic]:
        """The job's topic, opened for its first watcher and closed after its last."""
        topic = self._topics.get(job_id)
        if topic is None:
            topic = self._topics[job_id] = Topic(job_id, self._buffer, self._wakeups)
            topic.open(self._database, self._feed, self._check_seconds)
        topic.watchers += 1
        try:
            yield topic
        finally:
            topic.watchers -= 1
            if not topic.watchers:
                del self._topics[job_id]
                topic.close()

    async def _first_place(self, topic: Topic, after: int | None) -> int:
        """The seq to go on from, once the topic knows the job: read after listening began, or points would be lost."""
        job = await patiently(lambda: get_job(self._database.reader, topic.job_id), self._check_seconds)
        topic.learn(job)
        return job.metric_count if after is None else after
