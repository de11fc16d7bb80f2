"""Many watchers of one job: each at its own pace and place, sharing what is shared, and leaving nothing behind."""

import asyncio
from contextlib import aclosing
from contextvars import ContextVar

import pytest

from graph.live.retries import regularly
from graph.live.stream import Streams
from tests.tools.domain import Domain, statements
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.watchers import BUFFER, NEVER, OFTEN, Watcher


class TestManyWatchers:
    async def test_one_that_stops_reading_while_five_thousand_points_are_recorded_gets_them_all_and_holds_up_no_other(
        self, domain: Domain
    ) -> None:
        job = await domain.job()
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        quick = Watcher(streams, job.id)
        async with aclosing(streams.metrics(job.id, 0)) as slow:
            await domain.record(job, 1, 2)
            seen = [(await anext(slow)).seq, (await anext(slow)).seq]
            await domain.record(job, 3, 5_000)
            await quick.has_seen(5_002)
            assert len(streams._watched[job.id]._recent) == BUFFER, "all that is kept for the slow"
            await domain.jobs.complete(job.id)
            async with asyncio.timeout(PATIENCE):
                seen += [metric.seq async for metric in slow]
        assert seen == [*range(1, 5_003)]
        assert await quick.end() == seen

    @pytest.mark.sqlite_alone("it is not read")
    async def test_those_who_keep_up_are_served_by_the_feed_alone(self, domain: Domain) -> None:
        job = await domain.job()
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        watchers = [Watcher(streams, job.id) for _ in range(20)]
        await domain.record(job, 1, 1)
        for watcher in watchers:
            await watcher.has_seen(1)
        with statements() as asked:
            for step in range(2, 30):
                await domain.record(job, step, 1)
                for watcher in watchers:
                    await watcher.has_seen(step)
        assert asked.about("metric") == []
        for watcher in watchers:
            await watcher.leave()


class TestLeaving:
    async def test_behind_the_last_watcher_nothing_is_left(self, domain: Domain) -> None:
        jobs = [await domain.job() for _ in range(3)]
        streams = Streams(domain.database, domain.feed, BUFFER, OFTEN)
        tasks = asyncio.all_tasks()
        watchers = [Watcher(streams, job.id) for job in jobs for _ in range(4)]
        for job in jobs:
            await domain.record(job, 1, 3)
        for watcher in watchers:
            await watcher.has_seen(3)
        assert domain.feed.listener_count == len(streams._watched) == 3, "one for each job, however many watch"
        assert [job.watchers for job in streams._watched.values()] == [4, 4, 4]
        for watcher in watchers[1:]:
            await watcher.leave()
        assert domain.feed.listener_count == len(streams._watched) == 1
        await domain.record(jobs[0], 4, 1)
        await watchers[0].has_seen(4)
        await watchers[0].leave()
        assert (streams._watched, domain.feed.listener_count) == ({}, 0)
        await eventually(lambda: asyncio.all_tasks() == tasks)

    async def test_one_that_is_cancelled_at_any_moment_leaves_nothing(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 3_000)
        streams = Streams(domain.database, domain.feed, BUFFER, OFTEN)
        tasks = asyncio.all_tasks()
        moments = [*range(40), *range(40, 400, 20)]
        for moment in moments:
            watcher = Watcher(streams, job.id)
            await asyncio.wait({watcher._watching}, timeout=moment / 10_000)
            await watcher.leave()
            assert watcher.seen == [*range(1, len(watcher.seen) + 1)]
            assert (streams._watched, domain.feed.listener_count) == ({}, 0)
        await eventually(lambda: asyncio.all_tasks() == tasks)


async def test_checks_of_the_store_belong_to_no_request_of_those_who_watch() -> None:
    request: ContextVar[str] = ContextVar("request")
    request.set("the first watcher's")
    seen: list[str | None] = []

    async def check() -> None:
        seen.append(request.get(None))

    checking = regularly(check, "anything", NEVER, at_once=True)
    await eventually(lambda: bool(seen))
    checking.cancel()
    assert seen == [None]
