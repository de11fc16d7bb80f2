"""The changes of jobs' statuses as a stream: each once, whatever the feed does, of all jobs or of one."""

import asyncio
import logging
from contextlib import aclosing

import pytest

from graph.live.changes import Changes
from models.feed.channel import Feed, JobChanged
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.validation import NewJob
from tests.tools.domain import Domain, points, statements
from tests.tools.outside import Outside
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.watchers import NEVER, OFTEN, Follower, following, intervals

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
BUFFER = 4
THEIRS = NewJob("theirs", "resnet", epochs=1, learning_rate=0.1)


def by_feed(domain: Domain, buffer: int = BUFFER) -> Changes:
    return Changes(domain.database, domain.feed, buffer, NEVER)


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestByTheFeed:
    async def test_each_change_of_every_job_is_reported_in_order_and_points_are_no_change(self, domain: Domain) -> None:
        async with following(by_feed(domain)) as follower:
            one = await domain.job()
            await domain.jobs.log(one.id, points(1, 3))
            other = await domain.job(FAILED)
            assert await follower.all(4) == [
                (one.id, QUEUED),
                (one.id, RUNNING),
                (other.id, QUEUED),
                (other.id, FAILED),
            ]
            await domain.jobs.complete(one.id)
            assert await follower.next() == (one.id, COMPLETE)

    async def test_nor_is_it_one_of_a_job_that_changed_before(self, domain: Domain) -> None:
        old, other = await domain.job(), await domain.job()
        async with following(by_feed(domain)) as follower:
            await domain.jobs.log(old.id, points(1, 3))
            await domain.jobs.complete(other.id)
            await domain.jobs.complete(old.id)
            assert await follower.all(2) == [(other.id, COMPLETE), (old.id, COMPLETE)]

    async def test_what_changed_before_is_not_reported(self, domain: Domain) -> None:
        before = await domain.job()
        changes = by_feed(domain)
        async with following(changes) as first:
            await domain.jobs.complete(before.id)
            async with following(changes) as second:
                new = await domain.job(QUEUED)
                assert await second.next() == (new.id, QUEUED)
            assert await first.all(2) == [(before.id, COMPLETE), (new.id, QUEUED)]

    async def test_of_one_job_only_its_changes_are_reported_and_its_end_is_the_last(self, domain: Domain) -> None:
        watched = await domain.job(QUEUED)
        async with following(by_feed(domain), watched.id) as follower:
            await domain.job()
            await domain.jobs.start(watched.id)
            await domain.jobs.fail(watched.id)
            assert await follower.all(2) == [(watched.id, RUNNING), (watched.id, FAILED)]
            assert await follower.ends()

    @pytest.mark.parametrize("status", [COMPLETE, FAILED])
    async def test_of_a_job_that_has_ended_there_is_nothing_to_tell(self, domain: Domain, status: JobStatus) -> None:
        ended = await domain.job(status)
        async with aclosing(by_feed(domain).follow(ended.id)) as stream, asyncio.timeout(PATIENCE):
            assert [job async for job in stream] == []

    async def test_doubled_and_late_news_is_reported_once(self, domain: Domain) -> None:
        async with following(by_feed(domain)) as follower:
            with domain.heard() as events:
                job = await domain.job(COMPLETE)
            for event in (*events, *reversed(events)):
                domain.feed.publish(event)
            marker = await domain.job(QUEUED)
            expected = [(job.id, QUEUED), (job.id, RUNNING), (job.id, COMPLETE), (marker.id, QUEUED)]
            assert await follower.all(4) == expected

    async def test_news_that_overtook_what_came_before_it_is_reported_behind_it(self, domain: Domain) -> None:
        """Changes have numbers: what is missing is waited for, or read from the store."""
        lossy = Feed()
        async with following(Changes(domain.database, lossy, BUFFER, NEVER)) as follower:
            with domain.heard() as events:
                job = await domain.job(COMPLETE)
            queued, running, complete = events
            for event in (queued, complete, running):
                lossy.publish(event)
            marker = await domain.job(QUEUED)
            lossy.publish(JobChanged(marker))
            told = [(job.id, QUEUED), (job.id, RUNNING), (job.id, COMPLETE), (marker.id, QUEUED)]
            assert await follower.all(4) == told

    async def test_what_the_feed_lost_is_read_from_the_store_as_soon_as_a_later_change_is_heard(
        self, domain: Domain
    ) -> None:
        lossy = Feed()
        async with following(Changes(domain.database, lossy, BUFFER, NEVER)) as follower:
            lost = await domain.job()
            gone = await domain.job(COMPLETE)
            await domain.jobs.delete(gone.id)
            lossy.publish(JobChanged(await domain.jobs.create(NewJob("heard"))))
            assert await follower.next() == (lost.id, RUNNING)
            assert (await follower.next())[1] is QUEUED


