"""Attempts: a run that ended goes on, from a checkpoint or where it was, again and again; and points that come late."""

from collections.abc import Sequence

import pytest

from models.attempts import Attempt, attempts_of
from models.errors import IllegalTransition, InvalidInput, JobNotFound
from models.feed.channel import JobChanged, MetricsRecorded
from models.job import Job
from models.lifecycle import JobStatus, Outcome
from models.series import read_series
from simulator.runner import make_points
from tests.tools.domain import Domain, a_point, points

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus


async def attempts(domain: Domain, job: Job) -> list[Attempt]:
    return (await attempts_of(domain.database.reader, [await domain.now(job.id)]))[job.id]


async def shape(domain: Domain, job: Job) -> list[tuple[int, Outcome | None, int | None, int]]:
    """(number, outcome, checkpoint, first seq) of each attempt."""
    return [(each.number, each.outcome, each.from_step, each.first_seq) for each in await attempts(domain, job)]


async def seqs_of_loss(domain: Domain, job: Job) -> tuple[int, int | None]:
    """How many points the series has, and the seq of its last."""
    ((loss,),) = (await read_series(domain.database.reader, [job.id])).values()
    return loss.count, loss.last.seq


async def logged(domain: Domain, steps: Sequence[int], job: Job | None = None) -> Job:
    """A job, a new one where none is given, with points of some steps."""
    job = job or await domain.job(total_steps=200)
    return (await domain.jobs.log(job.id, [a_point(step) for step in steps])).job


class TestResuming:
    async def test_from_a_checkpoint_supersedes_what_was_beyond_it_and_keeps_it_among_the_points(
        self, domain: Domain
    ) -> None:
        job = await logged(domain, range(0, 101, 10))
        await domain.jobs.fail(job.id, "SIGTERM", Outcome.KILLED)
        job = await domain.jobs.resume(job.id, 55)
        assert (job.status, job.attempt, job.furthest_step, job.progress) == (RUNNING, 2, 50, 0.25)
        assert (job.outcome, job.failure_reason, job.finished_at) == (None, None, None)
        assert await seqs_of_loss(domain, job) == (6, 6)
        job = await logged(domain, range(55, 196, 10), job)
        assert (job.metric_count, job.progress) == (26, 195 / 200)
        assert await seqs_of_loss(domain, job) == (21, 26)
        assert [metric.seq for metric in await domain.stored(job)] == [*range(1, 27)]
        assert await shape(domain, job) == [(1, Outcome.KILLED, None, 1), (2, None, 55, 12)]
        assert await domain.now(job.id) == job

    async def test_without_a_checkpoint_supersedes_nothing(self, domain: Domain) -> None:
        job = await logged(domain, [10, 20])
        await domain.jobs.complete(job.id)
        job = await domain.jobs.resume(job.id)
        assert (job.furthest_step, job.cuts, job.progress) == (20, "[]", 0.1)
        assert await shape(domain, job) == [(1, Outcome.COMPLETED, None, 1), (2, None, None, 3)]

    async def test_from_a_checkpoint_that_was_not_reached_supersedes_nothing(self, domain: Domain) -> None:
        job = await logged(domain, [10, 20])
        await domain.jobs.fail(job.id)
        job = await domain.jobs.resume(job.id, 20)
        assert (await seqs_of_loss(domain, job), job.cuts) == ((2, 2), "[]")
        assert (await shape(domain, job))[-1] == (2, None, 20, 3)

    async def test_again_and_again_the_last_checkpoint_counts_for_each_step(self, domain: Domain) -> None:
        job = await logged(domain, range(10, 101, 10))
        for from_step, steps in ((50, [60, 70, 80]), (70, [80, 90]), (20, [30]), (0, [])):
            await domain.jobs.fail(job.id)
            job = await domain.jobs.resume(job.id, from_step)
            if steps:
                job = await logged(domain, steps, job)
            alive = await seqs_of_loss(domain, job) if job.furthest_step > 0 else (0, None)
            expected = {50: (8, 13), 70: (9, 15), 20: (3, 16), 0: (0, None)}
            assert alive == expected[from_step]
        assert (job.attempt, job.furthest_step, job.progress, job.metric_count) == (5, -1, 0, 16)
        assert [each[3] for each in await shape(domain, job)] == [1, 11, 14, 16, 17]

    async def test_points_that_are_superseded_may_come_again_and_others_may_not(self, domain: Domain) -> None:
        job = await logged(domain, [10, 20, 30])
        await domain.jobs.fail(job.id)
        await domain.jobs.resume(job.id, 10)
        done = await domain.jobs.log(job.id, [a_point(10), a_point(20), a_point(20)])
        assert [(metric.seq, metric.step) for metric in done.metrics] == [(4, 20)]
        assert len((await domain.jobs.log(job.id, [a_point(20), a_point(30)])).metrics) == 1
        assert await seqs_of_loss(domain, job) == (3, 5)

    async def test_a_job_that_failed_while_queued_has_one_attempt_started_and_ended_then(self, domain: Domain) -> None:
        queued = await domain.job(QUEUED)
        assert await attempts(domain, queued) == []
        failed = await domain.jobs.fail(queued.id)
        (only,) = await attempts(domain, failed)
        assert (only.started_at, only.outcome) == (only.ended_at, Outcome.FAILED)
        assert failed.started_at is None
        resumed = await domain.jobs.resume(queued.id)
        assert resumed.started_at == only.started_at, "that of its first attempt"
        assert (await logged(domain, [1], resumed)).metric_count == 1

    async def test_an_attempt_keeps_its_times_and_the_job_those_of_its_first_and_last(self, domain: Domain) -> None:
        job = await logged(domain, [1])
        ended = await domain.jobs.complete(job.id)
        resumed = await domain.jobs.resume(job.id)
        again = await domain.jobs.fail(job.id, "enough")
        first, second = await attempts(domain, again)
        assert (first.started_at, first.ended_at) == (job.started_at, ended.finished_at)
        assert (second.started_at, second.ended_at) == (resumed.attempt_started_at, again.finished_at)
        assert (again.started_at, again.finished_at) == (first.started_at, second.ended_at)

    async def test_a_simulated_job_is_not_resumed(self, domain: Domain) -> None:
        job = await domain.job(epochs=1, steps_per_epoch=2)
        for _ in range(3):
            await domain.jobs.simulate(job.id, make_points)
        before = await domain.now(job.id)
        with pytest.raises(IllegalTransition, match="simulated"):
            await domain.jobs.resume(job.id, 1)
        assert await domain.now(job.id) == before

    @pytest.mark.parametrize("status", [QUEUED, RUNNING])
    async def test_one_that_has_not_ended_is_not_either(self, domain: Domain, status: JobStatus) -> None:
        job = await domain.job(status)
        with pytest.raises(IllegalTransition, match="only a COMPLETE or FAILED job can be resumed"):
            await domain.jobs.resume(job.id)

    async def test_bad_input_is_refused(self, domain: Domain) -> None:
        job = await domain.job(COMPLETE)
        with pytest.raises(InvalidInput) as refusal:
            await domain.jobs.resume(job.id, -1)
        assert refusal.value.field == "from_step"
        with pytest.raises(JobNotFound):
            await domain.jobs.resume(99, 3)

    async def test_it_is_no_longer_archived_nor_asked_to_stop(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.jobs.request_stop(job.id, "enough")
        await domain.jobs.complete(job.id)
        await domain.jobs.archive(job.id)
        job = await domain.jobs.resume(job.id)
        assert (job.archived_at, job.stop) == (None, None)


class TestHowItEnds:
    async def test_a_job_that_completes_before_its_known_total_ended_early(self, domain: Domain) -> None:
        for total, steps, is_early in ((100, [99], True), (100, [100], False), (100, [101], False), (None, [5], False)):
            job = await domain.job(epochs=None, total_steps=total, seed=None)
            await domain.jobs.log(job.id, [a_point(step) for step in steps])
            job = await domain.jobs.complete(job.id)
            assert (job.ended_early, job.progress, job.outcome) == (is_early, 1, Outcome.COMPLETED)

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.KILLED, Outcome.STOPPED])
    async def test_a_failure_has_the_outcome_that_was_said(self, domain: Domain, outcome: Outcome) -> None:
        job = await domain.jobs.fail((await domain.job()).id, "why", outcome)
        assert (job.status, job.outcome, job.failure_reason) == (FAILED, outcome, "why")


