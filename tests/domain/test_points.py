"""A job's points as the store keeps them: numbered without gap or double, each for what it was."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.job import Job
from models.metric import Point, Recorded, decode_values, encode_values
from models.points import read_after, read_latest
from models.validation import MAX_BATCH
from tests.tools.domain import Domain, a_point, points, statements
from tests.tools.outside import Outside

NAN, INFINITY = math.nan, math.inf
LOOK_UP = "AS sought CROSS JOIN"


async def recorded(domain: Domain, job: Job, *batch: Point) -> int:
    """How many of a batch were new."""
    return len((await domain.jobs.log(job.id, batch)).metrics)


def seqs(metrics: Sequence[Recorded]) -> list[int]:
    return [metric.seq for metric in metrics]


class TestNumbering:
    async def test_points_are_numbered_from_one_in_the_order_they_arrive_whatever_their_steps(
        self, domain: Domain
    ) -> None:
        job = await domain.job()
        for steps in ([5, 3], [4], [9, 0, 5]):
            await domain.jobs.log(job.id, [a_point(step, at=len(steps)) for step in steps])
        assert [(metric.seq, metric.step) for metric in await domain.stored(job)] == [
            (1, 5), (2, 3), (3, 4), (4, 9), (5, 0), (6, 5),
        ]  # fmt: skip

    async def test_what_is_left_out_of_a_batch_leaves_no_gap(self, domain: Domain) -> None:
        job = await domain.job()
        assert await recorded(domain, job, *points(1, 2)) == 2
        assert await recorded(domain, job, *points(2, 3)) == 2
        assert await recorded(domain, job, a_point(2), a_point(9), a_point(1)) == 1
        assert [(metric.seq, metric.step) for metric in await domain.stored(job)] == [
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 9),
        ]

    async def test_the_job_counts_its_points_and_keeps_its_furthest_step(self, domain: Domain) -> None:
        id = (await domain.job()).id
        for batch, counters in (
            ([a_point(7), a_point(2)], (2, 7)),
            ([a_point(3)], (3, 7)),
            ([a_point(7)], (3, 7)),
            ([a_point(8)], (4, 8)),
        ):
            logged = await domain.jobs.log(id, batch)
            job = await domain.now(id)
            assert (job.metric_count, job.furthest_step) == counters
            assert (logged.job.metric_count, logged.job.furthest_step) == counters

    async def test_a_batch_with_a_bad_point_stores_nothing(self, domain: Domain) -> None:
        job = await domain.job()
        with pytest.raises(InvalidInput) as refusal:
            await domain.jobs.log(job.id, [a_point(1), a_point(-1)])
        assert refusal.value.field == "metrics[1].step"
        assert await domain.stored(job) == []


class TestEqualPoints:
    """A point equal to one already recorded at its step is not stored again."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (a_point(1, loss=0.1), a_point(1, loss=0.1)),
            (a_point(1, loss=NAN), a_point(1, loss=NAN)),
            (a_point(1, loss=NAN), a_point(1, loss=-NAN)),
            (a_point(1, loss=-INFINITY), a_point(1, loss=-INFINITY)),
            (a_point(1, loss=0.1, accuracy=0.5), a_point(1, accuracy=0.5, loss=0.1)),
            (a_point(0, loss=0.1), a_point(0, loss=0.1)),
            (Point(1), Point(1)),
            (Point(1, epoch=0.19), Point(1, epoch=0.19)),
            (Point(1, logged_us=1), Point(1)),
            (Point(1), Point(1, logged_us=1)),
        ],
        ids=str,
    )
    async def test_these_are_equal(self, domain: Domain, one: Point, other: Point) -> None:
        job = await domain.job(steps_per_epoch=100)
        assert await recorded(domain, job, one, other) == 1, "within a batch"
        assert await recorded(domain, job, other) == 0, "in a later batch"
        assert await recorded(domain, job, a_point(500), one) == 1, "behind the furthest step"
        assert len(await domain.stored(job)) == 2

    async def test_a_point_with_the_epoch_of_its_step_equals_one_of_which_nobody_said_it(self, domain: Domain) -> None:
        """As those of old versions are kept, which did not tell the two apart."""
        job = await domain.job(steps_per_epoch=100)
        assert await recorded(domain, job, a_point(150, loss=0.1), a_point(500, loss=0.1)) == 2
        assert await recorded(domain, job, a_point(150, 2, loss=0.1), a_point(500, 5, loss=0.1)) == 0
        assert await recorded(domain, job, a_point(150, 3, loss=0.1), a_point(150, 2, loss=0.2)) == 2
        assert await recorded(domain, job, a_point(150, 2, loss=0.1)._replace(logged_us=1)) == 0

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (a_point(1, loss=0.1), a_point(1, loss=math.nextafter(0.1, 1))),
            (a_point(1, loss=0.0), a_point(1, loss=-0.0)),
            (a_point(1, loss=INFINITY), a_point(1, loss=-INFINITY)),
            (a_point(1, loss=NAN), a_point(1, loss=INFINITY)),
            (a_point(1, loss=0.1), a_point(1, val_loss=0.1)),
            (a_point(1, loss=0.1), a_point(1, loss=0.1, accuracy=0.5)),
            (a_point(1, loss=0.1, accuracy=0.5), a_point(1, loss=0.5, accuracy=0.1)),
            (a_point(1, 1, loss=0.1), a_point(1, 2, loss=0.1)),
            (a_point(101, loss=0.1), a_point(101, 2, loss=0.1)),
            (a_point(1, loss=0.1)._replace(logged_us=1), a_point(1, loss=0.1)._replace(logged_us=2)),
            (a_point(1, loss=0.1), a_point(2, loss=0.1)),
            (Point(1), a_point(1, loss=0.1)),
        ],
        ids=str,
    )
    async def test_these_are_not(self, domain: Domain, one: Point, other: Point) -> None:
        within, after = await domain.job(), await domain.job()
        assert await recorded(domain, within, one, other) == 2, "within a batch"
        assert await recorded(domain, after, one) == 1
        assert await recorded(domain, after, other) == 1, "in a later batch"
        assert await recorded(domain, after, one, other) == 0, "both are there now"

    NAMES = st.sampled_from(["loss", "Loss", "accuracy", "a", "A", 'a",":', "%", "_", "!", "b!%"])

    @settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors], max_examples=40
    )
    @given(
        st.lists(
            st.builds(
                Point,
                st.integers(0, 1),
                st.dictionaries(NAMES, st.sampled_from([0.5, 1.5, 2.0, -0.0, 0.0, NAN, INFINITY]), max_size=4),
                st.none() | st.integers(1, 2),
                st.none(),
            ),
            min_size=2,
            max_size=12,
        ),
        st.data(),
    )
    async def test_whatever_was_logged_is_found_in_whichever_order_its_values_are_named(
        self, domain: Domain, batch: list[Point], data: st.DataObject
    ) -> None:
        job = await domain.job()

        def identity(point: Point) -> tuple[int, float | None, frozenset[tuple[str, str]]]:
            return point.step, point.epoch, frozenset((name, repr(value)) for name, value in point.values.items())

        half = data.draw(st.integers(1, len(batch) - 1))
        known: set[object] = set()
        for some in (batch[:half], batch[half:]):
            new = {identity(point) for point in some} - known
            assert await recorded(domain, job, *some) == len(new)
            known |= new
        shuffled = [
            Point(
                point.step,
                {name: point.values[name] for name in data.draw(st.permutations([*point.values]))},
                point.epoch,
            )
            for point in batch
        ]
        assert await recorded(domain, job, *shuffled) == 0
        for point in shuffled:
            assert await recorded(domain, job, point) == 0

    @pytest.mark.sqlite_alone("it says which index it uses, however few points there are")
    async def test_they_are_found_by_an_index_on_step_and_digest_however_many_points_a_step_has(
        self, domain: Domain, outside: Outside
    ) -> None:
        job = await domain.job()
        await recorded(domain, job, *(Point(0, {"loss": count / 8}) for count in range(111)))
        with statements() as asked:
            assert await recorded(domain, job, *(Point(0, {"loss": count / 8}) for count in range(50, 161))) == 50
        lookups = [text for text in asked.all if LOOK_UP in text]
        assert [text.count("?") for text in lookups] == [4 * 100 + 1, 4 * 10 + 1, 4 + 1], "each is sought once"
        for text in lookups:
            plan = outside.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))
            found = "SEARCH metric USING COVERING INDEX metric_by_digest (job_id=? AND step=? AND digest=?"
            assert {
                step.removesuffix(")").removesuffix(" AND logged_us=?") for *_, step in plan if "metric" in step
            } == {found}

    async def test_the_largest_batch_can_be_sent_again(self, domain: Domain) -> None:
        job = await domain.job(epochs=1_000)
        batch = points(1, MAX_BATCH)
        assert [await recorded(domain, job, *batch), await recorded(domain, job, *batch)] == [MAX_BATCH, 0]
        assert (await domain.now(job.id)).metric_count == MAX_BATCH

    async def test_a_batch_that_lies_beyond_the_furthest_step_is_not_looked_up(self, domain: Domain) -> None:
        job = await domain.job()
        with statements() as asked:
            await domain.jobs.log(job.id, points(1, 50))
            await domain.jobs.log(job.id, points(51, 50))
            assert not [text for text in asked.all if LOOK_UP in text]
            await domain.jobs.log(job.id, points(100, 2))
            assert len([text for text in asked.all if LOOK_UP in text]) == 1


