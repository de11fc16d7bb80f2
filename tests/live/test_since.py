"""Followers that come back with a cursor, those of a filter, and those who are told of deletions."""

import asyncio
from contextlib import aclosing

import pytest

from graph.live.changes import PAGE, Changes
from graph.live.stream import Streams
from models.feed.channel import Feed
from models.job_list import ConfigCondition, JobFilter
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.validation import NewJob
from tests.tools.api import Api
from tests.tools.domain import Domain, points, statements
from tests.tools.sockets import Socket
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.watchers import NEVER, OFTEN, ChaosFeed, Follower, Watcher

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
BUFFER = 4


def by_feed(domain: Domain) -> Changes:
    return Changes(domain.database, domain.feed, BUFFER, NEVER)


class TestSince:
    async def test_each_job_that_changed_after_it_comes_first_as_it_now_is_then_what_is_live(
        self, domain: Domain
    ) -> None:
        before = await domain.job()
        jobs = [await domain.job() for _ in range(3)]
        await domain.jobs.complete(jobs[0].id)
        follower = Follower(by_feed(domain).follow(since=before.change))
        assert await follower.all(3) == [(jobs[1].id, RUNNING), (jobs[2].id, RUNNING), (jobs[0].id, COMPLETE)]
        new = await domain.job(QUEUED)
        assert await follower.next() == (new.id, QUEUED)
        await follower.leave()

    async def test_the_store_is_read_in_pages(self, domain: Domain) -> None:
        jobs = [await domain.jobs.create(NewJob("run")) for _ in range(2 * PAGE + 10)]
        for job in jobs[:PAGE:2]:
            await domain.jobs.delete(job.id)
        follower = Follower(by_feed(domain).follow(since=0))
        left = [job.id for job in jobs if job not in jobs[:PAGE:2]]
        assert [id for id, _ in await follower.all(len(left))] == left
        await follower.leave()

    async def test_of_one_job_only_its_change_comes_and_its_end_is_the_last(self, domain: Domain) -> None:
        job = await domain.job()
        ended = await domain.jobs.complete(job.id)
        for since, told in ((job.change, [COMPLETE]), (ended.change, [])):
            async with aclosing(by_feed(domain).follow(job.id, since=since)) as stream, asyncio.timeout(PATIENCE):
                assert [each.status async for each in stream] == told

    async def test_one_who_is_cut_again_and_again_misses_no_change_whatever_the_feed_does(
        self, database_url: str, domain: Domain
    ) -> None:
        feed = ChaosFeed(1)
        changes, jobs = Changes(domain.database, feed, BUFFER, OFTEN), Jobs(domain.database, feed)
        marker = await domain.job()

        async def make() -> None:
            for _ in range(30):
                job = await jobs.start((await jobs.create(NewJob("run"))).id)
                await jobs.complete(job.id)

        making = asyncio.create_task(make())
        since, ended = marker.change, list[int]()
        while len(ended) < 30:
            follower = Follower(changes.follow(since=since))
            for _ in range(7):
                if len(ended) == 30:
                    break
                id, status = await follower.next()
                assert follower.jobs[-1].change > since, "nothing twice, nothing backwards"
                since = follower.jobs[-1].change
                ended += [id] if status is COMPLETE else []
            await follower.leave()
        assert ended == sorted(set(ended))
        await making


class TestAFilter:
    async def test_is_judged_by_the_job_as_it_now_is(self, domain: Domain) -> None:
        wanted = JobFilter(projects=["vision"], config=[ConfigCondition("lr", above=0.5)])
        follower = Follower(by_feed(domain).follow(filter=wanted))
        await follower.begin()
        for project, rate in (("vision", 0.1), ("speech", 1), ("vision", 1)):
            job = await domain.jobs.create(NewJob("run", project=project, config={"lr": rate}))
        assert await follower.next() == (job.id, QUEUED)
        await domain.jobs.archive(job.id)
        await domain.jobs.unarchive(job.id)
        assert (await follower.next(), follower.jobs[-1].archived_at) == ((job.id, QUEUED), None)
        await follower.leave()

    @pytest.mark.parametrize("shown", [False, True])
    async def test_finds_secrets_where_they_are_shown_alone(self, domain: Domain, shown: bool) -> None:
        changes = Changes(domain.database, domain.feed, BUFFER, NEVER, show_secrets=shown)
        wanted = JobFilter(config=[ConfigCondition("api_key", '"s3cret"')])
        job = await domain.jobs.create(NewJob("run", config={"api_key": "s3cret"}))
        await domain.jobs.fail(job.id)
        async with aclosing(changes.follow(job.id, filter=wanted, since=0)) as stream, asyncio.timeout(PATIENCE):
            assert [each.status async for each in stream] == ([FAILED] if shown else [])

    async def test_equal_ones_cost_one_statement_for_each_change(self, domain: Domain) -> None:
        changes = by_feed(domain)
        followers = [Follower(changes.follow(filter=JobFilter(projects=["vision"]))) for _ in range(20)]
        for each in followers:
            await each.begin()
        with statements() as asked:
            job = await domain.jobs.create(NewJob("run", project="vision"))
            assert [await each.next() for each in followers] == [(job.id, QUEUED)] * 20
        assert len([text for text in asked.all if text.startswith('SELECT "job"."id" FROM "job"')]) == 1
        for each in followers:
            await each.leave()

    async def test_without_one_archived_jobs_are_told_of_too(self, domain: Domain) -> None:
        follower = Follower(by_feed(domain).follow())
        await follower.begin()
        job = await domain.job(FAILED)
        await domain.jobs.archive(job.id)
        await follower.all(3)
        assert follower.jobs[-1].archived_at is not None
        await follower.leave()


