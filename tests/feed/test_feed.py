"""Events reach their listeners after the commit, in order, for as long as they listen."""

import asyncio
import contextlib
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from models.errors import IllegalTransition, SimulationFailed
from models.feed.channel import Event, Feed, JobChanged, JobDeleted, MetricsRecorded
from models.lifecycle import JobStatus
from simulator.runner import make_points
from tests.tools.domain import Domain, a_job, points
from tests.tools.outside import Outside
from tests.tools.waiting import eventually

ONE, OTHER = a_job(id=1), a_job(id=2)


class TestListening:
    def test_one_receives_events_of_its_job_or_of_all_in_the_order_of_publication(self) -> None:
        feed = Feed()
        of_one: list[Event] = []
        of_all: list[Event] = []
        events: list[Event] = [JobChanged(ONE), JobChanged(OTHER), MetricsRecorded(ONE, ())]
        with feed.listening(of_one.append, ONE.id), feed.listening(of_all.append):
            for event in events:
                feed.publish(event)
        assert of_one == [events[0], events[2]]
        assert of_all == events

    def test_one_that_has_left_receives_nothing_and_is_forgotten(self) -> None:
        feed = Feed()
        heard: list[Event] = []
        with feed.listening(heard.append, ONE.id), feed.listening(heard.append):
            assert feed.listener_count == 2
        feed.publish(JobChanged(ONE))
        assert heard == []
        assert feed.listener_count == 0
        assert feed._listeners == {}, "nothing is kept of a job without listeners"

    def test_one_may_leave_while_it_receives_an_event(self) -> None:
        feed = Feed()
        heard: list[Event] = []
        leaving = contextlib.ExitStack()
        leaving.enter_context(feed.listening(lambda event: leaving.close(), ONE.id))
        with feed.listening(heard.append, ONE.id):
            feed.publish(JobChanged(ONE))
            feed.publish(JobChanged(ONE))
            assert feed.listener_count == 1
        assert len(heard) == 2


