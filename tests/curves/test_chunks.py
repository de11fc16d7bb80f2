"""Chunks: curves drawn from them are those that the points have, whoever made them, and whatever happened to them."""

import asyncio
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from models.curves.builder import Growth
from models.curves.chunk import Chunk, Grain, unpacked
from models.curves.chunks import Chunks, Shelf
from models.curves.curve import EVENLY_BELOW, MAX_POINTS, Curve, Wanted, chosen, evenly, outline
from models.curves.reading import Curves
from models.curves.series import COLUMNS
from models.job import Job
from models.metric import Point
from models.store.database import Database
from tests.tools.api import Api
from tests.tools.curves import Listed, listed, plain
from tests.tools.domain import Domain, a_point, opened_domain, statements
from tests.tools.outside import Outside
from tests.tools.process import command
from tests.tools.waiting import PATIENCE, eventually

SMALL = Grain(run=8, fine=2, coarse=4)
"""Small enough for many chunks of few points."""
RUN = Grain().run
PACKED = """SELECT job_id, name, number, size, finite, first_step, last_step, coarse, fine, points FROM curve_chunk
    ORDER BY job_id, name, number"""
FINITE = st.integers(-3, 3).map(float)
VALUES = FINITE | st.sampled_from([math.nan, math.inf, -math.inf])


def fresh(domain: Domain, grain: Grain = SMALL) -> Curves:
    """Curves that remember nothing."""
    return Curves(Chunks(domain.database, grain))


async def all_of(domain: Domain, job: Job, name: str = "loss", points: int = MAX_POINTS) -> Wanted:
    """The curve of a job as it now is."""
    return Wanted(job.id, (await domain.now(job.id)).metric_count, name, points, None, None)


def check(drawn: Curve, whole: Listed, points: int) -> None:
    """Raises AssertionError where a curve is not what is promised of one, given all of its points."""
    shown = listed(drawn)
    if len(whole) <= points:
        assert shown == whole
        return
    assert len(shown) <= points
    if points < EVENLY_BELOW:
        assert shown == [whole[place] for place in evenly(len(whole), points).tolist()]
        return
    assert (shown[0], shown[-1]) == (whole[0], whole[-1])
    assert shown == sorted(set(shown) & set(whole))
    value = np.array([float(value) for *_, value in whole])
    finite = np.isfinite(value)
    if finite.any():
        kept = drawn.value[np.isfinite(drawn.value)]
        assert (kept.min(), kept.max()) == (value[finite].min(), value[finite].max())
    edges = [False, *(~finite).tolist(), False]
    ends = [
        whole[place]
        for place, (before, here, after) in enumerate(zip(edges, edges[1:], edges[2:], strict=False))
        if here and not (before and after)
    ]
    off = [point for point in shown if not math.isfinite(float(point[2]))]
    if len(ends) <= points // 2:
        assert off == ends
    else:
        assert set(off) <= set(ends)
        assert len(off) >= points // 2


@st.composite
def logs(draw: st.DrawFn) -> list[Point]:
    """Points as training loops log them: on and on, again from a checkpoint, late, twice, of two names."""
    points: list[Point] = []
    step = 0
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from([step, step, max(0, step - draw(st.integers(1, 30))), 0]))
        stride = draw(st.sampled_from([1, 1, 1, 2, 7, 0]))
        of_values = draw(st.sampled_from([FINITE, FINITE, VALUES, st.just(math.nan)]))
        for _ in range(draw(st.integers(1, 40))):
            step += stride if draw(st.integers(0, 9)) else draw(st.integers(-step, 5))
            names = draw(st.sampled_from([["loss"], ["loss"], ["loss", "val"], ["val"], []]))
            points.append(Point(step, {name: draw(of_values) for name in names}))
    return points


