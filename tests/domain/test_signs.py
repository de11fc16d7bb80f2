"""Signs of life: what a loop promises and misses, and what it learns by the answers to them."""

from datetime import datetime, timedelta

import pytest

from models.errors import IllegalTransition, InvalidInput
from models.feed.channel import JobChanged
from models.housekeeping import SILENCES, Housekeeping
from models.job import Job, now
from models.lifecycle import JobStatus, Outcome
from simulator.runner import make_points
from tests.tools.domain import Domain, points
from tests.tools.outside import Outside

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
PROMISED = 10


def keeping(domain: Domain, fail_lost_after: float = 0) -> Housekeeping:
    return Housekeeping(domain.jobs, fail_lost_after=fail_lost_after, keep_days=0)


async def watching_since(domain: Domain, seconds: float, fail_lost_after: float = 0) -> Housekeeping:
    """A server that has looked for signs for so long."""
    housekeeping = keeping(domain, fail_lost_after)
    await housekeeping.find_lost()
    housekeeping._looked = now() - timedelta(seconds=seconds)
    return housekeeping


def silent(outside: Outside, job: Job, seconds: float) -> datetime:
    """Have the job's last sign be so long ago."""
    at = now() - timedelta(seconds=seconds)
    shown = str(at) if outside.system == "sqlite" else at
    outside.execute("UPDATE job SET last_beat_at = ? WHERE id = ?", [shown, job.id])
    return at


class TestPromises:
    async def test_a_beat_is_seen_and_is_no_change(self, domain: Domain) -> None:
        job = await domain.job()
        with domain.heard() as events:
            beaten = await domain.jobs.beat(job.id, PROMISED)
        assert beaten.last_seen_at is not None
        assert (beaten.beat_seconds, beaten.change, events) == (PROMISED, job.change, [])
        assert await domain.now(job.id) == beaten

    @pytest.mark.parametrize("seconds", [0, 0.99, -1, 3600.1, float("nan"), float("inf")])
    async def test_what_cannot_be_promised_is_refused(self, domain: Domain, seconds: float) -> None:
        job = await domain.job()
        with pytest.raises(InvalidInput) as refusal:
            await domain.jobs.beat(job.id, seconds)
        assert refusal.value.field == "every_seconds"

    @pytest.mark.parametrize("status", [QUEUED, COMPLETE, FAILED])
    async def test_only_a_running_job_has_a_heartbeat(self, domain: Domain, status: JobStatus) -> None:
        with pytest.raises(IllegalTransition, match="only a RUNNING job has a heartbeat"):
            await domain.jobs.beat((await domain.job(status)).id, PROMISED)