class TestValues:
    @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), st.floats()))
    def test_every_float_comes_back_from_its_text_as_it_was_in_the_order_it_was_logged(
        self, values: dict[str, float]
    ) -> None:
        assert repr(decode_values(encode_values(values))) == repr(values)

    async def test_what_is_not_finite_is_kept_for_what_it_was(self, domain: Domain) -> None:
        job = await domain.job()
        values = {"zeta": NAN, "loss": INFINITY, "alpha": -INFINITY, "Beta": -0.0, "train/é \"'": 5e-324}
        await domain.jobs.log(job.id, [Point(1, values)])
        (metric,) = await domain.stored(job)
        assert repr(dict(metric.values)) == repr(values)

    @pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
    async def test_the_three_that_are_drawn_are_null_where_not_finite_or_not_logged(
        self, domain: Domain, value: float
    ) -> None:
        job = await domain.job()
        batch = [a_point(1, loss=value, accuracy=0.5), a_point(2, loss=0.25, learningRate=value), a_point(3, x=1.0)]
        await domain.jobs.log(job.id, batch)
        drawn = [(metric.loss, metric.accuracy, metric.learning_rate) for metric in await domain.stored(job)]
        assert drawn == [(None, 0.5, None), (0.25, None, None), (None, None, None)]

    async def test_the_epoch_is_the_one_given_else_that_of_the_step(self, domain: Domain) -> None:
        job = await domain.job(steps_per_epoch=10)
        await domain.jobs.log(job.id, [a_point(10), a_point(11), a_point(12, 7), a_point(0)])
        assert [metric.epoch for metric in await domain.stored(job)] == [1, 2, 7, 1]