@settings(
    # The same on each kind of store, each a test of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
    deadline=None,
    max_examples=20,
)
@given(logged=logs(), data=st.data())
async def test_a_curve_is_that_of_the_points_whatever_chunks_there_are(
    domain: Domain, logged: list[Point], data: st.DataObject
) -> None:
    job = await domain.job()
    half = data.draw(st.integers(0, len(logged)))
    stored: list[Point] = []
    for batch in (logged[:half], logged[half:]):
        if batch:
            stored += [
                Point(point.step, dict(point.values)) for point in (await domain.jobs.log(job.id, batch)).metrics
            ]
        for _ in range(2):
            steps = sorted(data.draw(st.tuples(st.integers(0, 60), st.integers(0, 60))))
            wanted = [
                Wanted(job.id, until, name, points, first, last)
                for until in (len(stored), data.draw(st.integers(0, len(stored))))
                for name in ("loss", "val")
                for points in (data.draw(st.integers(2, 30)), 1_000)
                for first, last in ((None, None), (steps[0], steps[1]), (steps[0], None), (None, steps[1]))
            ]
            drawn = await fresh(domain).read(wanted)
            event(f"{len(stored) // SMALL.run // 4 * 4} or more chunks")
            for each, curve in zip(wanted, drawn, strict=True):
                check(curve, plain(stored, each), each.points)
            # Chunks are there by now: nothing changes.
            again = await fresh(domain).read(wanted)
            assert [listed(curve) for curve in again] == [listed(curve) for curve in drawn]


@pytest.mark.parametrize("finite", [400, 60])
async def test_a_long_curve_has_as_many_points_as_are_asked_for(domain: Domain, finite: int) -> None:
    """However few of its values are finite, for the others are there as no more than the ends of their runs."""
    walk = np.cumsum(np.random.default_rng(7).standard_normal(400)).tolist()
    job = await domain.job()
    logged = [a_point(step, loss=value if step < finite else math.nan) for step, value in enumerate(walk)]
    await domain.jobs.log(job.id, logged)
    for points in (10, 20, 40, 80, 160, 320):
        (curve,) = await fresh(domain).read([await all_of(domain, job, points=points)])
        assert min(points, finite) - 2 <= len(curve.step) <= points


async def test_more_names_than_one_statement_takes_are_read_like_any(domain: Domain) -> None:
    job = await domain.job()
    values = {f"value {number}": float(number) for number in range(999)}
    await domain.jobs.log(job.id, [Point(step, {"loss": 0.5, **values}) for step in range(3)])
    wanted = [
        await all_of(domain, job, name) for name in ["loss", *values, *(f"nobody {number}" for number in range(10))]
    ]
    drawn = await fresh(domain).read(wanted)
    assert [curve.value.tolist() for curve in drawn] == [
        *([value] * 3 for value in (0.5, *values.values())),
        *([[]] * 10),
    ]


class TestAnOutline:
    CURVES = st.lists(VALUES | st.floats(), min_size=1, max_size=60)

    @given(CURVES, st.integers(1, 10), st.integers(EVENLY_BELOW, 20))
    def test_has_all_that_is_shown_for_certain(self, values: list[float], block: int, points: int) -> None:
        value, step = np.array(values), np.arange(len(values))
        places = outline(value, block)
        if len(places) > points:
            kept = places[chosen(step[places], value[places], points)]
            check(Curve(kept + 1, step[kept], value[kept]), listed(Curve(step + 1, step, value)), points)
        finite = np.isfinite(value)
        turns = [place for place, (one, other) in enumerate(pairwise(finite.tolist())) if one != other]
        assert {0, len(values) - 1, *turns, *(turn + 1 for turn in turns)} <= set(places.tolist())

    @given(CURVES, st.integers(1, 10))
    def test_of_each_block_of_finite_values_has_the_ends_and_the_extremes(
        self, values: list[float], block: int
    ) -> None:
        value = np.array(values)
        drawn = np.flatnonzero(np.isfinite(value))
        kept = set(outline(value, block).tolist())
        for begin in range(0, len(drawn), block):
            places = drawn[begin : begin + block]
            assert {int(places[0]), int(places[-1])} <= kept
            inside = value[[place for place in places.tolist() if place in kept]]
            assert (inside.min(), inside.max()) == (value[places].min(), value[places].max())

    def test_of_a_constant_is_no_more_than_its_blocks_need(self) -> None:
        assert len(outline(np.ones(4096), 16)) == 2 * 256
        assert len(outline(np.full(4096, math.nan), 16)) == 2


def test_a_chunk_is_unpacked_as_it_was_packed() -> None:
    curve = Curve(np.array([9, 11, 16]), np.array([0, 2**53 + 1, 2**62]), np.array([5e-324, -0.0, math.nan]))
    chunk = Chunk.of(1, curve, SMALL)
    assert [column.tobytes() for column in unpacked(chunk.points, 9)[:3]] == [column.tobytes() for column in curve[:3]]
    assert chunk.head == (1, 3, 2, 0, 2**62, True)


