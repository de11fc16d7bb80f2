"""What a process knows of one watched job, whatever the feed does."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.live.topic import Topic
from graph.live.wakeups import Wakeups
from models.feed.channel import Feed, JobChanged, MetricsRecorded
from models.job import Job, now
from models.lifecycle import JobStatus
from models.metric import Recorded
from tests.tools.domain import Domain, a_job, points, statements
from tests.tools.outside import Outside
from tests.tools.waiting import PATIENCE

BUFFER = 5


def job(metric_count: int, status: JobStatus = JobStatus.RUNNING) -> Job:
    return a_job(status=status, metric_count=metric_count)


def point(seq: int) -> Recorded:
    return Recorded(1, seq, seq, 1, 0.5, None, None, {"loss": 0.5}, now())


def recorded(first: int, last: int) -> MetricsRecorded:
    """The event of the points first .. last."""
    return MetricsRecorded(job(last), tuple(map(point, range(first, last + 1))))


def ended(metric_count: int) -> JobChanged:
    return JobChanged(job(metric_count, JobStatus.COMPLETE))


def after(topic: Topic, seq: int, limit: int = 1_000) -> list[int] | None:
    """The seqs that the topic can tell to follow."""
    following = topic.after(seq, limit)
    return None if following is None else [metric.seq for metric in following]


def told(*events: MetricsRecorded | JobChanged) -> Topic:
    """A topic that heard these."""
    topic = Topic(1, BUFFER, Wakeups())
    for event in events:
        topic.hear(event)
    return topic


class TestItsBuffer:
    @pytest.mark.parametrize("limit", [1, 2, 3, 4])
    def test_it_gives_at_most_as_many_as_asked_for(self, limit: int) -> None:
        topic = told(recorded(1, 4))
        assert [after(topic, seq, limit) for seq in range(4)] == [
            [*range(seq + 1, min(seq + limit, 4) + 1)] for seq in range(4)
        ]

    def test_it_cannot_tell_what_it_has_not_heard(self) -> None:
        assert after(told(), 0) is None
        assert after(told(recorded(1, 3)), 3) is None
        assert after(told(recorded(1, 3)), 8) is None
        assert after(told(recorded(4, 6)), 2) is None

    def test_it_keeps_the_newest_points_and_no_more_than_its_bound(self) -> None:
        topic = told(recorded(1, 3), recorded(4, 1_000))
        assert len(topic._recent) == BUFFER
        assert after(topic, 994) is None, "fell behind"
        assert after(topic, 995) == [996, 997, 998, 999, 1_000]
        assert topic.stored == 1_000

    @given(st.integers(1, 6), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), max_size=40))
    def test_whatever_is_dropped_doubled_or_late_it_gives_only_what_follows_without_a_gap(
        self, buffer: int, heard: list[tuple[int, int]]
    ) -> None:
        topic, furthest = Topic(1, buffer, Wakeups()), 0
        for first, more in heard:
            topic.hear(recorded(first, first + more))
            furthest = max(furthest, first + more)
            assert topic.stored == furthest
            for seq in range(41):
                following = after(topic, seq)
                assert following is None or following == [*range(seq + 1, furthest + 1)]
                assert following is None or 1 <= len(following) <= buffer
            assert after(topic, furthest - 1) == [furthest], "the newest is always there"


class TestWhatItKnows:
    def test_it_only_ever_grows(self) -> None:
        topic = told(recorded(1, 4), ended(6))
        topic.learn(job(2))
        topic.hear(recorded(1, 1))
        assert (topic.stored, topic.ended) == (6, True)

    def test_the_jobs_own_counter_tells_of_points_that_the_feed_lost(self) -> None:
        topic = told(recorded(1, 2))
        topic.learn(job(9))
        assert topic.stored == 9
        assert after(topic, 2) is None

    @pytest.mark.parametrize("status", JobStatus)
    def test_a_job_has_ended_once_it_is_complete_or_failed(self, status: JobStatus) -> None:
        assert told(JobChanged(job(0, status))).ended == (status in {JobStatus.COMPLETE, JobStatus.FAILED})


class TestNews:
    async def test_all_who_wait_are_woken_by_a_point_beyond_theirs_and_by_no_other(self) -> None:
        topic = told(recorded(1, 3))
        behind, near, far = (asyncio.create_task(topic.wait_for_point(seq)) for seq in (2, 3, 4))
        await turns()
        assert [task.done() for task in (behind, near, far)] == [True, False, False]
        topic.hear(recorded(3, 3))
        await turns()
        assert not near.done()
        topic.hear(recorded(4, 4))
        await turns()
        assert [task.done() for task in (near, far)] == [True, False]
        topic.hear(recorded(5, 5))
        await turns()
        assert far.done()


class TestItsLookAtTheStore:
    async def test_it_goes_on_after_the_store_was_out_of_order(
        self, domain: Domain, outside: Outside, caplog: pytest.LogCaptureFixture
    ) -> None:
        id = (await domain.job()).id
        await domain.jobs.log(id, points(1, 3))
        topic = Topic(id, BUFFER, Wakeups())
        topic.open(domain.database, Feed(), 0.02)
        with statements() as asked, caplog.at_level(logging.WARNING):
            outside.execute("ALTER TABLE job RENAME TO gone")
            await asked.until(2, "job")
            assert topic.stored == 0
            outside.execute("ALTER TABLE gone RENAME TO job")
            async with asyncio.timeout(PATIENCE):
                await topic.wait_for_point(0)
        assert topic.stored == 3
        assert f"job {id}: could not check the store for new points" in caplog.text
        topic.close()


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)
