"""The progress of running jobs as a stream: the latest in the end, at its pace, in order with changes of status."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from graph.live.changes import Changes
from models.feed.channel import Feed, JobChanged, MetricsRecorded
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.validation import NewJob
from tests.tools.api import Api
from tests.tools.domain import Domain, points, statements
from tests.tools.sockets import Socket
from tests.tools.waiting import eventually
from tests.tools.watchers import NEVER, OFTEN, following

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
BUFFER = 4
AT_ONCE = 0.0
SOON = 0.2
LONG = 3600.0

BY_STATUS = '"status" = '
"""What only the statement for the RUNNING jobs has."""


def by_feed(domain: Domain) -> Changes:
    return Changes(domain.database, domain.feed, BUFFER, NEVER)


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestPace:
    async def test_progress_is_reported_to_followers_that_request_it_and_to_no_others(self, domain: Domain) -> None:
        changes = by_feed(domain)
        async with following(changes, every=AT_ONCE) as follower, following(changes) as other:
            job = await domain.job()
            await domain.jobs.log(job.id, points(1, 3))
            await follower.until((job.id, RUNNING, 3))
            await domain.jobs.complete(job.id)
            assert await follower.until((job.id, COMPLETE, 3)) == [
                (job.id, QUEUED, 0),
                (job.id, RUNNING, 0),
                (job.id, RUNNING, 3),
                (job.id, COMPLETE, 3),
            ]
            assert await other.until((job.id, COMPLETE, 3)) == [
                (job.id, QUEUED, 0),
                (job.id, RUNNING, 0),
                (job.id, COMPLETE, 3),
            ]

    async def test_of_a_job_that_started_long_ago_the_next_points_are_reported_and_those_before_are_not(
        self, domain: Domain
    ) -> None:
        job, other = await domain.job(), await domain.job()
        await domain.record(job, 1, 5)
        await domain.record(other, 1, 7)
        async with following(Changes(domain.database, domain.feed, BUFFER, OFTEN), every=AT_ONCE) as follower:
            with statements() as asked:
                await asked.until(6, "deployment")  # some looks at the store, which find nothing new
            await domain.record(job, 6, 1)
            assert await follower.until((job.id, RUNNING, 6)) == [(job.id, RUNNING, 6)]

    async def test_each_job_is_reported_by_itself_and_its_latest_in_the_end(self, domain: Domain) -> None:
        one, other = await domain.job(), await domain.job()
        async with following(by_feed(domain), every=SOON) as follower:
            for step in range(1, 31):
                await domain.record(one, step, 1)
                await domain.record(other, step, 1)
            reported = await follower.until((one.id, RUNNING, 30), (other.id, RUNNING, 30))
            for job in (one, other):
                counts = [count for id, _, count in reported if id == job.id]
                assert counts == sorted(set(counts))

    async def test_the_first_progress_is_reported_at_once_and_the_next_is_not(self, domain: Domain) -> None:
        job = await domain.job()
        async with following(by_feed(domain), every=LONG) as follower:
            await domain.record(job, 1, 1)
            await follower.until((job.id, RUNNING, 1))
            await domain.record(job, 2, 1)
            other = await domain.job(QUEUED)
            assert await follower.until((other.id, QUEUED, 0)) == [(job.id, RUNNING, 1), (other.id, QUEUED, 0)]

    async def test_those_with_the_same_pace_are_given_the_same_and_others_are_given_theirs(
        self, domain: Domain
    ) -> None:
        job, changes = await domain.job(), by_feed(domain)
        async with (
            following(changes, every=SOON) as one,
            following(changes, every=SOON) as two,
            following(changes, every=LONG) as slow,
        ):
            for step in range(1, 40):
                await domain.record(job, step, 1)
            await asyncio.gather(*(each.until((job.id, RUNNING, 39)) for each in (one, two)))
            assert [id(each) for each in one.jobs] == [id(each) for each in two.jobs], "the very same rows"
            other = await domain.job(QUEUED)
            assert len(await slow.until((other.id, QUEUED, 0))) == 2
            assert len(changes._progress._paces) == 2

    async def test_a_slow_follower_costs_one_row_a_job_and_is_given_the_latest(self, domain: Domain) -> None:
        job, changes = await domain.job(), by_feed(domain)
        async with following(changes, every=AT_ONCE) as follower:
            await domain.record(job, 1, 1)
            await follower.until((job.id, RUNNING, 1))
            for step in range(2, 30):
                await domain.record(job, step, 1)
            assert len(changes._progress._moved) == 1
            assert await follower.until((job.id, RUNNING, 29)) == [(job.id, RUNNING, 1), (job.id, RUNNING, 29)]


class TestInOrderWithStatus:
    async def test_changes_of_status_wait_for_no_pace(self, domain: Domain) -> None:
        job = await domain.job(QUEUED)
        async with following(by_feed(domain), job.id, every=LONG) as follower:
            await domain.jobs.start(job.id)
            await follower.until((job.id, RUNNING, 0))
            await domain.record(job, 1, 1)
            await follower.until((job.id, RUNNING, 1))
            await domain.record(job, 2, 1)
            await domain.jobs.complete(job.id)
            assert await follower.until((job.id, COMPLETE, 2)) == [
                (job.id, RUNNING, 0),
                (job.id, RUNNING, 1),
                (job.id, COMPLETE, 2),
            ]
            assert await follower.ends()

    @pytest.mark.parametrize("status", [COMPLETE, FAILED])
    async def test_behind_the_end_of_a_job_there_is_nothing_more_of_it(self, domain: Domain, status: JobStatus) -> None:
        """Neither what was to be reported in the next round, nor what the feed brings late."""
        job = await domain.job()
        async with following(by_feed(domain), every=SOON) as follower:
            with domain.heard() as events:
                await domain.record(job, 1, 1)
                await follower.until((job.id, RUNNING, 1))
                await domain.record(job, 2, 1)
            await (domain.jobs.complete if status is COMPLETE else domain.jobs.fail)(job.id)
            for event in events:
                domain.feed.publish(event)
            other = await domain.job()
            await domain.record(other, 1, 1)  # reported in the next round, when the other's would have been
            reported = await follower.until((other.id, RUNNING, 1))
            assert [each for each in reported if each[0] == job.id] == [(job.id, RUNNING, 1), (job.id, status, 2)]

    async def test_a_slow_follower_is_given_the_end_and_not_what_was_before(
        self, domain: Domain, elsewhere: Jobs
    ) -> None:
        """Also where the feed has not brought the end: it comes from the store."""
        job, other, changes = await domain.job(), await domain.job(), by_feed(domain)
        async with following(changes, every=AT_ONCE) as follower:
            await domain.record(other, 1, 1)
            await follower.until((other.id, RUNNING, 1))
            (pace,) = changes._progress._paces.values()
            await domain.record(job, 1, 1)
            await eventually(lambda: pace.round == 2)
            for _ in range(2 * BUFFER):  # more than are kept
                await domain.job(QUEUED)
            await elsewhere.complete(job.id)
            assert (await follower.all(2 * BUFFER + 1))[-1] == (job.id, COMPLETE)
            await domain.record(other, 2, 1)
            assert await follower.all(1) == [(other.id, RUNNING)]

    async def test_late_and_doubled_news_takes_no_progress_back(self, domain: Domain) -> None:
        job = await domain.job()
        async with following(by_feed(domain), every=AT_ONCE) as follower:
            with domain.heard() as events:
                for step in (1, 2, 3):
                    await domain.record(job, step, 1)
            await follower.until((job.id, RUNNING, 3))
            seen = len(follower.jobs)
            for event in (*events, *events):
                domain.feed.publish(event)
            other = await domain.job()
            await domain.record(other, 1, 1)
            reported = await follower.until((other.id, RUNNING, 1))
            assert [each for each in reported[seen:] if each[0] == job.id] == []

    async def test_progress_that_overtook_the_start_reports_the_start_too(self, domain: Domain) -> None:
        """What comes late of it is then reported no more: a job would seem to fall back."""
        lossy = Feed()
        async with following(Changes(domain.database, lossy, BUFFER, NEVER), every=AT_ONCE) as follower:
            with domain.heard() as events:
                job = await domain.job()
                await domain.record(job, 1, 3)
            queued, started, recorded = events
            assert isinstance(started, JobChanged)
            assert isinstance(recorded, MetricsRecorded)
            lossy.publish(queued)
            lossy.publish(recorded)
            await follower.until((job.id, RUNNING, 3))
            lossy.publish(started)
            marker = await domain.job(QUEUED)
            lossy.publish(JobChanged(marker))
            assert await follower.until((marker.id, QUEUED, 0)) == [
                (job.id, QUEUED, 0),
                (job.id, RUNNING, 3),
                (marker.id, QUEUED, 0),
            ]


class TestByTheStore:
    async def test_points_of_another_process_are_found_and_reported_once(self, domain: Domain, elsewhere: Jobs) -> None:
        job = await domain.job()
        async with following(Changes(domain.database, domain.feed, BUFFER, OFTEN), every=AT_ONCE) as follower:
            await elsewhere.log(job.id, points(1, 3))
            await follower.until((job.id, RUNNING, 3))
            theirs = await elsewhere.create(NewJob("theirs", "resnet", epochs=1, learning_rate=0.1))
            await elsewhere.start(theirs.id)
            await elsewhere.log(theirs.id, points(1, 2))
            await follower.until((theirs.id, RUNNING, 2))
            await elsewhere.log(job.id, points(4, 1))
            await elsewhere.complete(job.id)
            await follower.until((job.id, COMPLETE, 4))
            await domain.record(theirs, 3, 1)
            reported = await follower.until((theirs.id, RUNNING, 3))
            assert len(reported) == len(set(reported))
            of_theirs = [each for each in reported if each[0] == theirs.id]
            assert of_theirs == sorted(of_theirs, key=lambda each: (each[1] is RUNNING, each[2]))

    async def test_running_jobs_are_read_only_while_a_client_follows_progress(self, domain: Domain) -> None:
        await domain.job()
        changes = Changes(domain.database, domain.feed, BUFFER, OFTEN)
        with statements() as asked:
            async with following(changes):
                await asked.until(4, "deployment")
                assert not any(BY_STATUS in text for text in asked.all)
                async with following(changes, every=LONG), following(changes, every=SOON):
                    asked.all.clear()
                    await asked.until(4, "job")
                    running = [BY_STATUS in text for text in asked.about("job")]
                    assert 4 <= sum(running) <= 5, "one a look, however many follow"

    @pytest.mark.sqlite_alone("it says which index it would use, however few jobs there are")
    async def test_they_are_found_by_the_index_on_status(self, domain: Domain, database_url: str) -> None:
        changes = Changes(domain.database, domain.feed, BUFFER, NEVER)
        with statements() as asked:
            async with following(changes, every=LONG):
                (look,) = [text for text in asked.about("job") if BY_STATUS in text]
        with closing(sqlite3.connect(database_url.removeprefix("sqlite://"))) as store:
            plan = " ".join(row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {look}", ["RUNNING"]))
        assert "USING INDEX job_newest_first_by_status (status=?)" in plan


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestLeaving:
    async def test_behind_the_last_follower_nothing_is_left(self, domain: Domain) -> None:
        job, changes = await domain.job(), by_feed(domain)
        tasks = asyncio.all_tasks()
        async with following(changes, every=LONG) as follower, following(changes, every=SOON), following(changes):
            await domain.record(job, 1, 1)
            await follower.until((job.id, RUNNING, 1))
            await domain.record(job, 2, 1)
            (pace, _) = changes._progress._paces.values()
            timer = pace._timer
            assert timer is not None
        assert timer.cancelled()
        assert (changes._progress._paces, changes._progress._counts) == ({}, {})
        assert (changes.followers, domain.feed.listener_count) == (0, 0)
        await eventually(lambda: asyncio.all_tasks() == tasks)


@pytest.mark.sqlite_alone("what the feed brings does not depend on the store")
class TestTheField:
    QUERY = "subscription ($id: ID, $everyMs: Int) { jobChanged(id: $id, everyMs: $everyMs) { status metricCount } }"

    async def test_reports_the_progress_of_one_job_up_to_its_end(self, api: Api, socket: Socket) -> None:
        job = await api.started()
        subscription = await socket.subscribe(self.QUERY, id=job, everyMs=100)
        first, logged = asyncio.create_task(socket.next(subscription)), 0
        while not first.done():
            logged += 1
            await api.log(job, [{"step": logged, "loss": 0.5}])
        assert (await first)["jobChanged"]["status"] == "RUNNING"
        count = (await first)["jobChanged"]["metricCount"]
        assert 1 <= count <= logged
        while count < logged:
            latest = (await socket.next(subscription))["jobChanged"]
            assert latest["status"] == "RUNNING"
            assert latest["metricCount"] > count
            count = latest["metricCount"]
        await api.complete(job)
        assert await socket.next(subscription) == {"jobChanged": {"status": "COMPLETE", "metricCount": logged}}
        assert (await socket.message(subscription))["type"] == "complete"

    @pytest.mark.parametrize("every", [-1, 0, 99, 60_001])
    async def test_refuses_a_bad_pace(self, socket: Socket, every: int) -> None:
        message = await socket.message(await socket.subscribe(self.QUERY, everyMs=every))
        assert message["type"] == "error"
        (error,) = message["payload"]
        assert error["message"] == f"everyMs: must be 100 to 60000, got {every}."
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "everyMs"}
