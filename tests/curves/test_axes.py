"""Curves over steps, over time and in the order of their points, of runs that were resumed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.attempts import Cuts
from models.curves.chunk import Grain
from models.curves.chunks import Chunks
from models.curves.curve import Axis, Wanted
from models.curves.reading import Curves
from models.job import Job
from models.lifecycle import Outcome
from models.metric import Point
from tests.tools.api import Api
from tests.tools.domain import Domain, a_point, statements

SMALL = Grain(run=8, fine=2, coarse=4)
"""Small enough for many chunks of few points."""
START = 1_800_000_000_000_000
"""Microseconds since 1970."""


def fresh(domain: Domain) -> Curves:
    """Curves that remember nothing."""
    return Curves(Chunks(domain.database, SMALL))


def wanted_of(
    job: Job, axis: Axis, points: int = 10_000, first: int | None = None, last: int | None = None, name: str = "loss"
) -> Wanted:
    return Wanted(job.id, job.metric_count, name, points, first, last, axis, Cuts.of(job).pairs)


async def resumed(domain: Domain, job: Job, from_step: int | None) -> None:
    await domain.jobs.fail(job.id, "preempted", Outcome.KILLED)
    await domain.jobs.resume(job.id, from_step)


Attempt = tuple[int | None, list[Point]]


def plain(attempts: list[Attempt], axis: Axis, first: int | None, last: int | None) -> list[int]:
    """The seqs of a curve, by a plain reading of its points."""
    kept: list[tuple[int, Point]] = []
    seq = 0
    for from_step, points in attempts:
        kept = [each for each in kept if from_step is None or each[1].step <= from_step]
        for point in points:
            seq += 1
            kept.append((seq, point))
    kept = [each for each in kept if "loss" in each[1].values]
    if axis is Axis.STEP:
        kept = sorted({point.step: (seq, point) for seq, point in kept}.values(), key=lambda each: each[1].step)
    if axis is Axis.TIME:
        kept.sort(key=lambda each: (each[1].logged_us or 0, each[0]))

    def place(seq: int, point: Point) -> int:
        return {Axis.STEP: point.step, Axis.ORDER: seq, Axis.TIME: point.logged_us or 0}[axis]

    return [
        seq
        for seq, point in kept
        if (first is None or place(seq, point) >= first) and (last is None or place(seq, point) <= last)
    ]


@st.composite
def runs(draw: st.DrawFn) -> list[Attempt]:
    """Attempts from checkpoints, with steps that repeat and go back, and times that do so too."""
    attempts: list[Attempt] = []
    us = START
    for number in range(draw(st.integers(1, 4))):
        from_step = draw(st.none() | st.integers(0, 30)) if number else None
        step, points = from_step or 0, list[Point]()
        for _ in range(draw(st.integers(0, 25))):
            step = max(0, step + draw(st.sampled_from([1, 1, 1, 0, -3])))
            us += draw(st.sampled_from([1_000_000, 1_000_000, 0, -2_500_000]))
            # No two points are the same: they would be stored once.
            values = {draw(st.sampled_from(["loss", "loss", "other"])): len(points) + number / 8}
            points.append(Point(step, values, None, us))
        attempts.append((from_step, points))
    return attempts


@settings(
    # The same on each kind of store, each a test of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
    deadline=None,
    max_examples=15,
)
@given(attempts=runs(), data=st.data())
async def test_a_curve_is_that_of_the_points_over_each_axis(
    domain: Domain, attempts: list[Attempt], data: st.DataObject
) -> None:
    job = await domain.job()
    for number, (from_step, points) in enumerate(attempts):
        if number:
            await resumed(domain, job, from_step)
        for point in points:
            assert len((await domain.jobs.log(job.id, [point])).metrics) == 1
    job = await domain.now(job.id)
    ends = {Axis.STEP: (0, 40), Axis.ORDER: (0, 90), Axis.TIME: (START, START + 30_000_000)}
    for axis in Axis:
        first, last = sorted(data.draw(st.tuples(st.integers(*ends[axis]), st.integers(*ends[axis]))))
        windows = [(None, None), (first, last), (None, last), (first, None)]
        for _ in range(2):  # chunks are made by the first, and there for the second
            curves = await fresh(domain).read([wanted_of(job, axis, 10_000, *window) for window in windows])
            for window, curve in zip(windows, curves, strict=True):
                assert curve.seq.tolist() == plain(attempts, axis, *window), (axis, window)
        (few,) = await fresh(domain).read([wanted_of(job, axis, 12)])
        assert len(few.seq) <= 12
        assert set(few.seq.tolist()) <= set(plain(attempts, axis, None, None))


async def test_a_resumed_run_costs_no_more_than_one_that_was_not(domain: Domain) -> None:
    """Chunks that are superseded are not read."""
    job = await domain.job()
    await domain.record(job, 1, 160)
    await resumed(domain, job, 20)
    await domain.record(job, 21, 160)
    job = await domain.now(job.id)
    (curve,) = await fresh(domain).read([wanted_of(job, Axis.STEP)])
    assert curve.step.tolist() == [*range(1, 181)]
    assert curve.seq.tolist() == [*range(1, 21), *range(161, 321)]
    for axis in (Axis.STEP, Axis.ORDER):
        with statements() as asked:
            (curve,) = await fresh(domain).read([wanted_of(job, axis, 20)])
        assert 10 <= len(curve.seq) <= 20
        read = [text for text in asked.all if '"number" IN' in text or "number IN" in text]
        assert len(read) <= 3, "what is cut, and outlines of the rest"


async def test_points_without_a_time_of_their_loop_lie_where_they_were_stored(domain: Domain) -> None:
    job = await domain.job()
    logged = await domain.jobs.log(job.id, [a_point(1), a_point(2)._replace(logged_us=START)])
    job = await domain.now(job.id)
    (curve,) = await fresh(domain).read([wanted_of(job, Axis.TIME)])
    assert curve.us is not None
    at = {metric.seq: metric.recorded_at.timestamp() for metric in logged.metrics}
    found = dict(zip(curve.seq.tolist(), curve.us.tolist(), strict=True))
    assert found[2] == START
    assert found[1] / 1e6 == pytest.approx(at[1])


class TestTheField:
    async def curves(self, api: Api, id: str, arguments: str, fields: str = "name x seq step value") -> Any:
        return (await api.job(id, f"curves({arguments}) {{ {fields} }}"))["curves"]

    async def test_has_curves_in_the_order_of_their_names(self, api: Api) -> None:
        id = await api.started()
        nan = {"name": "b", "nonFinite": "NAN"}
        await api.log(id, [{"step": 3, "loss": 0.5}, {"step": 7, "values": [nan]}])
        assert await self.curves(api, id, 'names: ["b", "none", "loss", "b"]') == [
            {"name": "b", "x": [7.0], "seq": [2], "step": [7], "value": [None]},
            {"name": "none", "x": [], "seq": [], "step": [], "value": []},
            {"name": "loss", "x": [3.0], "seq": [1], "step": [3], "value": [0.5]},
            {"name": "b", "x": [7.0], "seq": [2], "step": [7], "value": [None]},
        ]
        assert await self.curves(api, id, "names: []") == []

    async def test_of_a_name_always_logged_at_step_0_is_drawn_over_time_and_order(self, api: Api) -> None:
        id = await api.data(
            'mutation { createJob(input: {name: "run", start: true}) { ... on CreateJobSuccess { job { id } } } }'
        )
        id = id["createJob"]["job"]["id"]
        started = datetime.fromisoformat((await api.job(id, "startedAt"))["startedAt"])
        points = [
            {"step": 0, "loss": loss, "loggedAt": (started + timedelta(seconds=second)).isoformat()}
            for second, loss in ((3, 1.0), (1, 2.0), (2, 3.0))
        ]
        await api.log(id, points)
        by_step, by_order, by_time = [
            (await self.curves(api, id, f'names: ["loss"], axis: {axis}'))[0] for axis in ("STEP", "ORDER", "TIME")
        ]
        assert by_step["value"] == [3.0]
        assert (by_order["x"], by_order["value"]) == ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
        assert (by_time["seq"], by_time["value"]) == ([2, 3, 1], [2.0, 3.0, 1.0])
        assert by_time["x"] == [1.0, 2.0, 3.0]
        shown = await self.curves(api, id, 'names: ["loss"], axis: TIME, from: 2, to: 2')
        assert shown[0]["value"] == [3.0]
        shown = await self.curves(api, id, 'names: ["loss"], axis: ORDER, from: 1.5, to: 2.5')
        assert shown[0]["value"] == [2.0]

    @pytest.mark.sqlite_alone("it is refused before the store matters")
    @pytest.mark.parametrize(
        ("arguments", "argument", "message"),
        [
            ('names: ["a"], points: 1', "points", "points: must be 2 to 10000, got 1."),
            (
                f"names: [{', '.join(['''a'''.join(2 * [chr(34)])] * 101)}]",
                "names",
                "names: must be at most 100, got 101.",
            ),
            ('names: ["a", ""]', "names", "names[1]: must have 1 to 250 characters, got 0."),
        ],
    )
    async def test_refuses_a_bad_argument_by_name(self, api: Api, arguments: str, argument: str, message: str) -> None:
        id = await api.started()
        error = await api.error(f"query ($id: ID!) {{ job(id: $id) {{ curves({arguments}) {{ seq }} }} }}", id=id)
        assert error["message"].endswith(message)
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}

    @pytest.mark.parametrize("bound", ["1e300", "-1e300", "-3"])
    @pytest.mark.parametrize("axis", list(Axis))
    async def test_takes_any_bound(self, api: Api, axis: Axis, bound: str) -> None:
        id = await api.started()
        await api.log(id, [{"step": 1, "loss": 0.5}])
        for end in ("from", "to"):
            (curve,) = await self.curves(api, id, f'names: ["loss"], axis: {axis}, {end}: {bound}')
            assert len(curve["seq"]) == (float(bound) < 1 if end == "from" else float(bound) > 1)
