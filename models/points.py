"""A job's points: stored without gap or double, and read by their seq."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from models.attempts import Cuts
from models.job import Job, moment_of
from models.lifecycle import JobKind, epoch_of_step, progress_of
from models.metric import Point, Recorded, StoredValues, decode_values, digest_of, encode_values, microseconds
from models.series import recorded
from models.store.sql import places, select, update
from models.store.statements import Insert, Query, Reader, Row, Work
from models.tally import SYSTEM, Counted, Tally

_COLUMNS = Recorded._fields

_STORED = ("seq", "step", "epoch", "loss", "accuracy", "learning_rate", "values", "logged_us", "digest")
"""The columns of a new point, without those that it shares with its batch."""
_COUNTED = (
    "metric_count",
    "furthest_step",
    "progress_step",
    "progress",
    "kind",
    "updated_at",
    "last_point_at",
)
_COUNT = update("job", _COUNTED, '"id" = ?')

_INDEXED = itemgetter(-8, -1)
"""Step and digest of a row: in the order of their index, rows that change the same page of it follow each other."""

SLICE = 200
"""Points that are looked at in one turn of the event loop."""
LOOKED_UP = (100, 10, 1)
"""Points that one statement looks up: few sizes keep their statements prepared."""
LONG = 500
"""The most points that are read on the event loop: more take over a millisecond, and are read in a thread."""
MAX_READ = 10_000
"""The most points of one job that one read gives."""


class Stored(Sequence[Recorded]):
    """Points that were just stored, decoded at the first look: most batches are only counted."""

    def __init__(self, job_id: int, rows: Sequence[Row], at: datetime) -> None:
        """`rows`: the columns of _STORED of each."""
        self._job_id = job_id
        self._rows = rows
        self._at = at

    @cached_property
    def _points(self) -> list[Recorded]:
        return [
            Recorded._make((self._job_id, *own, StoredValues(text), logged_us, self._at))
            for *own, text, logged_us, _ in self._rows
        ]

    def __getitem__(self, index: Any) -> Any:
        """One point, or a list of those of a slice."""
        return self._points[index]

    def __len__(self) -> int:
        return len(self._rows)


def store(
    job: Job, points: Sequence[Point], kind: JobKind, at: datetime, *, once: bool = False
) -> Work[tuple[Job, Stored]]:
    """Store points, numbered on from the job's last, and give them as they are stored, with the job as it then is.

    `once`: without those that equal a stored point of the job, or an earlier one among them; see `_is_new`. To be done
    in the work that holds the job's row, with the row as it is in there: the job's counters are raised by the same
    commit.
    """
    job = job._replace(kind=kind)
    rows: list[Row] = []
    steps_per_epoch = job.steps_per_epoch
    for begin in range(0, len(points), SLICE):
        if begin:
            yield None
        rows += [_row(point, steps_per_epoch) for point in points[begin : begin + SLICE]]
    known = (yield from _known(job, rows, points)) if once else None
    stored: list[Row] = []
    tally, us = Tally(), microseconds(at)
    for begin in range(0, len(rows), SLICE):
        if begin:
            yield None
        new: list[Counted] = []
        for row, point in zip(rows[begin : begin + SLICE], points[begin : begin + SLICE], strict=True):
            if known is None or _is_new(row, known):
                seq = job.metric_count + len(stored) + 1
                stored.append((seq, *row))
                new.append((seq, point.step, us if point.logged_us is None else point.logged_us, point.values))
        tally.add(new)
    if stored:
        yield Insert("metric", {"job_id": job.id, "recorded_at": at}, _STORED, sorted(stored, key=_INDEXED))
        yield from recorded(job.id, tally)
        job = _counted(job, stored, at)
        yield Query(_COUNT, [*(getattr(job, column) for column in _COUNTED), job.id])
    return job, Stored(job.id, stored, at)


def _counted(job: Job, stored: Sequence[Row], at: datetime) -> Job:
    """The job once the rows are stored."""
    moved = max((row[1] for row in stored if _moves_progress(row[6])), default=0)
    step = max(job.progress_step, moved)
    return job._replace(
        metric_count=job.metric_count + len(stored),
        furthest_step=max(job.furthest_step, max(row[1] for row in stored)),
        progress_step=step,
        progress=progress_of(job.status, step, job.total_steps),
        updated_at=at,
        last_point_at=at,
    )


def _moves_progress(text: str) -> bool:
    """Whether values, as their stored text, have a name outside system/."""
    if SYSTEM not in text:
        return text != "{}"
    return any(not name.startswith(SYSTEM) for name in decode_values(text))


def _row(point: Point, steps_per_epoch: int | None) -> Row:
    """The columns of _STORED without seq."""
    step, values, epoch, logged_us = point
    said = epoch
    if epoch is None and steps_per_epoch is not None:
        epoch = epoch_of_step(step, steps_per_epoch)
    loss, accuracy, learning_rate = values.get("loss"), values.get("accuracy"), values.get("learningRate")
    return (
        step,
        None if epoch is None else float(epoch),
        loss if loss is None or isfinite(loss) else None,
        accuracy if accuracy is None or isfinite(accuracy) else None,
        learning_rate if learning_rate is None or isfinite(learning_rate) else None,
        encode_values(values),
        logged_us,
        digest_of(said, values),
    )


Known = dict[tuple[int, int], set[int | None]]
"""(step, digest) of points -> the times at which they were measured."""


SOME_TIME = -(2**62)
"""That of a stored point which one without a time equals, whatever its time is."""


def _is_new(row: Row, known: Known) -> bool:
    """Whether the row's point equals none that is known; from then on it is known.

    Equal are points of one step with the same values, in whichever order these are named, the same epoch where one was
    given, and the same time where both have one.
    """
    key, logged_us = (row[0], row[-1]), row[-2]
    times = known.get(key)
    if times is None:
        known[key] = {logged_us}
        return True
    if logged_us is None or logged_us in times or None in times:
        return False
    times.add(logged_us)
    return True


def _known(job: Job, rows: Sequence[Row], points: Sequence[Point]) -> Work[Known]:
    """Those of the rows' points that equal a stored one which is not superseded."""
    cuts, steps_per_epoch = Cuts.of(job), job.steps_per_epoch
    late = [row for row in rows if row[0] <= job.furthest_step]  # what is beyond it needs no looking up
    known = yield from _look_up(job.id, sorted(late, key=_INDEXED), cuts)
    if late and steps_per_epoch is not None:
        # Old versions did not tell an epoch that was given from one that follows from the step: of their points, none
        # counts as given that follows.
        follows: dict[tuple[int, int], Row] = {}
        for row, point in zip(rows, points, strict=True):
            if row[0] <= job.furthest_step and point.epoch == epoch_of_step(point.step, steps_per_epoch):
                follows[row[0], digest_of(None, point.values)] = row
        unsaid = [(*row[:-1], digest) for (_, digest), row in follows.items()]
        for place, times in (yield from _look_up(job.id, sorted(unsaid, key=_INDEXED), cuts)).items():
            known.setdefault((place[0], follows[place][-1]), set()).update(times)
    return known


