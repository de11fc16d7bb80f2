"""A job's points: stored without gap or double, and read by their seq."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from math import isfinite
from typing import overload

from tortoise.connection import get_connection

from models.backend import CONNECTION
from models.job import Job
from models.lifecycle import epoch_of_step
from models.metric import Point, Recorded, StoredValues, decode_values, encode_values
from models.reader import Row
from models.work import Insert, Query, Work

__all__ = ["MAX_READ", "Stored", "after_query", "latest_query", "read_after", "read_latest", "store", "unrecorded"]

_COLUMNS = Recorded._fields

_STORED = ("seq", "step", "epoch", "loss", "accuracy", "learning_rate", "values")
"""Of the columns of a new point those that are its own."""
_COUNT = 'UPDATE "job" SET "metric_count" = ?, "furthest_step" = ?, "updated_at" = ? WHERE "id" = ?'
_AT_STEPS = 'SELECT "step", "epoch", "values" FROM "metric" WHERE "job_id" = ? AND "step" IN ({})'

LOOKED_UP = 500
"""The most steps that are looked up at once."""
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


def store(job: Job, points: Sequence[Point], at: datetime) -> Work[Stored]:
    """Store points, numbered on from the job's last, and give them as they are stored.

    To be done in the work that holds the job's row, with the row as it is in there: the job's counters are raised by
    the same commit.
    """
    rows = [_row(seq, point, job.steps_per_epoch) for seq, point in enumerate(points, start=job.metric_count + 1)]
    if rows:
        yield Insert("metric", {"job_id": job.id, "recorded_at": at}, _STORED, rows)
        job.metric_count += len(rows)
        job.furthest_step = max(job.furthest_step, max(point.step for point in points))
        job.updated_at = at
        yield Query(_COUNT, [job.metric_count, job.furthest_step, at, job.id])
    return Stored(job.id, rows, at)


def _row(seq: int, point: Point, steps_per_epoch: int) -> Row:
    values = point.values
    return (
        seq,
        point.step,
        epoch_of_step(point.step, steps_per_epoch) if point.epoch is None else point.epoch,
        _finite(values.get("loss")),
        _finite(values.get("accuracy")),
        _finite(values.get("learningRate")),
        encode_values(values),
    )


def unrecorded(job: Job, points: Sequence[Point]) -> Work[Sequence[Point]]:
    """Those of `points` that equal neither a stored point of the job nor an earlier one among them.

    Equal are points of the same step and epoch with the same values. To be done where `store` is.
    """
    steps = {point.step for point in points}
    # Nothing at or before the furthest step: nothing to look up.
    late = sorted(step for step in steps if step <= job.furthest_step)
    if not late and len(steps) == len(points):
        return points
    seen = set()
    for begin in range(0, len(late), LOOKED_UP):
        some = late[begin : begin + LOOKED_UP]
        stored = yield Query(_AT_STEPS.format(", ".join("?" * len(some))), [job.id, *some])
        seen |= {_identity(step, epoch, decode_values(values)) for step, epoch, values in stored}
    fresh = []
    for point in points:
        epoch = epoch_of_step(point.step, job.steps_per_epoch) if point.epoch is None else point.epoch
        if (identity := _identity(point.step, epoch, point.values)) not in seen:
            seen.add(identity)
            fresh.append(point)
    return fresh


async def read_after(job_ids: Sequence[int], after: int, limit: int) -> dict[int, list[Recorded]]:
    """The first `limit` points with seq > `after` of each job, by seq, in one query."""
    return await _read(job_ids, after_query(_COLUMNS, job_ids, after, limit))


async def read_latest(jobs: Sequence[Job], count: int) -> dict[int, list[Recorded]]:
    """The last `count` points of each job as `jobs` has it, by seq, in one query."""
    counts = [(job.id, job.metric_count) for job in jobs]
    return await _read([job.id for job in jobs], latest_query(_COLUMNS, counts, count))


def after_query(columns: Iterable[str], job_ids: Iterable[int], after: int, limit: int) -> str:
    """The query for columns of what `read_after` reads, by job and seq.

    A job's seqs have no gap, so the page is a range of them and costs the same at any depth.
    """
    ids = ", ".join(f"{id:d}" for id in job_ids)
    return _query(columns, f"job_id IN ({ids}) AND seq > {after:d} AND seq <= {after + limit:d}")


def latest_query(columns: Iterable[str], counts: Iterable[tuple[int, int]], count: int) -> str:
    """The query for columns of what `read_latest` reads, by job and seq; `counts`: (job id, its metric_count)."""
    ends = [f"(job_id = {id:d} AND seq > {last - count:d} AND seq <= {last:d})" for id, last in counts if last]
    return _query(columns, " OR ".join(ends) or "FALSE")


def _query(columns: Iterable[str], wanted: str) -> str:
    # By hand, of our own names and of whole numbers: rows as they are come in a fifth of the time that models take.
    selected = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {selected} FROM metric WHERE {wanted} ORDER BY job_id, seq"  # noqa: S608  # see above


async def _read(job_ids: Sequence[int], query: str) -> dict[int, list[Recorded]]:
    _, rows = await get_connection(CONNECTION).execute_query(query)
    grouped: dict[int, list[Recorded]] = {job_id: [] for job_id in job_ids}
    for *columns, values, at in rows:
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
        point = Recorded._make((*columns, StoredValues(values), moment))
        grouped[point.job_id].append(point)
    return grouped


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _identity(step: int, epoch: int, values: Mapping[str, float]) -> tuple[int, int, frozenset[tuple[str, str]]]:
    # By repr, for NaN does not equal itself, and 0.0 equals -0.0.
    return step, epoch, frozenset((name, repr(value)) for name, value in values.items())
