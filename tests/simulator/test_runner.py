"""The runner steps a job with simulated points: at a pace, or as fast as it goes, up to its end."""

import asyncio
import contextlib
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import IllegalTransition, PointsNotMade, SimulationFailed
from models.job import Job
from models.jobs import Simulated
from models.lifecycle import JobStatus
from models.metric import Point, Recorded
from simulator import curves
from simulator.runner import BLOCK, CHUNK, due, make_points, pause, run, run_of
from simulator.scenarios import Scenario
from simulator.schedules import Schedule
from tests.tools.domain import Domain, a_job, statements

pytestmark = pytest.mark.sqlite_alone("the verbs that it calls are held to their rules on each kind of store")


def values_of(points: Iterable[Recorded | Point | curves.Point]) -> list[tuple[int, float | None, str]]:
    """(step, epoch, values) of each, comparable even where a value is NaN."""
    return [(point.step, point.epoch, repr(dict(point.values))) for point in points]


def expected(job: Job, count: int, first: int = 1) -> list[tuple[int, float | None, str]]:
    """The same of steps of the job's curves."""
    return values_of(curves.points(settings_of(job), first, count))


def settings_of(job: Job) -> curves.Run:
    assert job.seed is not None
    return run_of(job, job.seed)


def pieces(done: list[Simulated]) -> list[int]:
    """How many steps each write stored."""
    return [len(each.metrics) for each in done]


class TestMakingPoints:
    @given(
        scenario=st.sampled_from([scenario for scenario in Scenario if scenario is not Scenario.CRASH]),
        schedule=st.sampled_from(Schedule),
        seed=st.integers(0, 2**31 - 1),
        batch_size=st.sampled_from([1, 32, 4096]),
        first=st.integers(1, 60),
        count=st.integers(1, 60),
    )
    def test_they_are_those_of_the_curves_with_the_jobs_own_settings(
        self, scenario: Scenario, schedule: Schedule, seed: int, batch_size: int, first: int, count: int
    ) -> None:
        job = a_job(
            epochs=4, stated_steps_per_epoch=15, learning_rate=0.02, seed=seed, batch_size=batch_size,
            scenario=scenario.value, schedule=schedule.value,
        )  # fmt: skip
        assert values_of(make_points(job, first, count)) == expected(job, count, first)

    def test_a_crash_leaves_the_steps_before_it_and_at_the_first_step_requested_is_the_reason(self) -> None:
        job = a_job(epochs=1, stated_steps_per_epoch=10, scenario="crash", seed=7)
        assert [point.step for point in make_points(job, 1, 100)] == [1, 2, 3, 4, 5, 6]
        for count in (1, 2, 100):
            assert [point.step for point in make_points(job, 6, count)] == [6]
        for first in (7, 9):
            with pytest.raises(PointsNotMade, match="CUDA out of memory"):
                make_points(job, first, 3)

    @pytest.mark.parametrize("scenario", Scenario)
    def test_one_by_one_they_are_those_of_the_range(self, scenario: Scenario) -> None:
        """A single step comes from a block, of which the last may be cut short by a crash."""
        job = a_job(epochs=3, stated_steps_per_epoch=15, scenario=scenario.value, schedule="cosine", seed=7)
        made = make_points(job, 1, 45)
        assert len(made) > BLOCK
        assert repr([make_points(job, step, 1)[0] for step in range(1, len(made) + 1)]) == repr(made)
        assert all(len(make_points(job, step, 1)) == 1 for step in range(len(made), 0, -1))