def _look_up(job_id: int, rows: Sequence[Row], cuts: Cuts) -> Work[Known]:
    """Those of the rows' points that equal a stored one which is not superseded.

    They are found by an index, however many there are at a step.
    """
    known: Known = {}
    done = 0
    for size in LOOKED_UP:
        while len(rows) - done >= size:
            sought = ((row[0], row[-1], row[-2], cuts.floor(row[0])) for row in rows[done : done + size])
            for step, digest, logged_us in (yield Query(_look_up_sql(size), [*chain.from_iterable(sought), job_id])):
                known.setdefault((step, digest), set()).add(SOME_TIME if logged_us is None else logged_us)
            done += size
    return known


@lru_cache
def _look_up_sql(size: int) -> str:
    # PostgreSQL takes a bare parameter for text; and SQLite would go through all points of the job by seq, but for + 0.
    sought = ", ".join([f"({', '.join(['CAST(? AS BIGINT)'] * 4)})"] * size)
    equal = """SELECT 1 FROM "metric" WHERE "job_id" = "job" AND "step" = "column1" AND "digest" = "column2"
        AND "seq" + 0 >= "column4" """
    return f"""SELECT "column1", "column2", "column3"
        FROM (VALUES {sought}) AS sought CROSS JOIN (SELECT CAST(? AS BIGINT) AS "job") AS one
        WHERE CASE WHEN "column3" IS NULL THEN EXISTS ({equal})
        ELSE EXISTS ({equal} AND "logged_us" = "column3") OR EXISTS ({equal} AND "logged_us" IS NULL) END"""  # noqa: S608  # names of ours, and places