async def test_a_page_beyond_a_cursor_and_the_latest_points_are_read_of_several_jobs_in_one_query_each(
    domain: Domain,
) -> None:
    jobs = [await domain.job() for _ in range(3)]
    for job, count in zip(jobs, (5, 2, 0), strict=True):
        if count:
            await domain.jobs.log(job.id, points(1, count))
    jobs = [await domain.now(job.id) for job in jobs]
    with statements() as asked:
        pages = await read_after(domain.database.reader, [job.id for job in jobs], 1, 3)
        latest = await read_latest(domain.database.reader, jobs, 3)
    assert [seqs(pages[job.id]) for job in jobs] == [[2, 3, 4], [2], []]
    assert [seqs(latest[job.id]) for job in jobs] == [[3, 4, 5], [1, 2], []]
    assert len(asked.all) == 2


async def test_a_read_that_is_broken_off_holds_nobody_to_what_the_store_was_then(domain: Domain) -> None:
    """A watcher leaves while it is read for: whoever reads over its connection next finds what was stored since."""
    job = await domain.job()
    await domain.record(job, 1, 3)
    for turns in range(24):
        reading = asyncio.create_task(read_after(domain.database.reader, [job.id], 0, 10))
        for _ in range(turns % 12):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        later = await domain.job()
        assert await domain.now(later.id)
