"""The life of a job: the table of its statuses, and that every verb keeps to it."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import IllegalTransition, JobNotFound, PointsNotMade, SimulationFailed
from models.feed.channel import JobChanged
from models.job import Job
from models.jobs import Jobs
from models.lifecycle import ENDED, TRANSITIONS, JobStatus, epoch_of_step, sources_of
from models.metric import Point
from simulator.runner import make_points
from tests.tools.domain import Domain, a_point, points
from tests.tools.outside import Outside

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus

VERBS: dict[str, Callable[[Jobs, int], Awaitable[object]]] = {
    "start": lambda jobs, job_id: jobs.start(job_id),
    "simulate": lambda jobs, job_id: jobs.simulate(job_id, make_points),
    "fail": lambda jobs, job_id: jobs.fail(job_id),
    "complete": lambda jobs, job_id: jobs.complete(job_id),
    "log": lambda jobs, job_id: jobs.log(job_id, [a_point(1)]),
}
NO_FOURTH_STEP = {
    "sqlite": ["CREATE TRIGGER no BEFORE INSERT ON metric WHEN NEW.step = 4 BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "postgres": [
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER no BEFORE INSERT ON metric FOR EACH ROW WHEN (NEW.step = 4) EXECUTE FUNCTION no()",
    ],
}
"""What makes each kind of store refuse one point."""
OUTCOMES = {
    ("start", QUEUED): RUNNING,
    ("simulate", RUNNING): RUNNING,
    ("fail", QUEUED): FAILED,
    ("fail", RUNNING): FAILED,
    ("complete", RUNNING): COMPLETE,
    ("log", RUNNING): RUNNING,
}
"""(verb, status) -> the status it leads to. Every other pair is refused."""


class TestTheTable:
    def test_it_is_this_one(self) -> None:
        table = {
            QUEUED: {RUNNING, FAILED},
            RUNNING: {COMPLETE, FAILED},
            COMPLETE: {RUNNING},
            FAILED: {RUNNING},
        }
        assert table == TRANSITIONS

    def test_every_status_has_an_entry(self) -> None:
        assert set(TRANSITIONS) == set(JobStatus)

    def test_only_a_resume_leads_out_of_the_ended(self) -> None:
        assert {COMPLETE, FAILED} == ENDED
        assert all(TRANSITIONS[status] == {RUNNING} for status in ENDED)

    def test_sources_of_is_its_inverse(self) -> None:
        forth = {(status, following) for status in JobStatus for following in TRANSITIONS[status]}
        back = {(source, status) for status in JobStatus for source in sources_of(status)}
        assert forth == back


class TestEpochOfStep:
    @pytest.mark.parametrize(
        ("step", "steps_per_epoch", "epoch"),
        [(0, 3, 1), (1, 3, 1), (3, 3, 1), (4, 3, 2), (6, 3, 2), (7, 3, 3), (5, 1, 5)],
    )
    def test_epochs_are_counted_from_one_and_end_with_their_last_step(
        self, step: int, steps_per_epoch: int, epoch: int
    ) -> None:
        assert epoch_of_step(step, steps_per_epoch) == epoch

    @given(st.integers(1, 10**12), st.integers(1, 10**6))
    def test_each_step_lies_in_exactly_its_epoch(self, step: int, steps_per_epoch: int) -> None:
        epoch = epoch_of_step(step, steps_per_epoch)
        assert (epoch - 1) * steps_per_epoch < step <= epoch * steps_per_epoch


class TestEveryVerbInEveryStatus:
    @pytest.mark.parametrize(("verb", "status"), OUTCOMES)
    async def test_what_is_allowed_is_done(self, domain: Domain, verb: str, status: JobStatus) -> None:
        before = await domain.job(status)
        await VERBS[verb](domain.jobs, before.id)
        job = await domain.now(before.id)
        assert job.status is OUTCOMES[verb, status]
        assert job.updated_at > before.updated_at
        assert (job.started_at is not None) == (status is RUNNING or job.status is RUNNING)
        assert (job.finished_at is not None) == (job.status in ENDED)
        assert (job.failure_reason is not None) == (job.status is FAILED)
        if job.status is status:
            assert job.change == before.change
        else:
            assert job.change == before.change + 1
            since = job.finished_at if job.status in ENDED else job.started_at
            assert since is not None
            assert before.updated_at < since <= job.updated_at

    @pytest.mark.parametrize("verb", VERBS)
    async def test_what_is_not_is_refused_with_the_job_as_it_is_changes_nothing_and_is_told_to_nobody(
        self, domain: Domain, verb: str
    ) -> None:
        for status in (status for status in JobStatus if (verb, status) not in OUTCOMES):
            id = (await domain.job(status)).id
            before = await domain.now(id)
            with domain.heard() as events, pytest.raises(IllegalTransition, match=f"is {status}: only a ") as refusal:
                await VERBS[verb](domain.jobs, id)
            assert (refusal.value.job.id, refusal.value.job.status) == (id, status)
            assert await domain.now(id) == before
            assert await domain.stored(before) == []
            assert events == []

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_job_that_is_not_there_is_not_found(self, domain: Domain, verb: str) -> None:
        with domain.heard() as events, pytest.raises(JobNotFound) as refusal:
            await VERBS[verb](domain.jobs, 99)
        assert (refusal.value.id, events) == (99, [])


class TestSimulating:
    async def test_it_gives_the_steps_in_turn_then_completes_with_none(self, domain: Domain) -> None:
        id = (await domain.job(epochs=1, steps_per_epoch=3)).id
        done = [await domain.jobs.simulate(id, make_points) for _ in range(4)]
        assert [[metric.step for metric in each.metrics] for each in done] == [[1], [2], [3], []]
        assert [each.progress for each in done] == [1 / 3, 2 / 3, 1, 1]
        assert [each.complete for each in done] == [False, False, False, True]

    async def test_the_maker_is_asked_for_what_is_left_and_no_more(self, domain: Domain) -> None:
        id = (await domain.job(epochs=1, steps_per_epoch=5)).id
        asked = []

        def maker(job: Job, first: int, count: int) -> Sequence[Point]:
            asked.append((job.metric_count, first, count))
            return points(first, count)

        await domain.jobs.simulate(id, maker, 2)
        await domain.jobs.simulate(id, maker, 100)
        await domain.jobs.simulate(id, maker, 100)
        assert asked == [(0, 1, 2), (2, 3, 3)]

    async def test_a_reason_that_is_for_people_fails_the_job_with_it(self, domain: Domain) -> None:
        id = (await domain.job()).id

        def maker(job: Job, first: int, count: int) -> Sequence[Point]:
            raise PointsNotMade("the disk of the simulated machine is full")

        with domain.heard() as events, pytest.raises(SimulationFailed, match="disk") as failure:
            await domain.jobs.simulate(id, maker)
        job = await domain.now(id)
        assert (job.status, job.failure_reason) == (FAILED, "the disk of the simulated machine is full")
        assert failure.value.job.status is FAILED
        assert [type(event) for event in events] == [JobChanged]

    async def test_an_error_nobody_expected_fails_it_too_and_only_the_log_has_what_it_was(
        self, domain: Domain, caplog: pytest.LogCaptureFixture
    ) -> None:
        id = (await domain.job()).id

        def maker(job: Job, first: int, count: int) -> Sequence[Point]:
            raise RuntimeError("secret")

        with pytest.raises(SimulationFailed) as failure:
            await domain.jobs.simulate(id, maker)
        job = await domain.now(id)
        assert (job.status, job.failure_reason) == (FAILED, "An unexpected error; the server's log has it.")
        assert "secret" not in failure.value.message
        assert "RuntimeError: secret" in caplog.text

    async def test_a_write_that_fails_fails_it_and_stores_none_of_its_points(
        self, domain: Domain, outside: Outside
    ) -> None:
        id = (await domain.job()).id
        await domain.jobs.simulate(id, make_points, 2)
        for statement in NO_FOURTH_STEP[outside.system]:
            outside.execute(statement)
        with domain.heard() as events, pytest.raises(SimulationFailed):
            await domain.jobs.simulate(id, make_points, 5)
        job = await domain.now(id)
        assert (job.status, job.metric_count, job.furthest_step) == (FAILED, 2, 2)
        assert [metric.seq for metric in await domain.stored(job)] == [1, 2]
        assert [type(event) for event in events] == [JobChanged]