class TestLatePoints:
    @pytest.mark.parametrize("status", [COMPLETE, FAILED])
    async def test_are_stored_where_they_are_asked_for_and_told_once_a_call(
        self, domain: Domain, status: JobStatus
    ) -> None:
        job = await domain.job(status)
        with pytest.raises(IllegalTransition, match="only a RUNNING job records metrics"):
            await domain.jobs.log(job.id, points(1, 2))
        with domain.heard() as events:
            late = await domain.jobs.log(job.id, points(1, 2), late=True)
            await domain.jobs.log(job.id, points(1, 2), late=True)
        assert [type(event) for event in events] == [MetricsRecorded, JobChanged]
        assert (late.job.status, late.job.metric_count, late.job.change) == (status, 2, job.change + 1)
        assert late.job == await domain.now(job.id) == events[-1].job

    async def test_a_queued_or_a_simulated_job_takes_none(self, domain: Domain) -> None:
        simulated = await domain.job(epochs=1, steps_per_epoch=1)
        for _ in range(2):
            await domain.jobs.simulate(simulated.id, make_points)
        for job in (simulated, await domain.job(QUEUED)):
            with pytest.raises(IllegalTransition):
                await domain.jobs.log(job.id, points(1, 1), late=True)

    async def test_belong_to_the_last_attempt(self, domain: Domain) -> None:
        job = await logged(domain, [10, 20])
        await domain.jobs.fail(job.id)
        await domain.jobs.log(job.id, [a_point(30)], late=True)
        job = await domain.jobs.resume(job.id, 20)
        assert await seqs_of_loss(domain, job) == (2, 2)
        assert job.attempt_first_seq == 4
