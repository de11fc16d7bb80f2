"""What is known of each name of a job: what a plain computation over its points gives."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.lifecycle import Outcome
from models.metric import Goal, Point
from models.series import Definition, Place, read_series
from tests.tools.api import Api
from tests.tools.domain import Domain, a_point

VALUES = st.integers(-3, 3).map(float) | st.sampled_from([math.nan, math.inf, -math.inf])
Kept = list[tuple[int, Point]]


def plain(kept: Kept, name: str) -> tuple[Any, ...]:
    """(count, not finite, seqs of the last, the lowest and the highest) of points that are not superseded."""
    values = [(seq, point.step, point.values[name]) for seq, point in kept if name in point.values]
    finite = [each for each in values if math.isfinite(each[2])]
    last = max(values, key=lambda each: (each[1], each[0]))[0]
    lowest = min(finite, key=lambda each: (each[2], each[0]), default=(None,))[0]
    highest = min(finite, key=lambda each: (-each[2], each[0]), default=(None,))[0]
    return len(values), len(values) - len(finite), last, lowest, highest


def seq_of(place: Place | None) -> int | None:
    return None if place is None else place.seq


@settings(
    # The same on each kind of store, each a test of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
    deadline=None,
    max_examples=15,
)
@given(
    attempts=st.lists(
        st.tuples(
            st.none() | st.integers(0, 8),
            st.lists(
                st.tuples(st.integers(0, 8), st.dictionaries(st.sampled_from(["loss", "a", "b"]), VALUES, min_size=1)),
                max_size=8,
                unique_by=repr,
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
async def test_it_is_what_a_plain_computation_over_the_points_gives(
    domain: Domain, attempts: list[tuple[int | None, list[tuple[int, dict[str, float]]]]]
) -> None:
    job = await domain.job()
    kept: Kept = []
    for number, (from_step, logged) in enumerate(attempts):
        if number:
            await domain.jobs.fail(job.id, "preempted", Outcome.KILLED)
            await domain.jobs.resume(job.id, from_step)
            kept = [each for each in kept if from_step is None or each[1].step <= from_step]
        for begin in range(0, len(logged), 3):
            points = [Point(step, values) for step, values in logged[begin : begin + 3]]
            stored = (await domain.jobs.log(job.id, points)).metrics
            kept += [(each.seq, Point(each.step, dict(each.values))) for each in stored]
    series = (await read_series(domain.database.reader, [job.id]))[job.id]
    found = {
        each.name: (each.count, each.non_finite_count, each.last.seq, seq_of(each.lowest), seq_of(each.highest))
        for each in series
    }
    names = [name for _, point in kept for name in point.values]
    assert found == {name: plain(kept, name) for name in names}
    now = await domain.now(job.id)
    assert now.progress_step == max((point.step for _, point in kept), default=0)


async def test_of_equal_values_the_earliest_counts_and_the_last_has_the_highest_step(domain: Domain) -> None:
    job = await domain.job()
    await domain.jobs.log(job.id, [a_point(5, loss=1.0), a_point(6, loss=2.0), a_point(3, loss=1.0)])
    await domain.jobs.log(job.id, [a_point(6, loss=1.0), a_point(4, loss=2.0)])
    ((loss,),) = (await read_series(domain.database.reader, [job.id])).values()
    assert (seq_of(loss.lowest), seq_of(loss.highest), loss.last.seq) == (1, 2, 4)


async def test_a_late_point_counts(domain: Domain) -> None:
    job = await domain.job()
    await domain.jobs.log(job.id, [a_point(1, loss=1.0)])
    await domain.jobs.complete(job.id)
    await domain.jobs.log(job.id, [Point(1, {"test/acc": 0.5})], late=True)
    ((loss, accuracy),) = (await read_series(domain.database.reader, [job.id])).values()
    assert (loss.count, accuracy.name, accuracy.last.value) == (1, "test/acc", 0.5)


async def test_names_of_the_machine_move_no_progress(domain: Domain) -> None:
    job = await domain.job(epochs=1, total_steps=100)
    await domain.jobs.log(job.id, [a_point(10, loss=1.0), Point(90, {"system/gpu": 1.0})])
    now = await domain.now(job.id)
    assert (now.progress_step, now.furthest_step, now.progress) == (10, 90, 0.1)


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["a", "train_loss", "loss"], "loss"),
        (["val/loss", "training_loss"], "training_loss"),
        (["accuracy", "eval_loss", "val_loss"], "eval_loss"),
        (["system/gpu", "reward", "length"], "reward"),
        (["system/gpu"], None),
    ],
)
async def test_the_main_one_is_found_by_its_name(domain: Domain, names: list[str], main: str | None) -> None:
    job = await domain.job()
    for name in names:
        await domain.jobs.log(job.id, [Point(1, {name: 1.0})])
    series = (await read_series(domain.database.reader, [job.id]))[job.id]
    assert [each.name for each in series] == names
    assert [each.name for each in series if each.is_main] == ([main] if main else [])


class TestDefining:
    async def test_says_of_a_name_what_it_is_also_before_it_is_logged(self, api: Api) -> None:
        id = await api.started()
        query = """mutation ($id: ID!, $series: [SeriesInput!]!) { defineSeries(id: $id, series: $series) {
            __typename } }"""
        said = [{"name": "reward", "goal": "MAXIMIZE", "unit": "points", "isMain": True}]
        await api.data(query, id=id, series=said)
        await api.log(id, [{"step": 1, "loss": 0.5}, {"step": 1, "values": [{"name": "reward", "value": 3.0}]}])
        selection = "series { name goal unit isMain last { seq step value nonFinite } }"
        loss, reward = (await api.job(id, selection))["series"]
        last = {"step": 1, "nonFinite": None}
        assert loss == {
            "name": "loss",
            "goal": None,
            "unit": None,
            "isMain": False,
            "last": {**last, "seq": 1, "value": 0.5},
        }
        assert reward == {**said[0], "last": {**last, "seq": 2, "value": 3.0}}

    async def test_leaves_what_is_not_said_as_it_was_and_a_job_one_main_series(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.jobs.log(job.id, [a_point(1, loss=1.0, other=2.0)])
        await domain.jobs.define_series(job.id, [Definition("other", goal=Goal.MAXIMIZE, is_main=True)])
        await domain.jobs.define_series(job.id, [Definition("other", unit="m"), Definition("loss", is_main=True)])
        ((loss, other),) = (await read_series(domain.database.reader, [job.id])).values()
        assert (loss.is_main, other.is_main, other.goal, other.unit) == (True, False, Goal.MAXIMIZE, "m")