class Kept(NamedTuple):
    """The points of a job that stay when it is resumed from a checkpoint."""

    until: int
    """How many points the job had when they were looked at."""
    tally: Tally
    furthest_step: int
    """-1 where none stays."""


KEPT_AT_ONCE = 2_000
"""Points that are counted in one turn of a thread."""


async def kept_points(reader: Reader, job: Job, from_step: int) -> Kept:
    """Count the points of a job up to a step, without those that are superseded already."""
    cuts, tally, furthest = Cuts.of(job), Tally(), -1

    def count(rows: Sequence[Row]) -> int:
        reached, kept = furthest, list[Counted]()
        for seq, step, values, logged_us, at in rows:
            if step <= from_step and seq >= cuts.floor(step):
                recorded_at = moment_of(at)
                assert recorded_at is not None
                us = microseconds(recorded_at) if logged_us is None else logged_us
                kept.append((seq, step, us, decode_values(values)))
                reached = max(reached, step)
        tally.add(kept)
        return reached

    columns = ("seq", "step", "values", "logged_us", "recorded_at")
    for after in range(0, job.metric_count, KEPT_AT_ONCE):
        query = after_query(columns, [job.id], after, min(KEPT_AT_ONCE, job.metric_count - after))
        furthest = await asyncio.to_thread(count, await reader.rows(query, in_thread=True))
    return Kept(job.metric_count, tally, furthest)


async def read_after(reader: Reader, job_ids: Sequence[int], after: int, limit: int) -> dict[int, list[Recorded]]:
    """The first `limit` points with seq > `after` of each job, by seq, in one query."""
    return await _read(reader, job_ids, after_query(Recorded._fields, job_ids, after, limit), limit * len(job_ids))


async def read_latest(reader: Reader, jobs: Sequence[Job], count: int) -> dict[int, list[Recorded]]:
    """The last `count` points of each job as `jobs` has it, by seq, in one query."""
    counts = [(job.id, job.metric_count) for job in jobs]
    return await _read(
        reader, [job.id for job in jobs], latest_query(Recorded._fields, counts, count), count * len(counts)
    )


def after_query(columns: Iterable[str], job_ids: Collection[int], after: int, limit: int) -> Query:
    """The query for columns of what `read_after` reads: a range of seqs, which costs the same at any depth."""
    return _query(columns, f"job_id IN ({places(job_ids)}) AND seq > ? AND seq <= ?", [*job_ids, after, after + limit])


def latest_query(columns: Iterable[str], counts: Iterable[tuple[int, int]], count: int) -> Query:
    """The query for columns of what `read_latest` reads, by job and seq; `counts`: (job id, its metric_count)."""
    ends = [(id, last - count, last) for id, last in counts if last]
    wanted = " OR ".join(["(job_id = ? AND seq > ? AND seq <= ?)"] * len(ends))
    return _query(columns, wanted or "FALSE", [*chain.from_iterable(ends)])


def _query(columns: Iterable[str], wanted: str, parameters: Sequence[int]) -> Query:
    return Query(select("metric", columns, f"WHERE {wanted} ORDER BY job_id, seq"), parameters)


async def _read(reader: Reader, job_ids: Sequence[int], query: Query, most: int) -> dict[int, list[Recorded]]:
    grouped: dict[int, list[Recorded]] = {job_id: [] for job_id in job_ids}
    for *columns, values, logged_us, at in await reader.rows(query, in_thread=most > LONG):
        point = Recorded._make((*columns, StoredValues(values), logged_us, moment_of(at)))
        grouped[point.job_id].append(point)
    return grouped