class TestRunning:
    async def test_to_the_end_every_step_is_stored_as_the_curves_have_it_and_the_job_completes(
        self, domain: Domain
    ) -> None:
        job = await domain.job(epochs=3, steps_per_epoch=20, scenario="divergence", schedule="cosine")
        done = [step async for step in run(domain.jobs, job.id)]
        assert pieces(done) == [60, 0]
        assert [step.complete for step in done] == [False, True]
        metrics = await domain.stored(job)
        assert values_of(metrics) == expected(job, 60)
        assert any(math.isnan(metric.values["loss"]) for metric in metrics)
        assert (await domain.now(job.id)).status is JobStatus.COMPLETE

    async def test_beyond_a_chunk_it_goes_on_in_the_next(self, domain: Domain) -> None:
        job = await domain.job(epochs=23, steps_per_epoch=100)
        with statements() as asked:
            done = [step async for step in run(domain.jobs, job.id)]
        assert pieces(done) == [CHUNK, CHUNK, 300, 0]
        assert len(asked.all) < 200, "a chunk is a handful of statements, however many steps it has"
        assert values_of(await domain.stored(job)) == expected(job, 2_300)

    @pytest.mark.parametrize(("steps", "written"), [(0, []), (1, [1]), (7, [7]), (CHUNK + 5, [CHUNK, 5])])
    async def test_so_many_steps_as_requested_are_made_and_the_job_runs_on(
        self, domain: Domain, steps: int, written: list[int]
    ) -> None:
        job = await domain.job(epochs=20, steps_per_epoch=100)
        assert pieces([step async for step in run(domain.jobs, job.id, steps=steps)]) == written
        job = await domain.now(job.id)
        assert (job.metric_count, job.status) == (steps, JobStatus.RUNNING)
        rest = await domain.job(epochs=1, steps_per_epoch=5)
        assert pieces([step async for step in run(domain.jobs, rest.id, steps=CHUNK)]) == [5, 0], "and no more than all"

    async def test_it_goes_on_where_the_job_is(self, domain: Domain) -> None:
        job = await domain.job(epochs=1, steps_per_epoch=10)
        for steps in (3, 2):
            _ = [step async for step in run(domain.jobs, job.id, steps=steps)]
        await domain.jobs.simulate(job.id, make_points)
        _ = [step async for step in run(domain.jobs, job.id)]
        assert values_of(await domain.stored(job)) == expected(job, 10)

    async def test_a_job_that_logs_is_not_simulated(self, domain: Domain) -> None:
        job = await domain.job(epochs=1, steps_per_epoch=4)
        await domain.jobs.log(job.id, make_points(job, 2, 1))
        with pytest.raises(IllegalTransition):
            await anext(run(domain.jobs, job.id))
        assert [metric.step for metric in await domain.stored(job)] == [2]


class TestAtAPace:
    def test_the_first_step_is_due_at_once_and_no_other_before_its_time(self) -> None:
        assert (due(4, 0, 0), pause(4, 0, 0)) == (1, 0)
        assert [pause(4, 0.125, done) for done in (1, 2, 7)] == [0.125, 0.375, 1.625]
        assert [due(4, elapsed, 3) for elapsed in (0.75, 0.9, 1.0, 1.5)] == [1, 1, 2, 4]

    def test_what_a_slow_store_held_up_is_due_at_once_up_to_a_chunk_and_so_is_all_without_a_pace(self) -> None:
        for pace, elapsed, done, steps in ((1_000, 0.5, 1, 500), (1_000, 60, 1, CHUNK), (None, 0, 5_000, CHUNK)):
            assert (due(pace, elapsed, done), pause(pace, elapsed, done)) == (steps, 0)

    @pytest.mark.parametrize("steps_per_epoch", [1, 2])
    async def test_neither_the_next_step_nor_the_end_comes_before_its_time(
        self, domain: Domain, steps_per_epoch: int
    ) -> None:
        job, other = await domain.job(epochs=1, steps_per_epoch=steps_per_epoch), await domain.job()
        async with contextlib.aclosing(run(domain.jobs, job.id, per_second=0.001)) as steps:
            assert len((await anext(steps)).metrics) == 1
            waiting = asyncio.create_task(anext(steps))
            assert pieces([step async for step in run(domain.jobs, other.id)]) == [CHUNK, 0]
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait({waiting})


class TestWhatEndsIt:
    @pytest.mark.parametrize("steps_per_epoch", [10, 100])
    async def test_a_crash_stores_exactly_the_points_before_it_then_fails_the_job(
        self, domain: Domain, steps_per_epoch: int
    ) -> None:
        """In a chunk, or, at 1,200 of 2,000 steps, in the second of them."""
        job = await domain.job(epochs=20, steps_per_epoch=steps_per_epoch, scenario="crash")
        before = 12 * steps_per_epoch
        steps = run(domain.jobs, job.id)
        assert sum([len((await anext(steps)).metrics) for _ in range(math.ceil(before / CHUNK))]) == before
        with pytest.raises(SimulationFailed, match=f"CUDA out of memory .simulated. at step {before + 1}$"):
            await anext(steps)
        assert [metric.step for metric in await domain.stored(job)] == [*range(1, before + 1)]
        job = await domain.now(job.id)
        assert (job.status, job.metric_count) == (JobStatus.FAILED, before)
        assert job.failure_reason == f"CUDA out of memory (simulated) at step {before + 1}"

    async def test_a_job_that_is_stopped_meanwhile_is_stepped_no_further(self, domain: Domain) -> None:
        job = await domain.job()
        steps = run(domain.jobs, job.id, per_second=1_000)
        for _ in range(3):
            await anext(steps)
        await domain.jobs.fail(job.id, "enough")
        with pytest.raises(IllegalTransition):
            await anext(steps)
        last = await domain.now(job.id)
        assert last.failure_reason == "enough"
        assert [metric.seq for metric in await domain.stored(job)] == [*range(1, last.metric_count + 1)]
