"""The changes of jobs as a stream from the store, with the feed as its doorbell; and, on request, their progress.

It works as the stream of a job's points does: changes are numbered without a gap, a follower is given what the feed
brings while it continues the sequence, and what the store has at a gap, an overflow or a doubt. So no change is lost,
and none comes twice, whatever happens to the feed.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection, Iterator
from contextvars import Context
from dataclasses import dataclass
from typing import NamedTuple

from graph.live.change_log import ChangeLog, Entry
from graph.live.progress import Progress
from graph.live.retries import patiently, regularly
from graph.live.wakeups import A_TURN, Wakeups
from models.deletions import Deletion, deleted_since
from models.deployment import count_of_changes
from models.feed.channel import AlertRaised, Event, Feed, JobDeleted, MetricsRecorded
from models.job import Job
from models.job_list import JobFilter, matching
from models.job_reads import changed_since, find_job
from models.lifecycle import ENDED, JobStatus
from models.store.database import Database
from models.store.errors import StoreFailure

GAP_SECONDS = 0.02
"""How long a change waits for one before it, which is on its way from another process, until the store is read."""
PAGE = 200
"""Jobs, and deletions, that are read from the store at once."""
FORGET_ABOVE = 1_000
"""Jobs whose last change is remembered, so that late news of their progress is passed over."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LiveCounts:
    """What happened on the live streams of a process: numbers that only grow."""

    delivered: int = 0
    """Points delivered to watchers: one for each point and watcher."""
    overflows: int = 0
    """Times that a watcher, or a follower of jobs, fell behind the buffer and went on from the store."""
    gaps: int = 0
    """Times that points or changes were found in the store that the feed had not brought."""


class Read(NamedTuple):
    """What the store has of changes after a number."""

    entries: list[Entry]
    reached: int
    """The number up to which they are complete."""
    is_whole: bool
    """Whether there is no more."""


@dataclass(slots=True)
class Place:
    """How far a follower is."""

    index: int
    """In the log; -1 where the store is to be read."""
    seen: int
    """The number up to which it was given all changes."""


