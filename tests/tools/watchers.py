"""Watchers of a job's points, and followers of the changes of jobs, as tests need them: cut at will."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import Random

from graph.live.changes import Changes
from graph.live.stream import Streams
from models.feed.channel import Event, Feed
from models.job import Job
from models.lifecycle import JobStatus
from tests.tools.domain import all_has_begun
from tests.tools.waiting import PATIENCE, eventually

BUFFER = 50
"""Points or changes kept: few, so that it matters."""
OFTEN = 0.05
"""Seconds between two looks at the store, where one is waited for."""
NEVER = 3600.0
"""The same, where everything is to come by the feed."""

Change = tuple[int, JobStatus]
State = tuple[int, JobStatus, int]
"""Of a job: its id, its status, and how many points it has."""


class ChaosFeed(Feed):
    """A feed that loses two of ten events, doubles two, and holds two back for any time, up to for ever."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)
        self._held: list[Event] = []

    def publish(self, event: Event) -> None:
        """Tell of the event not at all, once, twice, or later; and, maybe, of one that was held back."""
        fate = self._random.randrange(10)
        if fate in {2, 3}:
            self._held.append(event)
        elif fate > 1:
            super().publish(event)
        if fate in {4, 5}:
            super().publish(event)
        if self._held and self._random.random() < 0.3:
            super().publish(self._held.pop(self._random.randrange(len(self._held))))


class Watcher:
    """Watches a job, may be cut at any moment, and comes back with the last seq that was seen."""

    def __init__(self, streams: Streams, job_id: int, after: int | None = 0, *, batched: bool = False) -> None:
        self.seen: list[int] = []
        self.cuts = 0
        self._streams = streams
        self._job_id = job_id
        self._after = after
        self._watch = self._by_batches if batched else self._by_points
        self._watching = asyncio.create_task(self._watch(after))

    async def _by_points(self, after: int | None) -> None:
        async with aclosing(self._streams.metrics(self._job_id, after)) as stream:
            async for metric in stream:
                self.seen.append(metric.seq)
                if metric.seq % 7 == 0:
                    await asyncio.sleep(0)  # as a socket does: others come in between

    async def _by_batches(self, after: int | None) -> None:
        async with aclosing(self._streams.batches(self._job_id, after, 0)) as stream:
            async for metrics in stream:
                self.seen += [metric.seq for metric in metrics]

    async def cut(self) -> None:
        """Break off, wherever it is, and watch on from there."""
        await self.leave()
        self.cuts += 1
        self._watching = asyncio.create_task(self._watch(self.seen[-1] if self.seen else self._after))

    async def leave(self) -> None:
        """Break off, and stay away."""
        self._watching.cancel()
        await asyncio.wait({self._watching})
        if not self._watching.cancelled():
            self._watching.result()  # it had ended already; or it failed, and that is to be seen

    async def end(self) -> list[int]:
        """What was seen, once the stream has ended. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            await self._watching
        return self.seen

    async def has_seen(self, seq: int) -> None:
        """Return once that point was seen. Raises TimeoutError."""
        await eventually(lambda: bool(self.seen) and self.seen[-1] >= seq)


class Follower:
    """Follows changes, one as it is read; what it was given is in `jobs`."""

    def __init__(self, stream: AsyncGenerator[Job, None]) -> None:
        self.jobs: list[Job] = []
        self._stream = stream
        self._next: asyncio.Task[Job] | None = None

    async def begin(self) -> None:
        """Return once what happens from now on will be reported."""
        self._next = asyncio.create_task(anext(self._stream))
        await all_has_begun()

    async def next(self) -> Change:
        """The next change. Raises StopAsyncIteration at the end, TimeoutError."""
        coming, self._next = self._next, None
        async with asyncio.timeout(PATIENCE):
            job = await (coming or anext(self._stream))
        self.jobs.append(job)
        return job.id, job.status

    async def all(self, count: int) -> list[Change]:
        """The next so many changes."""
        return [await self.next() for _ in range(count)]

    async def until(self, *last: State) -> list[State]:
        """All that was given, once these states were, in any order. Raises TimeoutError."""
        while not {*last} <= {*self.states}:
            await self.next()
        return self.states

    @property
    def states(self) -> list[State]:
        """What was given."""
        return [(job.id, job.status, job.metric_count) for job in self.jobs]

    async def ends(self) -> bool:
        """Whether nothing more comes, for the stream has ended."""
        try:
            await self.next()
        except StopAsyncIteration:
            return True
        return False

    async def leave(self) -> None:
        """Cut, wherever it is."""
        if self._next:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


@asynccontextmanager
async def following(changes: Changes, job_id: int | None = None, every: float | None = None) -> AsyncIterator[Follower]:
    """A follower of what happens from now on."""
    follower = Follower(changes.follow(job_id, every))
    await follower.begin()
    try:
        yield follower
    finally:
        await follower.leave()


@asynccontextmanager
async def intervals(seconds: float) -> AsyncIterator[list[None]]:
    """The intervals that have passed inside the block, by the timers of the loop that everything else runs on too."""
    passed: list[None] = []

    async def count() -> None:
        while True:
            await asyncio.sleep(seconds)
            passed.append(None)

    counting = asyncio.create_task(count())
    try:
        yield passed
    finally:
        counting.cancel()
