"""What a process knows of one watched job, whatever the feed does."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.live.stream import WatchedJob
from graph.live.wakeups import Wakeups
from models.feed.channel import JobChanged, MetricsRecorded
from models.job import Job, now
from models.lifecycle import JobStatus
from models.metric import Recorded
from tests.tools.domain import a_job

BUFFER = 5


def job(metric_count: int, status: JobStatus = JobStatus.RUNNING) -> Job:
    return a_job(status=status, metric_count=metric_count)


def point(seq: int) -> Recorded:
    return Recorded(1, seq, seq, 1, 0.5, None, None, {"loss": 0.5}, None, now())


def recorded(first: int, last: int) -> MetricsRecorded:
    """The event of the points first .. last."""
    return MetricsRecorded(job(last), tuple(map(point, range(first, last + 1))))


def ended(metric_count: int) -> JobChanged:
    return JobChanged(job(metric_count, JobStatus.COMPLETE))


def after(watched: WatchedJob, seq: int, limit: int = 1_000) -> list[int] | None:
    """The seqs that it knows to follow."""
    following = watched.after(seq, limit)
    return None if following is None else [metric.seq for metric in following]


def having_heard(*events: MetricsRecorded | JobChanged) -> WatchedJob:
    """The job, once these were heard."""
    watched = WatchedJob(1, BUFFER, Wakeups())
    for event in events:
        watched.hear(event)
    return watched


class TestItsBuffer:
    @pytest.mark.parametrize("limit", [1, 2, 3, 4])
    def test_it_gives_at_most_as_many_as_asked_for(self, limit: int) -> None:
        watched = having_heard(recorded(1, 4))
        assert [after(watched, seq, limit) for seq in range(4)] == [
            [*range(seq + 1, min(seq + limit, 4) + 1)] for seq in range(4)
        ]

    def test_it_keeps_the_newest_points_and_no_more_than_its_bound(self) -> None:
        watched = having_heard(recorded(1, 3), recorded(4, 1_000))
        assert len(watched._recent) == BUFFER
        assert after(watched, 994) is None, "fell behind"
        assert after(watched, 995) == [996, 997, 998, 999, 1_000]
        assert watched.stored == 1_000

    @given(st.integers(1, 6), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), max_size=40))
    def test_whatever_is_dropped_doubled_or_late_it_gives_only_what_follows_without_a_gap(
        self, buffer: int, heard: list[tuple[int, int]]
    ) -> None:
        watched, furthest = WatchedJob(1, buffer, Wakeups()), 0
        for first, more in heard:
            watched.hear(recorded(first, first + more))
            furthest = max(furthest, first + more)
            assert watched.stored == furthest
            for seq in range(41):
                following = after(watched, seq)
                assert following is None or following == [*range(seq + 1, furthest + 1)]
                assert following is None or 1 <= len(following) <= buffer
            assert after(watched, furthest - 1) == [furthest], "the newest is always there"


class TestWhatItKnows:
    def test_it_only_ever_grows(self) -> None:
        watched = having_heard(recorded(1, 4), ended(6))
        watched.learn(job(2))
        watched.hear(recorded(1, 1))
        assert (watched.stored, watched.ended) == (6, True)

    def test_the_jobs_own_counter_counts_points_that_the_feed_lost(self) -> None:
        watched = having_heard(recorded(1, 2))
        watched.learn(job(9))
        assert watched.stored == 9
        assert after(watched, 2) is None

    @pytest.mark.parametrize("status", JobStatus)
    def test_a_job_has_ended_once_it_is_complete_or_failed(self, status: JobStatus) -> None:
        assert having_heard(JobChanged(job(0, status))).ended == (status in {JobStatus.COMPLETE, JobStatus.FAILED})


class TestNews:
    async def test_all_who_wait_are_woken_by_a_point_beyond_theirs_and_by_no_other(self) -> None:
        watched = having_heard(recorded(1, 3))
        behind, near, far = (asyncio.create_task(watched.wait_for_point(seq)) for seq in (2, 3, 4))
        await turns()
        assert [task.done() for task in (behind, near, far)] == [True, False, False]
        watched.hear(recorded(3, 3))
        await turns()
        assert not near.done()
        watched.hear(recorded(4, 4))
        await turns()
        assert [task.done() for task in (near, far)] == [True, False]
        watched.hear(recorded(5, 5))
        await turns()
        assert far.done()


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)
