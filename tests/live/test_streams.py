"""A job's points as a stream: every one, in order, each once, whatever happens to the feed and to the watcher."""

import asyncio
from contextlib import aclosing

import pytest

from graph.live.stream import Streams
from models.feed.channel import Event, Feed
from models.lifecycle import JobStatus
from simulator.runner import make_points
from tests.tools.domain import Domain, all_has_begun, opened_domain, statements
from tests.tools.watchers import BUFFER, NEVER, OFTEN, Watcher, intervals


class DeafFeed(Feed):
    """Loses everything while it is told to."""

    lost = False

    def publish(self, event: Event) -> None:
        if not self.lost:
            super().publish(event)


class TestWhereItBegins:
    async def test_without_a_cursor_only_what_is_recorded_from_now_on_comes(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 3)
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        seen = Watcher(streams, job.id, after=None)
        await all_has_begun()
        await domain.record(job, 4, 2)
        await domain.jobs.complete(job.id)
        assert await seen.end() == [4, 5]

    async def test_a_cursor_beyond_the_end_waits_until_the_job_has_come_there(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 3)
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        beyond, far_beyond = Watcher(streams, job.id, after=5), Watcher(streams, job.id, after=2**40)
        marker = Watcher(streams, job.id, after=None)
        await all_has_begun()
        await domain.record(job, 4, 1)
        await domain.record(job, 5, 3)
        await marker.has_seen(7)
        await beyond.has_seen(7)
        await domain.jobs.complete(job.id)
        assert await beyond.end() == [6, 7]
        assert await far_beyond.end() == []


class TestTheEnd:
    @pytest.mark.parametrize("status", [JobStatus.COMPLETE, JobStatus.FAILED])
    async def test_of_a_job_that_has_ended_what_is_stored_comes_then_the_stream_completes(
        self, domain: Domain, status: JobStatus
    ) -> None:
        job = await domain.job()
        await domain.record(job, 1, 3)
        await (domain.jobs.complete(job.id) if status is JobStatus.COMPLETE else domain.jobs.fail(job.id))
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        for after, seen in ((0, [1, 2, 3]), (2, [3]), (3, []), (9, []), (None, [])):
            assert await Watcher(streams, job.id, after).end() == seen

    async def test_an_end_that_is_heard_before_the_last_points_does_not_cut_them_off(self, domain: Domain) -> None:
        job = await domain.job()
        late = Feed()
        watcher = Watcher(Streams(domain.database, late, BUFFER, NEVER), job.id)
        with domain.heard(job.id) as events:
            await domain.record(job, 1, 4, at_once=2)
            await domain.jobs.complete(job.id)
        for event in reversed(events):
            late.publish(event)
        assert await watcher.end() == [1, 2, 3, 4]


class TestALostMessage:
    async def test_one_that_was_the_last_before_a_quiet_spell_is_found_by_a_look_at_the_store(
        self, database_url: str
    ) -> None:
        async with opened_domain(database_url, feed := DeafFeed()) as domain:
            job = await domain.job()
            watcher = Watcher(Streams(domain.database, domain.feed, BUFFER, OFTEN), job.id)
            await domain.record(job, 1, 2)
            feed.lost = True
            await domain.record(job, 3, 1)
            await watcher.has_seen(3)
            await domain.jobs.complete(job.id)
            assert await watcher.end() == [1, 2, 3], "and so is a lost end"

    async def test_there_is_one_look_however_many_watch(self, database_url: str) -> None:
        async with opened_domain(database_url, feed := DeafFeed()) as domain:
            job = await domain.job()
            await domain.jobs.simulate(job.id, make_points, 2)
            streams = Streams(domain.database, domain.feed, BUFFER, 0.1)
            watchers = [Watcher(streams, job.id) for _ in range(50)]
            for watcher in watchers:
                await watcher.has_seen(2)
            with statements() as asked:
                async with intervals(0.1) as passed:
                    await asked.until(4, "job")
                assert len(passed) > 1, "one look an interval"
                assert len(asked.all) == 4, "nothing else is asked in a quiet spell"
            feed.lost = True
            await domain.jobs.simulate(job.id, make_points)
            for watcher in watchers:
                await watcher.has_seen(3)
                await watcher.leave()
                assert watcher.seen == [1, 2, 3]

    async def test_a_point_that_is_lost_in_the_middle_is_read_as_soon_as_the_next_is_heard(
        self, database_url: str
    ) -> None:
        async with opened_domain(database_url, feed := DeafFeed()) as domain:
            job = await domain.job()
            watcher = Watcher(Streams(domain.database, domain.feed, BUFFER, NEVER), job.id)
            await domain.record(job, 1, 2)
            await watcher.has_seen(2)
            feed.lost = True
            await domain.record(job, 3, 2)
            feed.lost = False
            await domain.record(job, 5, 1)
            await watcher.has_seen(5)
            await domain.jobs.complete(job.id)
            assert await watcher.end() == [1, 2, 3, 4, 5]


class TestBatches:
    """The same stream in batches: see also the property test of both, test_exactly_once."""

    async def test_what_is_recorded_within_an_interval_comes_at_once_behind_it(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 1)
        batches = []
        async for batch in Streams(domain.database, domain.feed, BUFFER, NEVER).batches(job.id, 0, every=0.1):
            batches.append([metric.seq for metric in batch])
            if len(batches) <= 2:
                await domain.record(job, batches[-1][-1] + 1, 4, at_once=2)
            else:
                await domain.jobs.complete(job.id)
        assert batches == [[1], [2, 3, 4, 5], [6, 7, 8, 9]]

    async def test_none_comes_before_its_interval_and_the_end_does_not_wait_for_it(self, domain: Domain) -> None:
        job, streams = await domain.job(), Streams(domain.database, domain.feed, BUFFER, NEVER)
        await domain.record(job, 1, 1)
        async with aclosing(streams.batches(job.id, 0, every=NEVER)) as slow:
            assert [metric.seq for metric in await anext(slow)] == [1]
            waiting = asyncio.create_task(anext(slow))
            watcher = Watcher(streams, job.id)
            await domain.record(job, 2, 3)
            await watcher.has_seen(4)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait({waiting})
            await watcher.leave()
        ended = await domain.job()
        await domain.record(ended, 1, 1)
        ending = streams.batches(ended.id, 0, every=NEVER)
        assert [metric.seq for metric in await anext(ending)] == [1]
        await domain.jobs.complete(ended.id)
        assert [batch async for batch in ending] == []
