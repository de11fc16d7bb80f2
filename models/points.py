"""A job's points: stored without gap or double, and read by their seq."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any

from models.job import Job, moment_of
from models.lifecycle import epoch_of_step
from models.metric import Point, Recorded, StoredValues, digest_of, encode_values
from models.store.sql import places, select, update
from models.store.statements import Insert, Query, Reader, Row, Work

_STORED = ("seq", "step", "epoch", "loss", "accuracy", "learning_rate", "values", "digest")
"""The columns of a new point, without those that it shares with its batch."""
_COUNT = update("job", ("metric_count", "furthest_step", "updated_at"), '"id" = ?')

_INDEXED = itemgetter(-7, -1)
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
        return [Recorded._make((self._job_id, *own, StoredValues(text), self._at)) for *own, text, _ in self._rows]

    def __getitem__(self, index: Any) -> Any:
        """One point, or a list of those of a slice."""
        return self._points[index]

    def __len__(self) -> int:
        return len(self._rows)


def store(job: Job, points: Sequence[Point], at: datetime, *, once: bool = False) -> Work[tuple[Job, Stored]]:
    """Store points, numbered on from the job's last, and give them as they are stored, with the job as it then is.

    `once`: without those that equal a stored point of the job, or an earlier one among them; equal are points of the
    same step and epoch with the same values, in whichever order these are named. To be done in the work that holds the
    job's row, with the row as it is in there: the job's counters are raised by the same commit.
    """
    rows: list[Row] = []
    for begin in range(0, len(points), SLICE):
        if begin:
            yield None
        rows += [_row(point, job.steps_per_epoch) for point in points[begin : begin + SLICE]]
    late = [row for row in rows if row[0] <= job.furthest_step]  # what is beyond it needs no looking up
    known = (yield from _recorded(job.id, sorted(late, key=_INDEXED))) if once else None
    stored: list[Row] = []
    for begin in range(0, len(rows), SLICE):
        if begin:
            yield None
        for row in rows[begin : begin + SLICE]:
            if known is None or _is_new(row, known):
                stored.append((job.metric_count + len(stored) + 1, *row))
    if stored:
        yield Insert("metric", {"job_id": job.id, "recorded_at": at}, _STORED, sorted(stored, key=_INDEXED))
        furthest = max(job.furthest_step, max(row[1] for row in stored))
        job = job._replace(metric_count=job.metric_count + len(stored), furthest_step=furthest, updated_at=at)
        yield Query(_COUNT, [job.metric_count, furthest, at, job.id])
    return job, Stored(job.id, stored, at)


def _row(point: Point, steps_per_epoch: int) -> Row:
    """The columns of _STORED without seq."""
    values = point.values
    epoch = epoch_of_step(point.step, steps_per_epoch) if point.epoch is None else point.epoch
    return (
        point.step,
        epoch,
        _finite(values.get("loss")),
        _finite(values.get("accuracy")),
        _finite(values.get("learningRate")),
        encode_values(values),
        digest_of(epoch, values),
    )


def _is_new(row: Row, known: set[tuple[int, int]]) -> bool:
    """Whether the row's point is not known yet; from then on it is."""
    before = len(known)
    known.add((row[0], row[-1]))
    return len(known) > before


def _recorded(job_id: int, rows: Sequence[Row]) -> Work[set[tuple[int, int]]]:
    """(step, digest) of the rows' points that are stored: found by an index, however many there are at a step."""
    found: set[tuple[int, int]] = set()
    done = 0
    for size in LOOKED_UP:
        while len(rows) - done >= size:
            keys = chain.from_iterable((row[0], row[-1]) for row in rows[done : done + size])
            found.update((yield Query(_recorded_sql(size), [*keys, job_id])))
            done += size
    return found


@lru_cache
def _recorded_sql(size: int) -> str:
    # PostgreSQL takes a bare parameter for text.
    sought = ", ".join(["(CAST(? AS BIGINT), CAST(? AS BIGINT))"] * size)
    # CROSS JOIN makes SQLite go from what is sought to the index; PostgreSQL does so by itself.
    return f"""SELECT "step", "digest" FROM (VALUES {sought}) AS sought CROSS JOIN "metric"
        WHERE "job_id" = ? AND "step" = "column1" AND "digest" = "column2" """  # noqa: S608  # names of ours, and places


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
    for *columns, values, at in await reader.rows(query, in_thread=most > LONG):
        point = Recorded._make((*columns, StoredValues(values), moment_of(at)))
        grouped[point.job_id].append(point)
    return grouped


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