class TestDeletions:
    async def test_are_told_live_and_from_a_cursor_on(self, domain: Domain) -> None:
        changes = by_feed(domain)
        jobs = [await domain.job(FAILED) for _ in range(3)]
        async with aclosing(changes.deletions()) as live, asyncio.timeout(PATIENCE):
            first = asyncio.create_task(anext(live))
            await eventually(changes._ready.is_set)
            for job in jobs:
                await domain.jobs.delete(job.id)
            told = [await first, await anext(live), await anext(live)]
        assert [each.job_id for each in told] == [job.id for job in jobs]
        async with aclosing(changes.deletions(told[0].change)) as later, asyncio.timeout(PATIENCE):
            assert [await anext(later), await anext(later)] == told[1:]

    async def test_that_another_process_made_are_found(self, domain: Domain, elsewhere: Jobs) -> None:
        job = await domain.job(FAILED)
        changes = Changes(domain.database, Feed(), BUFFER, OFTEN)
        async with aclosing(changes.deletions()) as live, asyncio.timeout(PATIENCE):
            first = asyncio.create_task(anext(live))
            await eventually(changes._ready.is_set)
            await elsewhere.delete(job.id)
            assert (await first).job_id == job.id

    @pytest.mark.parametrize("check", [NEVER, OFTEN])
    async def test_end_the_streams_of_the_job(self, domain: Domain, elsewhere: Jobs, check: float) -> None:
        job = await domain.job(QUEUED)
        streams = Streams(domain.database, domain.feed, BUFFER, check)
        follower, watcher = Follower(streams.changes.follow(job.id)), Watcher(streams, job.id)
        await follower.begin()
        await eventually(lambda: streams.watchers == 2)
        await (domain.jobs if check == NEVER else elsewhere).delete(job.id)
        assert await follower.ends()
        assert await watcher.end() == []


class TestAResumedJob:
    async def test_is_watched_to_its_next_end_though_a_watcher_of_the_last_is_still_there(self, domain: Domain) -> None:
        streams = Streams(domain.database, domain.feed, BUFFER, NEVER)
        job = await domain.job()
        await domain.jobs.log(job.id, points(1, 3))
        async with aclosing(streams.metrics(job.id, 0)) as slow, asyncio.timeout(PATIENCE):
            assert (await anext(slow)).seq == 1
            await domain.jobs.complete(job.id)
            await domain.jobs.resume(job.id)
            watcher = Watcher(streams, job.id, after=3)
            await domain.jobs.log(job.id, points(4, 2))
            await watcher.has_seen(5)
            await domain.jobs.complete(job.id)
            assert await watcher.end() == [4, 5]
            assert [point.seq async for point in slow] == [2, 3, 4, 5]


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestTheFields:
    CHANGED = """subscription ($since: String, $filter: JobFilter) {
        jobChanged(since: $since, filter: $filter) { id cursor } }"""
    DELETED = "subscription ($since: String) { jobDeleted(since: $since) { id cursor } }"

    async def test_a_list_is_caught_up_after_a_lost_line(self, api: Api, socket: Socket) -> None:
        first, second = await api.created(), await api.created(project="vision")
        cursor = (await api.job(first, "cursor"))["cursor"]
        await api.delete(first)
        deleted = await socket.subscribe(self.DELETED, since=cursor)
        assert (await socket.next(deleted))["jobDeleted"]["id"] == first
        changed = await socket.subscribe(self.CHANGED, since=cursor, filter={"projects": ["vision"]})
        told = (await socket.next(changed))["jobChanged"]
        assert told == {"id": second, "cursor": (await api.job(second, "cursor"))["cursor"]}

    @pytest.mark.parametrize("query", [CHANGED, DELETED])
    @pytest.mark.parametrize("since", ["", "x", "ü", "Y2hhbmdlOi01", "Y2hhbmdlOng", "Y2hhbmdlOjk5OTk5", "A" * 5_000])
    async def test_a_bad_cursor_is_refused(self, socket: Socket, query: str, since: str) -> None:
        message = await socket.message(await socket.subscribe(query, since=since))
        assert message["type"] == "error"
        (error,) = message["payload"]
        assert error["message"].startswith("since: is ")
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "since"}
