"""The curves of jobs: one named value over the steps, read and downsampled."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from models.database import read_tuples
from models.downsampling import Floats, Integers, downsampled
from models.metric import decode_named

__all__ = ["MAX_POINTS", "MIN_POINTS", "Curve", "Wanted", "read_curves"]

MIN_POINTS, MAX_POINTS = 2, 10_000
"""The fewest and the most points of one curve that may be asked for."""
READ_AT_ONCE = 20_000
"""Stored points that one statement looks at: others who ask the store wait for no longer, however long the jobs are."""

_COLUMNS = {"loss": "loss", "accuracy": "accuracy", "learningRate": "learning_rate"}
"""Name -> its column of the table. Null there is a value that was not logged, or one that is not finite."""


class Wanted(NamedTuple):
    """The curve that is asked for."""

    job_id: int
    until: int
    """The last seq to look at: the job's metric_count, as it is or was."""
    name: str
    points: int
    """The most points to give."""
    first: int | None
    """The first step, or None for the first there is."""
    last: int | None


class Curve(NamedTuple):
    """A named value over the steps: columns of one length, by step, each step once."""

    seq: Integers
    step: Integers
    value: Floats


class _Part(NamedTuple):
    """Points of several jobs that have a value of one name, in any order."""

    name: str
    jobs: Integers
    points: Curve


async def read_curves(wanted: Sequence[Wanted]) -> list[Curve]:
    """The curves in the order in which they are asked for; `downsampled` says which points they have.

    Where several points of a step carry the name, the latest seq counts. One statement reads all names that are asked
    for within the same steps, of as many jobs as READ_AT_ONCE allows.
    """
    read: dict[Wanted, Curve] = {}
    by_steps: defaultdict[tuple[int | None, int | None], list[Wanted]] = defaultdict(list)
    for each in wanted:
        by_steps[each.first, each.last].append(each)
    for (first, last), group in by_steps.items():
        for batch in _batches(group):
            names = sorted({each.name for each in batch})
            parts: list[_Part] = []
            for spans in _spans(batch):
                rows = await _rows(spans, names, first, last)
                # In a thread, and each at once: others are not to wait, and so many rows are not to pile up.
                parts += await asyncio.to_thread(_parts, names, rows)
            read |= await asyncio.to_thread(_curves, batch, parts)
    return [read[each] for each in wanted]


def _batches(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """Whole jobs, of at most READ_AT_ONCE points together, or one job alone."""
    batch: list[Wanted] = []
    points = 0
    for _, of_job in groupby(sorted(wanted, key=lambda each: each.job_id), key=lambda each: each.job_id):
        together = list(of_job)
        count = max(each.until for each in together)
        if batch and points + count > READ_AT_ONCE:
            yield batch
            batch, points = [], 0
        batch += together
        points += count
    yield batch


def _spans(batch: Iterable[Wanted]) -> Iterator[str]:
    """What each statement reads, as SQL's rows of (job id, lowest seq, highest seq)."""
    counts: dict[int, int] = {}
    for each in batch:
        counts[each.job_id] = max(each.until, counts.get(each.job_id, 0))
    for low in range(1, max(counts.values()) + 1, READ_AT_ONCE):
        high = low + READ_AT_ONCE - 1
        yield ", ".join(f"({id:d}, {low:d}, {min(high, count):d})" for id, count in counts.items() if count >= low)


async def _rows(spans: str, names: Collection[str], first: int | None, last: int | None) -> Sequence[Sequence[Any]]:
    """(job id, seq, step, the column of each name that has one, the text of all values or None), in any order.

    The text is there where a name may have to be looked for in it: one without a column is nowhere else, and where a
    column is null, what was logged may be not finite.
    """
    columns = [column for name, column in _COLUMNS.items() if name in names]
    parameters: list[str | int] = [_pattern(name) for name in names if name not in _COLUMNS]
    in_text = [""""values" LIKE ? ESCAPE '!'"""] * len(parameters)
    in_text += [
        f"""({column} IS NULL AND "values" LIKE '%"{name}":"%')""" for name, column in _COLUMNS.items() if name in names
    ]
    within = ["TRUE"]
    for comparison, bound in (("step >= ?", first), ("step <= ?", last)):
        if bound is not None:
            within.append(comparison)
            parameters.append(bound)
    # The spans first, then the index on seq: a scan of the table would cost what all jobs have together.
    query = f"""
        WITH span (job, low, high) AS (VALUES {spans})
        SELECT * FROM (
            SELECT {", ".join(["job_id", "seq", "step", *columns])},
                CASE WHEN {" OR ".join(in_text)} THEN "values" END AS text
            FROM span JOIN metric ON job_id = job AND seq BETWEEN low AND high
            WHERE {" AND ".join(within)}
        ) AS found
        WHERE {" OR ".join(f"{column} IS NOT NULL" for column in ["text", *columns])}
    """  # noqa: S608  # whole numbers and names of columns; all else is bound
    return await read_tuples(query, parameters)


def _pattern(name: str) -> str:
    """What LIKE finds in every text with a value of that name, and, as it may be part of another's, in some without."""
    return "%" + re.sub("[%_!]", r"!\g<0>", orjson.dumps(name).decode()) + ":%"


def _parts(names: Collection[str], rows: Sequence[Sequence[Any]]) -> list[_Part]:
    """What some rows have of each name."""
    columns = [(name, np.float64) for name in _COLUMNS if name in names]
    table = np.fromiter(rows, [("job", np.int64), ("seq", np.int64), ("step", np.int64), *columns, ("text", object)])
    in_text: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
    for place, text in enumerate(table["text"].tolist()):
        if text is not None:
            for name, found in decode_named(text, names):
                places, values = in_text[name]
                places.append(place)
                values.append(found)
    parts = []
    for name, (places, values) in in_text.items():
        value = table[name] if name in _COLUMNS else np.full(len(table), np.nan)
        there = ~np.isnan(value)  # null is NaN here, and no column holds a NaN
        value[places], there[places] = values, True
        parts.append(_Part(name, table["job"][there], Curve(table["seq"][there], table["step"][there], value[there])))
    return parts


def _curves(batch: Iterable[Wanted], parts: Iterable[_Part]) -> dict[Wanted, Curve]:
    """The curves of a batch, put together from what was read of it."""
    found: defaultdict[tuple[int, str], list[Curve]] = defaultdict(list)
    for name, jobs, curve in parts:
        for job in np.unique(jobs).tolist():
            found[job, name].append(_taken(curve, jobs == job))
    nothing = Curve(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    made = {}
    for each in batch:
        curve = Curve(*map(np.concatenate, zip(*(found[each.job_id, each.name] or [nothing]), strict=True)))
        curve = _by_step(_taken(curve, curve.seq <= each.until))
        made[each] = _taken(curve, downsampled(curve.step, curve.value, each.points))
    return made


def _by_step(curve: Curve) -> Curve:
    """In ascending order of step, of each step the latest seq."""
    order = np.lexsort((curve.seq, curve.step))
    return _taken(curve, order[np.diff(curve.step[order], append=-1) != 0])


def _taken(curve: Curve, places: NDArray[Any]) -> Curve:
    return Curve(curve.seq[places], curve.step[places], curve.value[places])
