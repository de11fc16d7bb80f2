"""A job's points: stored without gap or double, and read by their seq."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from math import isfinite
from operator import attrgetter
from typing import overload

from models.job import Job, moment_of
from models.lifecycle import epoch_of_step
from models.metric import Point, Recorded, StoredValues, decode_values, encode_values, key_pattern
from models.store.reader import Query, Reader, Row
from models.store.sql import places, select, update
from models.store.transaction import Insert, Work

__all__ = ["MAX_READ", "Stored", "after_query", "latest_query", "read_after", "read_latest", "store", "unrecorded"]

_COLUMNS = Recorded._fields

_STORED = ("seq", "step", "epoch", "loss", "accuracy", "learning_rate", "values")
"""Of the columns of a new point those that are its own."""
_COUNT = update("job", ("metric_count", "furthest_step", "updated_at"), '"id" = ?')
# At a step there may be very many points, so the store itself passes over those that equal none. Equal points have the
# same text; or their values were named in another order, and then all this is alike. PostgreSQL is told the types, for
# it takes a bare parameter for text.
_EQUAL = """SELECT "step", "epoch", "values" FROM "metric" WHERE "job_id" = ? AND "step" IN ({steps}) AND (
    "values" IN ({texts})
    OR ("epoch", length("values"), coalesce("loss", 0), coalesce("accuracy", 0), coalesce("learning_rate", 0))
        IN (VALUES {alike}) AND "values" NOT LIKE ? ESCAPE '!')"""
_LIKENESS = f"(CAST(? AS BIGINT), CAST(? AS BIGINT){', CAST(? AS DOUBLE PRECISION)' * 3})"

LOOKED_UP = 2000
"""The most points that are looked up at once."""
LONG = 500
"""The most points that are read on the event loop: more take over a millisecond, and are read in a thread."""
MAX_READ = 10_000
"""The most points of one job that one read gives."""


class Stored(Sequence[Recorded]):
    """Points that were just stored. They are made readable at the first look: most batches are only counted."""

    def __init__(self, job_id: int, rows: Sequence[Row], at: datetime) -> None:
        """`rows`: the columns of _STORED of each."""
        self._job_id = job_id
        self._rows = rows
        self._at = at

    @cached_property
    def _points(self) -> list[Recorded]:
        return [Recorded._make((self._job_id, *own, StoredValues(text), self._at)) for *own, text in self._rows]

    @overload
    def __getitem__(self, index: int) -> Recorded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Recorded]: ...
    def __getitem__(self, index: int | slice) -> Recorded | list[Recorded]:
        return self._points[index]

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._rows)


def store(job: Job, points: Sequence[Point], at: datetime) -> Work[tuple[Job, Stored]]:
    """Store points, numbered on from the job's last, and give them as they are stored, with the job as it then is.

    To be done in the work that holds the job's row, with the row as it is in there: the job's counters are raised by
    the same commit.
    """
    rows = [_row(seq, point, job.steps_per_epoch) for seq, point in enumerate(points, start=job.metric_count + 1)]
    if rows:
        yield Insert("metric", {"job_id": job.id, "recorded_at": at}, _STORED, rows)
        furthest = max(job.furthest_step, max(point.step for point in points))
        job = job._replace(metric_count=job.metric_count + len(rows), furthest_step=furthest, updated_at=at)
        yield Query(_COUNT, [job.metric_count, furthest, at, job.id])
    return job, Stored(job.id, rows, at)


def _row(seq: int, point: Point, steps_per_epoch: int) -> Row:
    values = point.values
    return (
        seq,
        point.step,
        _epoch(point, steps_per_epoch),
        _finite(values.get("loss")),
        _finite(values.get("accuracy")),
        _finite(values.get("learningRate")),
        encode_values(values),
    )


def unrecorded(job: Job, points: Sequence[Point]) -> Work[Sequence[Point]]:
    """Those of `points` that equal neither a stored point of the job nor an earlier one among them.

    Equal are points of the same step and epoch with the same values. To be done where `store` is.
    """
    # Nothing at or before the furthest step: nothing to look up.
    late = sorted((point for point in points if point.step <= job.furthest_step), key=attrgetter("step"))
    if not late and len({point.step for point in points}) == len(points):
        return points
    seen = set()
    for begin in range(0, len(late), LOOKED_UP):
        some = late[begin : begin + LOOKED_UP]
        stored = yield _equal_query(job, some)
        seen |= {_identity(step, epoch, decode_values(values)) for step, epoch, values in stored}
    fresh = []
    for point in points:
        identity = _identity(point.step, _epoch(point, job.steps_per_epoch), point.values)
        if identity not in seen:
            seen.add(identity)
            fresh.append(point)
    return fresh


def _equal_query(job: Job, points: Sequence[Point]) -> Query:
    """For the stored points that equal one of these, and maybe for some that equal none."""
    rows = [_row(0, point, job.steps_per_epoch) for point in points]
    steps, texts = sorted({point.step for point in points}), sorted({text for *_, text in rows})
    alike = {
        (epoch, len(text), loss or 0.0, accuracy or 0.0, learning_rate or 0.0)
        for _, _, epoch, loss, accuracy, learning_rate, text in rows
    }
    query = _EQUAL.format(
        steps=", ".join("?" * len(steps)),
        texts=", ".join("?" * len(texts)),
        alike=", ".join([_LIKENESS] * len(alike)),
    )
    return Query(query, [job.id, *steps, *texts, *chain.from_iterable(alike), _same_order(points)])


def _same_order(points: Sequence[Point]) -> str:
    """What LIKE finds in each text that has the names of the points in their order; nothing where they have several.

    Of two such texts with no other name, those that differ have other values.
    """
    orders = {(*point.values,) for point in points}
    names = orders.pop()
    # SQLite's LIKE takes a for A.
    if orders or len({name.lower() for name in names}) < len(names):
        return ""
    return "{" + ",".join(map(key_pattern, names)) + "}"


async def read_after(reader: Reader, job_ids: Sequence[int], after: int, limit: int) -> dict[int, list[Recorded]]:
    """The first `limit` points with seq > `after` of each job, by seq, in one query."""
    return await _read(reader, job_ids, after_query(_COLUMNS, job_ids, after, limit), limit * len(job_ids))


async def read_latest(reader: Reader, jobs: Sequence[Job], count: int) -> dict[int, list[Recorded]]:
    """The last `count` points of each job as `jobs` has it, by seq, in one query."""
    counts = [(job.id, job.metric_count) for job in jobs]
    return await _read(reader, [job.id for job in jobs], latest_query(_COLUMNS, counts, count), count * len(counts))


def after_query(columns: Iterable[str], job_ids: Collection[int], after: int, limit: int) -> Query:
    """The query for columns of what `read_after` reads, by job and seq.

    A job's seqs have no gap, so the page is a range of them and costs the same at any depth.
    """
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
    for *columns, values, at in await reader.rows(query, in_thread=most > LONG):
        point = Recorded._make((*columns, StoredValues(values), moment_of(at)))
        grouped[point.job_id].append(point)
    return grouped


def _epoch(point: Point, steps_per_epoch: int) -> int:
    return epoch_of_step(point.step, steps_per_epoch) if point.epoch is None else point.epoch


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _identity(step: int, epoch: int, values: Mapping[str, float]) -> tuple[int, int, frozenset[tuple[str, str]]]:
    # By repr, for NaN does not equal itself, and 0.0 equals -0.0.
    return step, epoch, frozenset((name, repr(value)) for name, value in values.items())