class TestMaking:
    async def test_is_done_once_and_no_point_of_a_full_run_is_read_again(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 80)
        wanted = await all_of(domain, job)
        first = await fresh(domain).read([wanted])
        with statements() as asked:
            again = await fresh(domain).read([wanted])
        assert listed(again[0]) == listed(first[0])
        assert not [text for text in asked.all if "JOIN metric" in text or "INSERT" in text]

    async def test_is_of_the_names_that_are_asked_for_only(self, domain: Domain, outside: Outside) -> None:
        """However many a job has."""
        job = await domain.job()
        values = {f"value {number}": float(number) for number in range(300)}
        await domain.jobs.log(job.id, [Point(step, values) for step in range(17)])
        (curve,) = await fresh(domain).read([await all_of(domain, job, "value 7")])
        assert curve.value.tolist() == [7.0] * 17
        assert outside.execute("SELECT name, number FROM curve_chunk ORDER BY number") == [
            ("value 7", 0),
            ("value 7", 1),
        ]

    async def test_for_a_name_that_was_never_logged_stores_nothing_and_looks_at_no_full_run_twice(
        self, domain: Domain, outside: Outside
    ) -> None:
        job = await domain.job()
        await domain.record(job, 1, 80)
        chunks = Chunks(domain.database, SMALL, at_once=16)
        for more, looks in ((0, 5), (0, 0), (20, 1)):
            await domain.record(job, 81, more)
            until = (await all_of(domain, job)).until
            with statements() as asked:
                (shelf,) = (await chunks.shelves(job.id, ["nobody"], until)).values()
            assert shelf.heads == []
            assert len([text for text in asked.all if "JOIN metric" in text]) == looks
            assert await chunks.missing(job.id, ["nobody"], until) == []
        assert outside.execute("SELECT count(*) FROM curve_chunk") == [(0,)]

    async def test_for_a_name_that_comes_late_finds_it(self, domain: Domain) -> None:
        job = await domain.job()
        await domain.record(job, 1, 20)
        chunks = Chunks(domain.database, SMALL)
        assert listed((await Curves(chunks).read([await all_of(domain, job, "late")]))[0]) == []
        await domain.jobs.log(job.id, [a_point(step, late=1.0) for step in range(21, 41)])
        for _ in range(2):
            (curve,) = await Curves(chunks).read([await all_of(domain, job, "late")])
            assert curve.step.tolist() == [*range(21, 41)]

    async def test_of_a_rare_name_ends_with_all_of_its_runs_known(self, domain: Domain) -> None:
        job = await domain.job()
        rare = [Point(step, {"rare" if step == 60 else "loss": 1.0}) for step in range(1, 81)]
        await domain.jobs.log(job.id, rare)
        wanted = await all_of(domain, job, "rare")
        for _ in range(2):
            assert [point[:2] for point in listed((await fresh(domain).read([wanted]))[0])] == [(60, 60)]
        with statements() as asked:
            await fresh(domain).read([wanted])
        assert not [text for text in asked.all if "JOIN metric" in text]

    async def test_at_once_by_many_readers_makes_each_once(self, domain: Domain, outside: Outside) -> None:
        job = await domain.job()
        await domain.record(job, 1, 80)
        wanted = await all_of(domain, job)
        chunks = Chunks(domain.database, SMALL, at_once=8)
        with statements() as asked:
            drawn = await asyncio.gather(*(Curves(chunks).read([wanted]) for _ in range(5)))
        assert {str(listed(curve)) for (curve,) in drawn} == {str(listed(drawn[0][0]))}
        assert len([text for text in asked.all if "JOIN metric" in text]) == 10
        assert outside.execute("SELECT count(*) FROM curve_chunk") == [(10,)]

    async def test_needs_no_store_that_can_be_written(self, database_url: str, outside: Outside) -> None:
        """Somebody else keeps it busy: nobody who reads waits for more than the time limit, and nobody is refused."""
        async with opened_domain(database_url) as domain:
            job = await domain.job()
            await domain.record(job, 1, 20)
            wanted = await all_of(domain, job, points=10)
        async with Database(database_url, seconds=0.2) as database:
            reader = Curves(Chunks(database, SMALL))
            with outside.writing():
                (while_busy,) = await reader.read([wanted])
            assert outside.execute("SELECT count(*) FROM curve_chunk") == [(0,)]
            (later,) = await Curves(Chunks(database, SMALL)).read([wanted])
        assert listed(while_busy) == listed(later)
        assert outside.execute("SELECT count(*) FROM curve_chunk") == [(2,)]

    async def test_goes_on_where_the_one_who_waits_gives_up(self, domain: Domain, outside: Outside) -> None:
        """A client that hangs up leaves no lock behind."""
        job = await domain.job()
        await domain.record(job, 1, 400)
        wanted = await all_of(domain, job, points=10)
        chunks = Chunks(domain.database, SMALL, at_once=8)
        for turns in (1, 5, 25, 50, 100):
            reading = asyncio.create_task(Curves(chunks).read([wanted]))
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})
        async with asyncio.timeout(PATIENCE):
            (curve,) = await Curves(chunks).read([wanted])
        check(curve, [(step, step, repr(step / 8)) for step in range(1, 401)], 10)


