"""However many watch, and however long a batch is, no turn of the event loop is long because of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import pytest

from graph.live.changes import Changes
from graph.live.stream import Streams, WatchedJob
from graph.live.wakeups import A_TURN, Signal, Wakeups
from models.feed.channel import Feed, JobChanged, MetricsRecorded
from models.job import Job, now
from models.lifecycle import JobStatus
from models.metric import Recorded
from tests.tools.domain import Domain, a_job
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.watchers import NEVER

pytestmark = pytest.mark.sqlite_alone("what the feed brings does not depend on the store")

WATCHERS = 500
BATCH = 10_000
BUFFER = 500


class CountingWakeups(Wakeups):
    """Counts how often tasks are woken."""

    times = 0

    def queue(self, waiters: Iterable[asyncio.Future[None]], weight: int = 1) -> None:
        self.times += 1
        super().queue(waiters, weight)


class Points(tuple[Recorded, ...]):
    """A batch that counts the points that are looked at."""

    looked_at = 0

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as a tuple's
        found = super().__getitem__(index)
        Points.looked_at += len(found) if isinstance(index, slice) else 1
        return found


class Turns:
    """The turns of the event loop, by number."""

    def __init__(self) -> None:
        self.now = 0
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self.now += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def end(self) -> None:
        self._handle.cancel()


@pytest.fixture
async def turns() -> AsyncIterator[Turns]:
    turns = Turns()
    yield turns
    turns.end()


def recorded(job: Job, first: int, last: int) -> MetricsRecorded:
    """The event of the points first .. last."""
    points = [
        Recorded(job.id, seq, seq, 1, 0.5, None, None, {"loss": 0.5}, None, now()) for seq in range(first, last + 1)
    ]
    return MetricsRecorded(job._replace(metric_count=last), Points(points))


class TestAWatchedJob:
    async def test_wakes_its_watchers_once_a_batch_and_looks_at_no_more_of_it_than_it_keeps(self) -> None:
        wakeups = CountingWakeups()
        watched = WatchedJob(1, BUFFER, wakeups)
        watching = [asyncio.create_task(watched.wait_for_point(0)) for _ in range(WATCHERS)]
        await asyncio.sleep(0)
        Points.looked_at = 0
        watched.hear(recorded(a_job(), 1, BATCH))
        assert wakeups.times == 1
        assert Points.looked_at == BUFFER
        await asyncio.wait_for(asyncio.gather(*watching), PATIENCE)


class TestWakeups:
    async def test_pass_over_who_was_cancelled_and_keep_nothing_of_it(self) -> None:
        wakeups = Wakeups()
        signal = Signal(wakeups)
        waiting = [asyncio.create_task(signal.wait()) for _ in range(3 * A_TURN)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        await asyncio.wait(waiting[::2])
        assert len(signal._waiters) == len(waiting[1::2])
        signal.wake()
        for task in waiting[1::4]:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE)
        assert [task.cancelled() for task in waiting] == [True, True, True, False] * (len(waiting) // 4)
        assert not signal._waiters


class TestManyWatchersOfALongBatch:
    async def test_are_given_a_few_points_a_turn(self, domain: Domain, turns: Turns) -> None:
        job = await domain.job()
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        given: Counter[int] = Counter()
        last: list[int] = [0] * WATCHERS

        async def watch(number: int) -> None:
            async for point in streams.metrics(job.id, 0):
                given[turns.now] += 1
                last[number] = point.seq

        watching = [asyncio.create_task(watch(number)) for number in range(WATCHERS)]
        await eventually(lambda: streams.watchers == WATCHERS)
        await domain.record(job, 1, 100, at_once=100)
        await domain.jobs.complete(job.id)
        await asyncio.wait_for(asyncio.gather(*watching), PATIENCE)
        assert last == [100] * WATCHERS
        assert sum(given.values()) == 100 * WATCHERS
        assert max(given.values()) <= 2 * A_TURN**2, "where two queues meet"

    async def test_are_given_one_long_batch_a_turn(self, domain: Domain, turns: Turns) -> None:
        job = await domain.job()
        await domain.record(job, 1, 1_000, at_once=1_000)
        await domain.jobs.complete(job.id)
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        given: Counter[int] = Counter()

        async def watch() -> None:
            async for _ in streams.batches(job.id, 0, 0):
                given[turns.now] += 1

        await asyncio.wait_for(asyncio.gather(*(watch() for _ in range(50))), PATIENCE)
        assert sum(given.values()) == 50
        assert max(given.values()) <= 2, "as above"


class TestManyWhoFollow:
    async def test_are_given_a_few_jobs_a_turn(self, domain: Domain, turns: Turns) -> None:
        changes = Changes(domain.database, feed := Feed(), BUFFER, NEVER)
        given: Counter[int] = Counter()
        begun: list[None] = []

        async def follow() -> None:
            count = 0
            async for _ in changes.follow(None):
                given[turns.now] += 1
                count += 1
                if count == 1:
                    begun.append(None)
                if count == 51:
                    return

        following = [asyncio.create_task(follow()) for _ in range(WATCHERS)]
        await changes_are_followed(changes, feed)
        await eventually(lambda: len(begun) == WATCHERS)
        for id in range(1_000, 1_050):
            feed.publish(JobChanged(queued(id, id - 998)))
        await asyncio.wait_for(asyncio.gather(*following), PATIENCE)
        assert sum(given.values()) == 51 * WATCHERS
        assert max(given.values()) <= 2 * A_TURN**2


async def changes_are_followed(changes: Changes, feed: Feed) -> None:
    """Return once a first change is on its way to all followers."""
    await eventually(lambda: changes.followers == WATCHERS and feed.listener_count == 1)
    await eventually(changes._ready.is_set)
    await asyncio.sleep(0)
    feed.publish(JobChanged(queued(1, 1)))


def queued(id: int, change: int) -> Job:
    return a_job(id=id, status=JobStatus.QUEUED, change=change)
