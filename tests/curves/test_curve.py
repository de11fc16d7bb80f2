"""A job's curve: one named value over the steps, exact where it is short, and of the same shape where it is long."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.curves.chunks import Chunks
from models.curves.curve import EVENLY_BELOW, MAX_POINTS, Curve, Wanted
from models.curves.reading import Curves
from models.job import Job
from models.metric import Point
from tests.tools.api import Api
from tests.tools.curves import downsampled, listed, plain
from tests.tools.domain import Domain, a_point, statements

COLUMNS = ["loss", "accuracy", "learningRate"]
NAMES = [
    *COLUMNS, "val_loss", "train/loss", 'a"b', "a\\b", "a%b", "a_b", "axb", "a!b", "'; --", "a.b", "$.loss", "LOSS",
    "Verlust ∞", '"loss":"', "😀", ",",
]  # fmt: skip
NO_EPOCH_NO_TIME = (st.none(), st.none())
VALUES = st.sampled_from([0.0, -0.0, 0.1, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf]) | st.floats()


async def curve_of(domain: Domain, job: Job, name: str = "loss", points: int = MAX_POINTS, **steps: int) -> Curve:
    """A curve of a job as it now is."""
    now = await domain.now(job.id)
    wanted = Wanted(job.id, now.metric_count, name, points, steps.get("first"), steps.get("last"))
    return (await Curves(Chunks(domain.database)).read([wanted]))[0]


class TestShortCurves:
    async def test_of_a_step_with_several_the_latest_that_has_the_name_counts(self, domain: Domain) -> None:
        job = await domain.job()
        for point in (a_point(1, loss=1.0), a_point(2, loss=5.0), a_point(1, loss=2.0), a_point(1, val_loss=9.0)):
            await domain.jobs.log(job.id, [point])
        assert listed(await curve_of(domain, job)) == [(1, 3, "2.0"), (2, 2, "5.0")]
        assert listed(await curve_of(domain, job, "val_loss")) == [(1, 4, "9.0")]

    @pytest.mark.parametrize("name", COLUMNS)
    async def test_what_was_not_logged_is_no_point_and_what_is_not_finite_is_one(
        self, domain: Domain, name: str
    ) -> None:
        job = await domain.job()
        other = {f'x"{name}': math.nan, f'{name}":"': math.inf, name.upper(): math.nan, "note": 1.0}
        logged = [
            Point(1, {name: 0.5}), Point(2, other), Point(3, {name: math.nan}), Point(4, {name: math.inf, **other}),
            Point(5, {name: -math.inf}), Point(6, {"note": 2.0}),
        ]  # fmt: skip
        await domain.jobs.log(job.id, logged)
        assert listed(await curve_of(domain, job, name)) == [
            (1, 1, "0.5"),
            (3, 3, "nan"),
            (4, 4, "inf"),
            (5, 5, "-inf"),
        ]

    async def test_a_name_is_a_name_whatever_is_in_it(self, domain: Domain) -> None:
        job = await domain.job()
        logged = [Point(0, {each: float(place) for place, each in enumerate(NAMES)})]
        logged += [Point(step, {each: -1.0 for each in NAMES if each != name}) for step, name in enumerate(NAMES, 1)]
        await domain.jobs.log(job.id, logged)
        wanted = [Wanted(job.id, len(logged), name, MAX_POINTS, None, None) for name in NAMES]
        curves = await Curves(Chunks(domain.database)).read(wanted)
        assert [listed(curve) for curve in curves] == [plain(logged, each) for each in wanted]

    async def test_a_job_as_it_was_has_the_points_that_it_had(self, domain: Domain) -> None:
        """Also beside the same job as it is, in one batch: a step that came again since has its earlier value."""
        job = await domain.job()
        await domain.jobs.log(job.id, [a_point(1, loss=1.0), a_point(2, loss=2.0)])
        await domain.jobs.log(job.id, [a_point(1, loss=9.0)])
        as_they_were = [Wanted(job.id, count, "loss", 10, None, None) for count in (3, 2, 1, 0)]
        assert [listed(each) for each in await Curves(Chunks(domain.database)).read(as_they_were)] == [
            [(1, 3, "9.0"), (2, 2, "2.0")],
            [(1, 1, "1.0"), (2, 2, "2.0")],
            [(1, 1, "1.0")],
            [],
        ]

    @settings(
        # The same on each kind of store, each a test of its own.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
        deadline=None,
        max_examples=25,
    )
    @given(
        logged=st.lists(
            st.builds(
                Point,
                st.integers(0, 12),
                st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
                st.none(),
                st.none(),
            ),
            min_size=1,
            max_size=20,
        ),
        first=st.integers(0, 12),
        last=st.integers(0, 12),
        at_once=st.integers(1, 30),
    )
    async def test_it_is_what_a_plain_reading_of_the_points_gives(
        self, domain: Domain, logged: list[Point], first: int, last: int, at_once: int
    ) -> None:
        """All names of two jobs in one batch, however few points one statement looks at."""
        job, other = await domain.job(), await domain.job()
        stored = [Point(metric.step, metric.values) for metric in (await domain.jobs.log(job.id, logged)).metrics]
        await domain.jobs.log(other.id, stored[:1])
        wanted = [
            Wanted(each.id, len(stored), name, 100, *steps)
            for each in (job, other)
            for name in NAMES
            for steps in ((None, None), (first, last))
        ]
        curves = await Curves(Chunks(domain.database, at_once=at_once)).read(wanted)
        for each, found in zip(wanted, curves, strict=True):
            assert listed(found) == plain(stored if each.job_id == job.id else stored[:1], each)


CURVES = st.lists(st.tuples(st.integers(1, 1000), VALUES), min_size=1, max_size=120)


class TestDownsampling:
    @given(CURVES, st.integers(2, 60))
    def test_keeps_to_the_points_requested_in_order_with_the_first_and_the_last_the_lowest_and_the_highest(
        self, curve: list[tuple[int, float]], points: int
    ) -> None:
        step, value = np.cumsum([gap for gap, _ in curve]), np.array([value for _, value in curve])
        places = downsampled(step, value, points).tolist()
        assert len(places) <= points
        assert places == sorted(set(places))
        assert (places[0], places[-1]) == (0, len(curve) - 1)
        if len(curve) <= points:
            assert places == [*range(len(curve))]
        kept, finite = value[places], value[np.isfinite(value)]
        if points >= EVENLY_BELOW and finite.size:
            assert kept[np.isfinite(kept)].min() == finite.min()
            assert kept[np.isfinite(kept)].max() == finite.max()

    def test_keeps_them_also_where_they_are_close_to_each_other(self) -> None:
        """There the downsampler alone often passes over one."""
        random = np.random.default_rng(7)
        for _ in range(200):
            value = np.cumsum(random.standard_normal(2_000))
            places = downsampled(np.arange(2_000), value, 25)
            assert {int(value.argmin()), int(value.argmax())} <= set(places.tolist())

    def test_no_spike_is_lost(self) -> None:
        value = np.sin(np.arange(100_000) / 9_000) / 10
        spikes = np.arange(500, 100_000, 3_000)
        value[spikes] += 1.0
        places = downsampled(np.arange(100_000), value, 500)
        assert set(spikes.tolist()) <= set(places.tolist())

    def test_a_stretch_that_is_not_finite_is_there_as_its_first_and_its_last(self) -> None:
        value = np.linspace(1, 2, 10_000)
        value[4_000:4_500], value[7_000], value[9_990:] = math.nan, math.inf, math.nan
        places = downsampled(np.arange(10_000), value, 100)
        shown = places[~np.isfinite(value[places])]
        assert shown.tolist() == [4_000, 4_499, 7_000, 9_990, 9_999]
        assert 90 < len(places) <= 100

    def test_more_such_stretches_than_there_is_room_for_take_no_more_than_half(self) -> None:
        value = np.where(np.arange(10_000) % 2, math.nan, 1.0)
        kept = value[downsampled(np.arange(10_000), value, 100)]
        assert np.isnan(kept).sum() == 50
        assert np.isfinite(kept).sum() > 40

    def test_values_that_are_not_finite_leave_to_others_what_they_do_not_need(self) -> None:
        value = np.full(1_000, math.nan)
        value[[10, 500, 501, 900]] = 1.0
        shown = downsampled(np.arange(1_000), value, 100).tolist()
        assert shown == [0, 9, 10, 11, 499, 500, 501, 502, 899, 900, 901, 999]


class TestManyJobs:
    QUERY = '{ jobs(limit: 50) { id curve(points: 40) { value } lr: curve(name: "learningRate") { value } } }'

    async def test_ten_jobs_cost_the_statements_of_one(self, api: Api) -> None:
        """Their curves are read in batches of twenty, so that other clients have a turn between two."""
        counts = []
        for jobs in (1, 9):
            for _ in range(jobs):
                id = await api.started()
                await api.log(id, [{"step": step, "loss": step / 8} for step in range(1, 4)])
            with statements() as asked:
                found = (await api.data(self.QUERY))["jobs"]
            counts.append(len(asked.all))
            assert [job["curve"]["value"] for job in found] == [[0.125, 0.25, 0.375]] * len(found)
            assert [job["lr"]["value"] for job in found] == [[]] * len(found)
        assert counts == [2, 2]


class TestTheField:
    FIELDS = "name seq step value"

    async def curve(self, api: Api, id: str, arguments: str = "") -> Any:
        return (await api.job(id, f"curve{arguments and f'({arguments})'} {{ {self.FIELDS} }}"))["curve"]

    async def test_shows_a_value_as_null_where_it_is_not_finite(self, api: Api) -> None:
        id = await api.started()
        nan = {"name": "loss", "nonFinite": "NAN"}
        await api.log(id, [{"step": 1, "loss": 0.5}, {"step": 2, "values": [nan]}])
        assert await self.curve(api, id) == {"name": "loss", "seq": [1, 2], "step": [1, 2], "value": [0.5, None]}

    async def test_gives_500_points_unless_asked_otherwise(self, api: Api) -> None:
        id = await api.started()
        await api.log(id, [{"step": step, "loss": step % 7} for step in range(1, 2_001)])
        assert 490 <= len((await self.curve(api, id))["value"]) <= 500
        assert len((await self.curve(api, id, "points: 2000"))["value"]) == 2_000
        assert (await self.curve(api, id, "points: 2"))["step"] == [1, 2_000]
        assert (await self.curve(api, id, "from: 7, to: 9"))["step"] == [7, 8, 9]

    async def test_of_a_name_that_was_never_logged_has_empty_lists(self, api: Api) -> None:
        id = await api.started()
        await api.log(id, [{"step": 1, "loss": 0.5}])
        curve = await self.curve(api, id, 'name: "nobody"')
        assert curve == {"name": "nobody", "seq": [], "step": [], "value": []}

    async def test_has_steps_beyond_31_bits(self, api: Api) -> None:
        id = await api.started()
        await api.log(id, [{"step": 2**31, "loss": 1.0}, {"step": 2**53 - 1, "loss": 2.0}])
        assert (await self.curve(api, id))["step"] == [2**31, 2**53 - 1]

    @pytest.mark.sqlite_alone("it is refused before the store matters")
    @pytest.mark.parametrize(
        ("arguments", "argument", "message"),
        [
            ("points: 1", "points", "points: must be 2 to 10000, got 1."),
            ("points: 10001", "points", "points: must be 2 to 10000, got 10001."),
            ('name: ""', "name", "name: must have 1 to 250 characters, got 0."),
            (f'name: "{"n" * 251}"', "name", "name: must have 1 to 250 characters, got 251."),
            (r'name: "a\u0000"', "name", "name: must not contain control characters."),
        ],
    )
    async def test_refuses_a_bad_argument_by_name(self, api: Api, arguments: str, argument: str, message: str) -> None:
        id = await api.started()
        error = await api.error(f"query ($id: ID!) {{ job(id: $id) {{ curve({arguments}) {{ seq }} }} }}", id=id)
        assert error["message"] == message
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}