class TestBeginningWithTheJobAsItIs:
    async def test_it_is_reported_first_and_then_what_changes(self, domain: Domain) -> None:
        job = await domain.job(RUNNING)
        async with aclosing(by_feed(domain).follow(job.id, current=True)) as stream, asyncio.timeout(PATIENCE):
            assert (await anext(stream)).status is RUNNING
            await domain.jobs.fail(job.id)
            assert [job.status async for job in stream] == [FAILED]

    async def test_a_change_while_it_is_read_is_reported_once(self, domain: Domain) -> None:
        """The feed is heard before the job is read: what comes in between is in one of them, or in both."""
        job = await domain.job(QUEUED)
        async with aclosing(by_feed(domain).follow(job.id, current=True)) as stream, asyncio.timeout(PATIENCE):
            first, started = await asyncio.gather(anext(stream), domain.jobs.start(job.id))
            reported = [first.status]
            await domain.jobs.complete(started.id)
            reported += [job.status async for job in stream]
        assert reported in ([QUEUED, RUNNING, COMPLETE], [RUNNING, COMPLETE])

    @pytest.mark.parametrize("status", [COMPLETE, FAILED])
    async def test_one_that_has_ended_is_all_there_is(self, domain: Domain, status: JobStatus) -> None:
        ended = await domain.job(status)
        async with aclosing(by_feed(domain).follow(ended.id, current=True)) as stream, asyncio.timeout(PATIENCE):
            assert [job.status async for job in stream] == [status]


class TestFallingBehind:
    async def test_a_slow_follower_is_given_each_job_that_changed_meanwhile_as_it_now_is(self, domain: Domain) -> None:
        async with following(by_feed(domain)) as follower:
            first = await domain.job(QUEUED)
            assert await follower.next() == (first.id, QUEUED)
            later = [await domain.job(status) for status in (RUNNING, COMPLETE, FAILED, QUEUED)]
            await domain.jobs.start(first.id)
            now = {(job.id, job.status) for job in later} | {(first.id, RUNNING)}
            assert set(await follower.all(5)) == now
            await domain.jobs.complete(first.id)
            assert await follower.next() == (first.id, COMPLETE), "and goes on from there"

    async def test_it_is_given_nothing_again_and_nothing_that_was_before_it_came(self, domain: Domain) -> None:
        before = await domain.job()
        async with following(by_feed(domain)) as follower:
            known = await domain.job()
            assert await follower.all(2) == [(known.id, QUEUED), (known.id, RUNNING)]
            new = [await domain.job(QUEUED) for _ in range(2 * BUFFER)]
            reported = await follower.all(len(new))
            assert before.id not in dict(reported)
            assert known.id not in dict(reported)
            assert reported == [(job.id, QUEUED) for job in new]

    async def test_a_slow_follower_of_one_job_is_given_its_end(self, domain: Domain) -> None:
        watched = await domain.job(QUEUED)
        async with following(by_feed(domain), watched.id) as follower:
            await domain.jobs.start(watched.id)
            assert await follower.next() == (watched.id, RUNNING)
            await domain.jobs.complete(watched.id)
            for _ in range(2 * BUFFER):
                await domain.job(QUEUED)
            assert await follower.next() == (watched.id, COMPLETE)
            assert await follower.ends()


