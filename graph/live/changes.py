"""The changes of jobs' statuses as a stream, of all jobs or of one; and, on request, their progress."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice

from graph.live.progress import Progress
from graph.live.retries import patiently, regularly
from graph.live.wakeups import A_TURN, Wakeups
from models.deployment import count_of_changes
from models.feed.channel import Event, Feed, JobChanged, MetricsRecorded
from models.job import Job
from models.job_reads import changed_since, get_job
from models.lifecycle import ENDED, JobStatus
from models.store.database import Database

FORGET_ABOVE = 1_000
"""Jobs whose changes a follower keeps before it forgets the old ones."""


@dataclass(slots=True)
class LiveCounts:
    """What happened on the live streams of a process: numbers that only grow."""

    delivered: int = 0
    """Points delivered to watchers: one for each point and watcher."""
    overflows: int = 0
    """Times that a watcher, or a follower of jobs, fell behind the buffer and went on from the store."""
    gaps: int = 0
    """Times that points or changes were found in the store that the feed had not brought."""


class KnownJobs(dict[int, Job]):
    """The jobs that changed lately, as they are known to be."""

    def learn(self, job: Job) -> bool:
        """Take the job as known; returns whether it has a later change than the one known so far."""
        known = self.get(job.id)
        if known is not None and job.change <= known.change:
            return False
        self[job.id] = job
        return True

    def has_ended(self, job_id: int) -> bool:
        """Whether the job is known to have ended."""
        known = self.get(job_id)
        return known is not None and known.status in ENDED

    def forget(self) -> None:
        """Forget the older half where they are many: no check of the store will find these again."""
        if len(self) > FORGET_ABOVE:
            for job in sorted(self.values(), key=lambda job: job.change)[: FORGET_ABOVE // 2]:
                del self[job.id]


class Changes:
    """The newest changes, shared by all followers; each follower keeps its place, and the statuses it was given.

    A follower that falls behind the buffer reads the store instead, and is given each job that changed meanwhile as it
    now is. Changes that the feed lost, or that another process never sent, are found by regular checks of the store.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        buffer: int,
        check_seconds: float,
        wakeups: Wakeups | None = None,
        counts: LiveCounts | None = None,
    ) -> None:
        self._database = database
        self._feed = feed
        self._counts = counts or LiveCounts()
        self._check_seconds = check_seconds
        self._recent: deque[Job] = deque(maxlen=buffer)
        self._count = 0
        """Changes received so far: the place of the newest in `_recent`."""
        self._known = KnownJobs()
        self._wakeups = wakeups or Wakeups()
        self._progress = Progress(database, self._wakeups)
        self._ready = asyncio.Event()
        self._seen = 0
        """The change up to which the store was checked."""
        self._open = contextlib.ExitStack()
        self.followers = 0

    async def follow(
        self, job_id: int | None, every: float | None = None, current: bool = False
    ) -> AsyncGenerator[Job, None]:
        """Each job as it is after a change of its status, from now on. That of one job ends with the job.

        With `current`, and one job, first that job as it is now: nothing that happens in between is missed.
        With `every`, also a RUNNING job as it is when it has come further, at most once in so many seconds; the latest
        always in the end, but nothing behind the end of the job.
        """
        with self._following(), self._progress.following(every) as pace:
            await self._ready.wait()
            if every is not None:
                await patiently(self._progress.begin, self._check_seconds)
            place, round, moves = self._count, pace.round, self._progress.moves
            seen, given = self._seen, KnownJobs(self._known)
            if job_id is not None:
                job = await patiently(lambda: get_job(self._database.reader, job_id), self._check_seconds)
                if current:
                    given.learn(job)
                    yield job
                if job.status in ENDED:
                    return
            while True:
                while place == self._count and round == pace.round:
                    await pace.changed.wait()
                missed, place = self._count - place, self._count
                if missed > len(self._recent):
                    self._counts.overflows += 1
                    changed = await self._changed_since(seen)
                else:
                    changed = list(islice(self._recent, len(self._recent) - missed, None))
                progressed: list[Job] = []
                if round != pace.round:
                    progressed = self._progress.since(moves)
                    round, moves = pace.round, self._progress.moves
                due: list[Job] = []
                for job in changed:
                    seen = max(seen, job.change)
                    if given.learn(job) and job_id in (None, job.id):
                        due.append(job)
                for job in progressed:
                    # It may be known here to have ended, or not yet to have started: then this reports that too.
                    if job_id in (None, job.id) and not given.has_ended(job.id):
                        given.learn(job)
                        due.append(job)
                for number, job in enumerate(due, start=1):
                    yield job
                    if job_id == job.id and job.status in ENDED:
                        return
                    if number % A_TURN == 0:
                        await self._wakeups.turn()
                given.forget()

    def hear(self, event: Event) -> None:
        """Receive an event of the feed; a change that is known already is passed over."""
        job = event.job
        if isinstance(event, JobChanged):
            if job.change > self._seen and self._known.learn(job):
                self._recent.append(job)
                self._count += 1
                self._progress.learn(job)
        elif job.status is JobStatus.RUNNING and not self._known.has_ended(job.id):
            self._progress.hear(job)

    @contextlib.contextmanager
    def _following(self) -> Iterator[None]:
        """Inside, changes are received: begun for the first follower, ended after the last."""
        self.followers += 1
        if self.followers == 1:
            self._open.enter_context(self._feed.listening(self.hear))
            checking = regularly(self._check, "changed jobs", self._check_seconds, at_once=True)
            self._open.callback(checking.cancel)
        try:
            yield
        finally:
            self.followers -= 1
            if not self.followers:
                self._open.close()
                self._ready.clear()
                self._recent.clear()
                self._known = KnownJobs()

    async def _check(self) -> None:
        """Check the store for changes since the last check. The first learns how many there were."""
        if not self._ready.is_set():
            self._seen = await count_of_changes(self._database.reader)
        changed = await changed_since(self._database.reader, self._seen)
        progressed = await self._progress.check()
        for job in changed:
            heard = self._count
            self.hear(JobChanged(job))
            self._counts.gaps += self._count - heard
        self._seen = max([self._seen, *(job.change for job in changed)])
        for job in progressed:
            self.hear(MetricsRecorded(job, ()))
        self._ready.set()
        self._known.forget()

    async def _changed_since(self, change: int) -> list[Job]:
        return await patiently(lambda: changed_since(self._database.reader, change), self._check_seconds)