async def test_processes_that_make_the_same_chunks_at_once_make_them_once_and_draw_the_same(
    domain: Domain, database_url: str, outside: Outside
) -> None:
    job = await domain.job()
    await domain.record(job, 1, 640)
    wanted = await all_of(domain, job, points=40)
    async with Database(database_url) as other:
        readers = [Curves(Chunks(database, SMALL, at_once=16)) for database in (domain.database, other)]
        drawn = await asyncio.gather(*(reader.read([wanted]) for reader in readers))
    (expected,) = await fresh(domain).read([wanted])
    assert [listed(curve) for (curve,) in drawn] == [listed(expected)] * 2
    assert outside.execute("SELECT count(*), count(DISTINCT number) FROM curve_chunk") == [(80, 80)]


class TestRebuilding:
    async def test_makes_all_of_it_again_from_the_points(
        self, domain: Domain, database_url: str, outside: Outside
    ) -> None:
        job = await domain.job()
        await domain.jobs.log(job.id, [a_point(step, loss=1 / step, val=0.5) for step in range(1, RUN + 10)])
        wanted = [await all_of(domain, job, name, 100) for name in ("loss", "val")]
        drawn = [listed(curve) for curve in await fresh(domain, Grain()).read(wanted)]
        before = outside.execute(PACKED)
        outside.execute("UPDATE curve_chunk SET size = 1, finite = 1, last_step = 1, points = coarse")
        columns = "job_id, name, size, finite, first_step, last_step, is_ordered, coarse, fine, points"
        outside.execute(f"INSERT INTO curve_chunk (number, {columns}) SELECT number + 7, {columns} FROM curve_chunk")
        ended = await asyncio.to_thread(command, "rebuild-curves", str(job.id), "--database-url", database_url)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "rebuilt the curves of 1 job\n"
        rebuilt = [row for row in outside.execute(PACKED) if row[1] in {"loss", "val"}]
        assert rebuilt == before
        assert [listed(curve) for curve in await fresh(domain, Grain()).read(wanted)] == drawn

    async def test_makes_what_was_not_there_of_all_jobs_that_have_a_full_run(
        self, domain: Domain, database_url: str, outside: Outside
    ) -> None:
        for count in (RUN, 3, RUN + 1):
            await domain.jobs.log((await domain.job()).id, [a_point(step) for step in range(count)])
        ended = await asyncio.to_thread(command, "rebuild-curves", "--database-url", database_url)
        assert ended.stdout == "rebuilt the curves of 2 jobs\n"
        made = outside.execute("SELECT job_id, name, number, size FROM curve_chunk")
        assert sorted(made) == [
            (id, name, 0, RUN if name == "loss" else 0) for id in (1, 3) for name in sorted(COLUMNS)
        ]

    @pytest.mark.sqlite_alone("what it says is the same of every store")
    def test_of_a_job_that_is_not_there_says_so_in_one_line(self, database_url: str) -> None:
        assert command("migrate", "--database-url", database_url).returncode == 0
        ended = command("rebuild-curves", "7", "--database-url", database_url)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert "There is no job with the id 7" in ended.stderr


@pytest.mark.parametrize("points", [5, 20, 100])
async def test_chunks_that_go_while_a_curve_is_drawn_of_them_are_made_again(
    domain: Domain, outside: Outside, points: int
) -> None:
    class Losing(Chunks):
        async def shelves(self, *args: Any) -> dict[str, Shelf]:
            shelves = await super().shelves(*args)
            if not taken:
                taken.append(outside.execute("DELETE FROM curve_chunk WHERE number = 4"))
            return shelves

    taken: list[object] = []
    job = await domain.job()
    await domain.record(job, 1, 90)
    wanted = await all_of(domain, job, points=points)
    (expected,) = await fresh(domain).read([wanted])
    (curve,) = await Curves(Losing(domain.database, SMALL)).read([wanted])
    assert taken
    assert listed(curve) == listed(expected)