class TestByItsLookAtTheStore:
    async def test_changes_that_another_process_made_are_found(self, domain: Domain, elsewhere: Jobs) -> None:
        mine = await domain.job()
        changes = Changes(domain.database, domain.feed, BUFFER, OFTEN)
        async with following(changes) as follower, following(changes, mine.id) as of_mine:
            await elsewhere.fail(mine.id, "by another process")
            assert await follower.next() == (mine.id, FAILED)
            assert await of_mine.next() == (mine.id, FAILED)
            assert await of_mine.ends()
            theirs = await elsewhere.create(THEIRS)
            assert await follower.next() == (theirs.id, QUEUED)
            await elsewhere.start(theirs.id)
            assert await follower.next() == (theirs.id, RUNNING)

    async def test_of_several_changes_of_one_job_between_two_looks_the_latest_is_found(
        self, domain: Domain, elsewhere: Jobs
    ) -> None:
        job = await domain.job(QUEUED)
        changes = Changes(domain.database, domain.feed, BUFFER, 0.3)
        async with following(changes) as follower, following(changes, job.id) as of_it:
            await elsewhere.start(job.id)
            await elsewhere.complete(job.id)
            for each in (follower, of_it):
                last = await each.next()
                if last == (job.id, RUNNING):  # a look fell between the two
                    last = await each.next()
                assert last == (job.id, COMPLETE)
            assert await of_it.ends()

    async def test_what_the_feed_reported_already_is_not_reported_again(self, domain: Domain) -> None:
        async with following(Changes(domain.database, domain.feed, BUFFER, OFTEN)) as follower:
            job = await domain.job(COMPLETE)
            assert await follower.all(3) == [(job.id, QUEUED), (job.id, RUNNING), (job.id, COMPLETE)]
            with statements() as asked:
                await asked.until(3, "deployment")
            marker = await domain.job(QUEUED)
            assert await follower.next() == (marker.id, QUEUED)

    async def test_there_is_one_look_however_many_follow(self, domain: Domain) -> None:
        changes = Changes(domain.database, domain.feed, BUFFER, 0.1)
        followers = [Follower(changes.follow(None)) for _ in range(50)]
        for follower in followers:
            await follower.begin()
        with statements() as asked:
            async with intervals(0.1) as passed:
                await asked.until(4, "deployment")
            assert len(passed) > 1, "one look an interval"
        for follower in followers:
            await follower.leave()

    async def test_it_goes_on_after_the_store_was_out_of_order(
        self, domain: Domain, elsewhere: Jobs, outside: Outside, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with following(Changes(domain.database, domain.feed, BUFFER, OFTEN)) as follower:
            with statements() as asked, caplog.at_level(logging.WARNING):
                outside.execute("ALTER TABLE deployment RENAME TO gone")
                await asked.until(2, "deployment")
                outside.execute("ALTER TABLE gone RENAME TO deployment")
            theirs = await elsewhere.create(THEIRS)
            assert await follower.next() == (theirs.id, QUEUED)
        assert "could not check the store for changed jobs" in caplog.text


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestLeaving:
    async def test_behind_the_last_follower_nothing_is_left(self, domain: Domain) -> None:
        changes = Changes(domain.database, domain.feed, BUFFER, OFTEN)
        tasks = asyncio.all_tasks()
        async with following(changes), following(changes) as second:
            assert (changes.followers, domain.feed.listener_count) == (2, 1)
            job = await domain.job(QUEUED)
            await second.next()
        await eventually(lambda: asyncio.all_tasks() == tasks)
        assert (changes.followers, domain.feed.listener_count) == (0, 0)
        assert (changes._log.count, changes._last) == (0, {})
        async with following(changes) as again:
            await domain.jobs.start(job.id)
            assert await again.next() == (job.id, RUNNING)

    async def test_a_follower_that_is_cut_while_it_begins_leaves_nothing_either(self, domain: Domain) -> None:
        changes = Changes(domain.database, domain.feed, BUFFER, OFTEN)
        tasks = asyncio.all_tasks()
        for moment in range(30):
            stream = changes.follow(None)
            beginning = asyncio.create_task(anext(stream))
            await asyncio.wait({beginning}, timeout=moment / 10_000)
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
            await stream.aclose()
        await eventually(lambda: asyncio.all_tasks() == tasks)
        assert (changes.followers, domain.feed.listener_count) == (0, 0)