class TestLost:
    async def test_a_job_is_lost_after_three_silences_since_it_missed_the_first(
        self, domain: Domain, outside: Outside
    ) -> None:
        job = await domain.job()
        await domain.jobs.beat(job.id, PROMISED)
        housekeeping = await watching_since(domain, 1000)
        silent(outside, job, SILENCES * PROMISED - 1)
        await housekeeping.find_lost()
        assert (await domain.now(job.id)).lost_since is None
        last = silent(outside, job, SILENCES * PROMISED + 1)
        with domain.heard() as events:
            await housekeeping.find_lost()
            await housekeeping.find_lost()
            await keeping(domain).find_lost()
        assert [(type(event), event.job.lost_since) for event in events] == [
            (JobChanged, last + timedelta(seconds=PROMISED))
        ]
        assert (await domain.now(job.id)).status is RUNNING

    async def test_without_a_promise_it_never_is(self, domain: Domain, outside: Outside) -> None:
        job = await domain.job()
        await domain.jobs.log(job.id, points(1, 3))
        silent(outside, job, 10**6)
        await (await watching_since(domain, 10**7)).find_lost()
        assert (await domain.now(job.id)).lost_since is None

    async def test_signs_that_no_server_was_there_for_are_not_missed(self, domain: Domain, outside: Outside) -> None:
        job = await domain.job()
        await domain.jobs.beat(job.id, PROMISED)
        silent(outside, job, 10**6)
        housekeeping = await watching_since(domain, SILENCES * PROMISED - 1)
        await housekeeping.find_lost()
        assert (await domain.now(job.id)).lost_since is None
        looked = housekeeping._looked = now() - timedelta(seconds=SILENCES * PROMISED + 1)
        await housekeeping.find_lost()
        assert (await domain.now(job.id)).lost_since == looked + timedelta(seconds=PROMISED)

    @pytest.mark.parametrize("sign", ["beat", "point"])
    async def test_it_comes_back_by_its_next_sign(self, domain: Domain, outside: Outside, sign: str) -> None:
        job = await lost(domain, outside)
        with domain.heard() as events:
            if sign == "beat":
                await domain.jobs.beat(job.id, PROMISED)
            else:
                await domain.jobs.log(job.id, points(1, 1))
        back = await domain.now(job.id)
        assert (back.lost_since, back.change) == (None, job.change + 1)
        assert [event.job for event in events if isinstance(event, JobChanged)] == [back]

    async def test_a_batch_that_is_sent_again_is_a_sign_too(self, domain: Domain, outside: Outside) -> None:
        """Though none of its points is new: it is not lost again at the next look."""
        job = await domain.job()
        await domain.jobs.beat(job.id, PROMISED)
        await domain.jobs.log(job.id, points(1, 2))
        housekeeping = await watching_since(domain, 1000)
        silent(outside, job, SILENCES * PROMISED + 1)
        await domain.jobs.log(job.id, points(1, 2))
        await housekeeping.find_lost()
        assert (await domain.now(job.id)).lost_since is None

    async def test_two_that_find_it_at_once_mark_it_once(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.jobs.beat(job.id, PROMISED)
        seen_at = (await domain.now(job.id)).last_seen_at
        assert seen_at is not None
        with domain.heard() as events:
            for since in (seen_at + timedelta(seconds=1), seen_at + timedelta(seconds=2)):
                await domain.jobs.lose(job.id, seen_at, since)
        (event,) = events
        assert isinstance(event, JobChanged)
        assert (await domain.now(job.id)).lost_since == event.job.lost_since == seen_at + timedelta(seconds=1)

    async def test_a_sign_that_comes_meanwhile_is_seen(self, domain: Domain, outside: Outside) -> None:
        """Between the look at the store and the write."""
        job = await domain.job()
        await domain.jobs.beat(job.id, PROMISED)
        seen = silent(outside, job, 1000)
        await domain.jobs.beat(job.id, PROMISED)
        await domain.jobs.lose(job.id, seen, now())
        await domain.jobs.fail_lost(job.id, seen)
        assert (await domain.now(job.id)).lost_since is None
        assert (await domain.now(job.id)).status is RUNNING

    async def test_it_fails_after_the_time_that_a_setting_says_and_is_not_lost_then(
        self, domain: Domain, outside: Outside
    ) -> None:
        job = await lost(domain, outside)
        assert job.lost_since is not None
        waited = (now() - job.lost_since).total_seconds()
        await (await watching_since(domain, 10**6, fail_lost_after=waited + 1000)).find_lost()
        assert (await domain.now(job.id)).status is RUNNING
        await (await watching_since(domain, 10**6, fail_lost_after=waited / 2)).find_lost()
        failed = await domain.now(job.id)
        assert (failed.status, failed.outcome, failed.lost_since) == (FAILED, Outcome.KILLED, None)

    async def test_a_new_attempt_has_promised_nothing(self, domain: Domain, outside: Outside) -> None:
        job = await lost(domain, outside)
        await domain.jobs.fail(job.id)
        resumed = await domain.jobs.resume(job.id)
        assert (resumed.lost_since, resumed.beat_seconds) == (None, None)
        silent(outside, job, 10**6)
        await (await watching_since(domain, 10**7)).find_lost()
        assert (await domain.now(job.id)).lost_since is None


async def lost(domain: Domain, outside: Outside) -> Job:
    """A job that is lost."""
    job = await domain.job()
    await domain.jobs.beat(job.id, PROMISED)
    silent(outside, job, 1000)
    await (await watching_since(domain, 10**6)).find_lost()
    job = await domain.now(job.id)
    assert job.lost_since is not None
    return job


class TestStopping:
    async def test_each_answer_says_it_and_the_first_says_when_the_loop_learnt_of_it(self, domain: Domain) -> None:
        job = await domain.job()
        assert not (await domain.jobs.log(job.id, points(1, 1))).stop_requested
        asked = await domain.jobs.request_stop(job.id, "diverged")
        assert asked.stop is not None
        assert (asked.stop.reason, asked.stop.received_at) == ("diverged", None)
        beaten = await domain.jobs.beat(job.id, PROMISED)
        assert beaten.stop is not None
        assert beaten.stop.received_at is not None
        done = await domain.jobs.log(job.id, points(1, 1))
        assert (done.stop_requested, done.job.stop) == (True, beaten.stop)
        assert (await domain.jobs.request_stop(job.id, "again")).stop == beaten.stop

    async def test_a_job_that_completes_then_was_stopped(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.jobs.request_stop(job.id)
        done = await domain.jobs.complete(job.id)
        assert (done.status, done.outcome) == (COMPLETE, Outcome.STOPPED)

    async def test_a_simulated_job_has_no_loop_to_ask(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.jobs.simulate(job.id, make_points)
        with pytest.raises(IllegalTransition, match="simulated"):
            await domain.jobs.request_stop(job.id)

    @pytest.mark.parametrize("status", [QUEUED, COMPLETE, FAILED])
    async def test_nor_has_one_that_does_not_run(self, domain: Domain, status: JobStatus) -> None:
        with pytest.raises(IllegalTransition, match="only a RUNNING job can be asked to stop"):
            await domain.jobs.request_stop((await domain.job(status)).id)