class Changes:
    """The newest changes, shared by all followers, of which each keeps its place.

    A follower that falls behind the buffer, or begins at a cursor, reads the store instead, and is given each job that
    changed meanwhile as it now is. Changes that the feed lost, or that another process never sent, are found by
    regular checks of the store.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        buffer: int,
        check_seconds: float,
        wakeups: Wakeups | None = None,
        counts: LiveCounts | None = None,
        *,
        show_secrets: bool = False,
    ) -> None:
        """`show_secrets`: whether filters may look for the secrets of configs."""
        self._database = database
        self._feed = feed
        self._counts = counts or LiveCounts()
        self._check_seconds = check_seconds
        self._buffer = buffer
        self._log = ChangeLog(buffer)
        self._last: dict[int, int] = {}
        """Job -> the number of its last change, of those that changed lately."""
        self._wakeups = wakeups or Wakeups()
        self._progress = Progress(database, self._wakeups)
        self._ready = asyncio.Event()
        self._mending: asyncio.Task[None] | None = None
        self._open = contextlib.ExitStack()
        self._show_secrets = show_secrets
        self._judging: dict[str, asyncio.Task[set[int]]] = {}
        """What followers are waiting for, by filter and jobs: those of equal filters wait for one statement."""
        self.followers = 0

    async def count(self) -> int:
        """How many changes there were, once the store can say."""
        return await patiently(lambda: count_of_changes(self._database.reader), self._check_seconds)

    async def follow(
        self,
        job_id: int | None = None,
        every: float | None = None,
        current: bool = False,
        *,
        filter: JobFilter | None = None,
        since: int | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Each job as it is after a change, from now on. That of one job ends with the job.

        With `since`, the number of a change, first each job that changed after it, as it now is. With `filter`, only
        the jobs that it means, as they now are. With `current`, and one job, first that job as it is now: nothing that
        happens in between is missed. With `every`, also a RUNNING job as it is when it has come further, at most once
        in so many seconds; the latest always in the end, but nothing behind the end of the job.
        """
        with self._following(), self._progress.following(every) as pace:
            await self._ready.wait()
            if every is not None:
                await patiently(self._progress.begin, self._check_seconds)
            place, round, moves = self._place(None if job_id else since), pace.round, self._progress.moves
            if job_id is not None:
                job = await patiently(lambda: find_job(self._database.reader, job_id), self._check_seconds)
                if job is None:
                    return
                place.seen = max(place.seen, since or 0)
                if current or (since is not None and job.change > since):
                    place.seen = max(place.seen, job.change)
                    for each in await self._meant([job], filter):
                        yield each
                if job.status in ENDED:
                    return
            while True:
                while place.index == self._log.count and round == pace.round:
                    await pace.changed.wait()
                progressed: list[Job] = []
                if round != pace.round:
                    progressed = self._progress.since(moves)
                    round, moves = pace.round, self._progress.moves
                changed = await self._after(place)
                due = [entry for entry in changed if isinstance(entry, Job) and job_id in (None, entry.id)]
                # What is older than a change that was given, or is about to be, is part of that.
                due += [
                    job for job in progressed
                    if job_id in (None, job.id) and self._last.get(job.id, 0) <= job.change <= place.seen
                ]  # fmt: skip
                for number, job in enumerate(await self._meant(due, filter), start=1):
                    yield job
                    if number % A_TURN == 0:
                        await self._wakeups.turn()
                if job_id is not None and _has_ended(job_id, changed):
                    return

    async def deletions(self, since: int | None = None) -> AsyncGenerator[Deletion, None]:
        """Each job that is deleted, from now on; with `since`, the number of a change, first those after it."""
        with self._following(), self._progress.following(None) as pace:
            await self._ready.wait()
            place = self._place(since)
            while True:
                while place.index == self._log.count:
                    await pace.changed.wait()
                deleted = [entry for entry in await self._after(place) if isinstance(entry, Deletion)]
                for number, deletion in enumerate(deleted, start=1):
                    yield deletion
                    if number % A_TURN == 0:
                        await self._wakeups.turn()

    def hear(self, event: Event) -> None:
        """Receive an event of the feed; doubled and late ones do no harm."""
        job = event.job
        if isinstance(event, AlertRaised):
            return
        if isinstance(event, JobDeleted):
            self._take(self._log.hear(Deletion(job.id, job.change)))
        elif job.change > self._log.reached or not self._ready.is_set():
            # Whatever it tells of the job, it has its last change.
            self._take(self._log.hear(job))
        elif isinstance(event, MetricsRecorded) and self._is_news(job):
            self._progress.hear(job)
        if self._log.has_gap and self._ready.is_set() and self._mending is None:
            self._mending = asyncio.create_task(self._mend(), context=Context())

    def _is_news(self, job: Job) -> bool:
        """Whether a job that moved may still run: it has not changed since."""
        return job.status is JobStatus.RUNNING and job.change >= self._last.get(job.id, 0)

    def _place(self, since: int | None) -> Place:
        reached = self._log.reached
        if since is None or since >= reached:
            return Place(self._log.count, since or reached)
        return Place(-1, since)

    async def _after(self, place: Place) -> list[Entry]:
        """What follows a place, which is moved on."""
        count, reached = self._log.count, self._log.reached
        entries = self._log.after(place.index)
        if entries is None:
            if place.index >= 0:
                self._counts.overflows += 1
            read = await patiently(lambda: self._read(place.seen), self._check_seconds)
            entries, reached = read.entries, read.reached
            if place.seen <= self._log.reached:  # what is new to this follower may be new to all
                self._take(self._log.read(entries, reached))
            count = count if read.is_whole else -1
        new = [entry for entry in entries if entry.change > place.seen]
        place.index, place.seen = count, max(place.seen, reached)
        return new

    async def _meant(self, jobs: list[Job], filter: JobFilter | None) -> list[Job]:
        """Those of the jobs that a filter means, as they now are: of several changes of one, the last."""
        if filter is None or not jobs:
            return jobs
        last = {job.id: place for place, job in enumerate(jobs)}
        key = repr((filter, [jobs[place].identity for place in last.values()]))
        judging = self._judging.get(key)
        if judging is None:
            reading = patiently(lambda: self._judge(filter, [*last]), self._check_seconds)
            judging = self._judging[key] = asyncio.create_task(reading, context=Context())
            judging.add_done_callback(lambda _: self._judging.pop(key, None))
        # A follower that leaves must not take the others' answer with it.
        meant = await asyncio.shield(judging)
        return [job for place, job in enumerate(jobs) if job.id in meant and last[job.id] == place]

    async def _judge(self, filter: JobFilter, ids: list[int]) -> set[int]:
        return await matching(self._database.reader, filter, ids, secrets=self._show_secrets)

    def _take(self, entries: Collection[Entry]) -> None:
        """Take note of what is new in the log, and wake those who follow."""
        for entry in entries:
            id = entry.id
            self._last.pop(id, None)
            self._last[id] = entry.change
            if isinstance(entry, Job):
                self._progress.learn(entry)
            else:
                self._progress.forget(id)
        if len(self._last) > FORGET_ABOVE:
            for id in [*self._last][: FORGET_ABOVE // 2]:
                del self._last[id]
        if entries:
            self._progress.wake()

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
                if self._mending is not None:
                    self._mending.cancel()
                    self._mending = None
                for judging in self._judging.values():
                    judging.cancel()
                self._judging = {}
                self._log, self._last = ChangeLog(self._buffer), {}

    async def _check(self) -> None:
        """Check the store for changes that were not heard. The first learns how many there were."""
        count = await count_of_changes(self._database.reader)
        if not self._ready.is_set():
            self._ready.set()
            self._take(self._log.begin(count))
        elif count > self._log.reached:
            await self._catch_up()
        for job in await self._progress.check():
            self.hear(MetricsRecorded(job, ()))

    async def _catch_up(self) -> None:
        """Take from the store what is behind the log."""
        is_whole = False
        while not is_whole:
            entries, reached, is_whole = await self._read(self._log.reached)
            taken = self._log.read(entries, reached)
            self._counts.gaps += len(taken)
            self._take(taken)

    async def _mend(self) -> None:
        """Read the store if what is missing has not come by then; what fails here is left to the next check."""
        try:
            await asyncio.sleep(GAP_SECONDS)
            if self._log.has_gap:
                await self._catch_up()
        except StoreFailure as error:
            log.warning("could not read missing changes of jobs: %s", error)
        finally:
            self._mending = None

    async def _read(self, since: int) -> Read:
        """What the store has after a number, a page of it."""
        reader = self._database.reader
        # In this order: what was deleted up to a change that is read of a job is found behind it. A number up to which
        # a read is complete belongs to no job where its job changed again, or was deleted: that comes later.
        reached = await count_of_changes(reader)
        jobs = await changed_since(reader, since, PAGE)
        deleted = await deleted_since(reader, since, PAGE)
        reached = max([reached, since, *(job.change for job in jobs)])
        ends = [some[-1].change for some in (jobs, deleted) if len(some) == PAGE]
        reached = min([reached, *ends])
        found: list[Entry] = [*jobs, *deleted]
        entries = sorted((entry for entry in found if entry.change <= reached), key=lambda entry: entry.change)
        return Read(entries, reached, is_whole=not ends)


def _has_ended(job_id: int, entries: Collection[Entry]) -> bool:
    """Whether the job has ended, or was deleted, by the last of the entries about it."""
    for entry in reversed([*entries]):
        if entry.id == job_id:
            return isinstance(entry, Deletion) or entry.status in ENDED
    return False