class TestPublishing:
    async def test_each_verb_publishes_what_it_did_with_the_job_as_it_then_is(self, domain: Domain) -> None:
        with domain.heard() as events:
            job = await domain.job(epochs=1, steps_per_epoch=2)
            await domain.jobs.simulate(job.id, make_points, 1)
            await domain.jobs.simulate(job.id, make_points, 2)
            await domain.jobs.simulate(job.id, make_points)
            await domain.job(JobStatus.FAILED)
            job = await domain.job(JobStatus.COMPLETE)
            await domain.jobs.log(job.id, points(1, 3), late=True)
            await domain.jobs.delete(job.id)
        assert [(type(event), event.job.status, event.job.metric_count) for event in events] == [
            (JobChanged, JobStatus.QUEUED, 0),
            (JobChanged, JobStatus.RUNNING, 0),
            (MetricsRecorded, JobStatus.RUNNING, 1),
            (MetricsRecorded, JobStatus.RUNNING, 2),
            (JobChanged, JobStatus.COMPLETE, 2),
            (JobChanged, JobStatus.QUEUED, 0),
            (JobChanged, JobStatus.FAILED, 0),
            (JobChanged, JobStatus.QUEUED, 0),
            (JobChanged, JobStatus.RUNNING, 0),
            (JobChanged, JobStatus.COMPLETE, 0),
            (MetricsRecorded, JobStatus.COMPLETE, 3),
            (JobChanged, JobStatus.COMPLETE, 3),
            (JobDeleted, JobStatus.COMPLETE, 3),
        ]
        changes = [event.job.change for event in events if not isinstance(event, MetricsRecorded)]
        assert changes == [*range(1, len(changes) + 1)], "without a gap, in the order of the commits"

    async def test_recorded_points_come_in_the_order_of_their_seq_without_those_left_out(self, domain: Domain) -> None:
        job = await domain.job()
        with domain.heard(job.id) as events:
            for first, count in ((3, 2), (1, 4), (1, 4)):
                await domain.jobs.log(job.id, points(first, count))
        published = [event.metrics for event in events if isinstance(event, MetricsRecorded)]
        assert [[(metric.seq, metric.step) for metric in metrics] for metrics in published] == [
            [(1, 3), (2, 4)],
            [(3, 1), (4, 2)],
        ]

    async def test_a_listener_finds_in_the_store_what_an_event_says(self, domain: Domain, outside: Outside) -> None:
        stored: list[tuple[object, ...]] = []
        published: list[tuple[object, ...]] = []
        query = "SELECT status, metric_count, (SELECT count(*) FROM metric WHERE job_id = job.id) FROM job WHERE id = ?"

        def look(event: Event) -> None:
            published.append((event.job.status, event.job.metric_count, event.job.metric_count))
            stored.extend(outside.execute(query, [event.job.id]))

        with domain.feed.listening(look):
            crashing = await domain.job(epochs=1, steps_per_epoch=5, scenario="crash")
            await domain.jobs.simulate(crashing.id, make_points, 2)
            await domain.jobs.simulate(crashing.id, make_points)
            with pytest.raises(SimulationFailed):
                await domain.jobs.simulate(crashing.id, make_points)
            await domain.job(JobStatus.COMPLETE)
            await domain.job(JobStatus.FAILED)
        assert stored == published
        assert len(published) == 10

    async def test_what_was_refused_is_not_published(self, domain: Domain) -> None:
        job = await domain.job(JobStatus.COMPLETE)
        with domain.heard() as events:
            for refused in (domain.jobs.start(job.id), domain.jobs.log(job.id, points(1, 1)), domain.jobs.fail(job.id)):
                with pytest.raises(IllegalTransition):
                    await refused
        assert events == []

    async def test_a_change_is_made_whole_and_published_though_its_caller_is_cancelled_at_any_moment(
        self, domain: Domain, outside: Outside
    ) -> None:
        job = await domain.job(epochs=100)
        with domain.heard(job.id) as events:
            for moment in range(40):
                call = asyncio.create_task(domain.jobs.log(job.id, points(1 + 3 * moment, 3)))
                await asyncio.wait({call}, timeout=moment / 10_000)  # spread over the time that a call takes
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            await eventually(lambda: not domain.database._writes)
        published = [metric.seq for event in events if isinstance(event, MetricsRecorded) for metric in event.metrics]
        # In the end: PostgreSQL may let the next one commit before it reports that this one has.
        assert sorted(published) == [*range(1, len(published) + 1)]
        assert len(published) % 3 == 0
        assert len(published) >= 3 * 39, "only a call that never began may leave nothing"
        assert outside.execute("SELECT count(*), max(seq) FROM metric") == [(len(published), len(published))]
        await domain.jobs.start((await domain.job(JobStatus.QUEUED)).id)  # the store still works

    @pytest.mark.sqlite_alone("no SQL is involved")
    async def test_a_fault_of_the_store_is_logged_though_its_caller_was_cancelled_and_an_error_of_the_caller_is_not(
        self, domain: Domain, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Python would log a traceback of each exception that no task takes."""

        def raise_fault(event: Event) -> None:
            raise RuntimeError("a fault")

        await leave(domain, domain.jobs.start((await domain.job()).id))
        assert caplog.messages == []
        job = await domain.job(JobStatus.QUEUED)
        domain.jobs._publish = raise_fault
        await leave(domain, domain.jobs.start(job.id))
        (record,) = caplog.records
        assert "a fault" in str(record.exc_info)


async def leave(domain: Domain, verb: Coroutine[Any, Any, object]) -> None:
    """Begin a verb, cancel its call, and wait until it has ended, and nothing is kept of it."""
    call = asyncio.create_task(verb)
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    await eventually(lambda: not domain.database._writes)
    gc.collect()