class TestGrowth:
    async def until_grown(self, chunks: Chunks, job: Job, until: int) -> None:
        """Return once no chunk is missing. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while await chunks.missing(job.id, list(COLUMNS), until):
                pass  # it is asked for, and others have their turn meanwhile

    async def test_makes_chunks_behind_who_logs_though_nobody_reads(self, domain: Domain) -> None:
        """Those of runs that were full before it began as well."""
        chunks = Chunks(domain.database, SMALL)
        job = await domain.job()
        await domain.record(job, 1, 20)
        async with Growth(chunks, domain.feed).running():
            await domain.record(job, 21, 3)
            await domain.record(job, 24, 30)
            await self.until_grown(chunks, job, 53)
        wanted = await all_of(domain, job, points=20)
        with statements() as asked:
            (curve,) = await Curves(chunks).read([wanted])
        assert len([text for text in asked.all if "JOIN metric" in text]) == 1, "what is beyond the last full run"
        check(curve, [(step, step, repr(step / 8)) for step in range(1, 54)], 20)

    async def test_makes_those_of_names_that_somebody_has_asked_for(self, domain: Domain, outside: Outside) -> None:
        chunks = Chunks(domain.database, SMALL)
        job = await domain.job()
        for first in (1, 9, 17):
            await domain.jobs.log(job.id, [a_point(first + step, asked=1.0, other=1.0) for step in range(8)])
            if first == 1:
                await Curves(chunks).read([await all_of(domain, job, "asked")])
        async with Growth(chunks, domain.feed).running():
            await domain.jobs.log(job.id, [a_point(step, asked=1.0, other=1.0) for step in range(25, 33)])
            await self.until_grown(chunks, job, 32)
        assert outside.execute("SELECT name, sum(size) FROM curve_chunk GROUP BY name HAVING sum(size) > 0") == [
            ("asked", 32)
        ]

    @pytest.mark.sqlite_alone("the app does the same on every store")
    async def test_goes_on_while_the_app_lives(self, api: Api, outside: Outside) -> None:
        id = await api.started()
        await api.log(id, [{"step": step, "loss": 1.0} for step in range(RUN)])
        await eventually(lambda: outside.execute("SELECT count(*) FROM curve_chunk") == [(len(COLUMNS),)])

    async def test_outlasts_what_goes_wrong(
        self, domain: Domain, outside: Outside, caplog: pytest.LogCaptureFixture
    ) -> None:
        chunks = Chunks(domain.database, SMALL)
        job = await domain.job()
        async with Growth(chunks, domain.feed).running():
            outside.execute("ALTER TABLE curve_chunk RENAME TO gone")
            await domain.record(job, 1, 8)
            await eventually(lambda: f"chunks of job {job.id} were not made" in caplog.text)
            outside.execute("ALTER TABLE gone RENAME TO curve_chunk")
            await domain.record(job, 9, 8)
            await self.until_grown(chunks, job, 16)


async def test_what_was_read_is_given_again_without_asking_the_store_unless_there_are_more_points(
    domain: Domain,
) -> None:
    job = await domain.job()
    await domain.record(job, 1, 20)
    remembering = fresh(domain)
    wanted = await all_of(domain, job)
    (first,) = await remembering.read([wanted])
    with statements() as asked:
        again = await remembering.read([wanted, wanted])
    assert [curve is first for curve in again] == [True, True]
    assert asked.all == []
    await domain.jobs.log(job.id, [a_point(20, loss=99.0)])
    (curve,) = await remembering.read([await all_of(domain, job)])
    assert listed(curve)[-1] == (20, 21, "99.0")


async def test_chunks_made_while_their_job_is_deleted_are_not_left_behind(domain: Domain, outside: Outside) -> None:
    """Nobody would sweep them away any more."""
    job = await domain.job()
    await domain.record(job, 1, 3 * SMALL.run)
    wanted = await all_of(domain, job)
    await domain.jobs.complete(job.id)
    await domain.jobs.delete(job.id)
    assert len((await fresh(domain).read([wanted]))[0].seq) == 3 * SMALL.run, "a reader that began before"
    assert outside.execute("SELECT count(*) FROM curve_chunk") == [(0,)]
