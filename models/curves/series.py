"""The values of some names, read from the points."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from models.curves.curve import Curve
from models.metric import decode_named, key_pattern
from models.store.statements import Query, Reader

READ_AT_ONCE = 5 * 4096
"""Points that one statement looks at: other queries wait for no longer, however long the jobs are."""

NAMES_AT_ONCE = 200
"""Names that one statement looks for: with a thousand SQLite finds it too deep."""

COLUMNS = {"loss": "loss", "accuracy": "accuracy", "learningRate": "learning_rate"}
"""Name -> its column of the table. Null there is a value that was not logged, or one that is not finite."""


class Span(NamedTuple):
    """Points of a job, by their seq, both ends among them."""

    job_id: int
    low: int
    high: int


async def read_values(
    reader: Reader, spans: Iterable[Span], names: Collection[str], at_once: int = READ_AT_ONCE
) -> dict[tuple[int, str], Curve]:
    """(job id, name) -> the points that have a value of that name, in any order, where there are some.

    One statement reads up to NAMES_AT_ONCE names of as many jobs as `at_once` points allow.
    """
    found: defaultdict[tuple[int, str], list[Curve]] = defaultdict(list)
    every = list(names)
    some = [every[begin : begin + NAMES_AT_ONCE] for begin in range(0, len(every), NAMES_AT_ONCE)]
    for together, sought in product(_statements(spans, at_once), some):
        rows = await _rows(reader, together, sought)
        # In a thread, and each statement's at once: others are not to wait, and so many rows are not to pile up.
        for key, curve in await asyncio.to_thread(_curves, sought, rows):
            found[key].append(curve)
    return {key: Curve.joined(parts) for key, parts in found.items()}


def _statements(spans: Iterable[Span], at_once: int) -> Iterator[list[Span]]:
    together: list[Span] = []
    points = 0
    for job_id, low, high in spans:
        for begin in range(low, high + 1, at_once):
            span = Span(job_id, begin, min(begin + at_once - 1, high))
            count = span.high - span.low + 1
            if points + count > at_once:
                yield together
                together, points = [], 0
            together.append(span)
            points += count
    if together:
        yield together


async def _rows(reader: Reader, spans: Sequence[Span], names: Collection[str]) -> Sequence[Sequence[Any]]:
    """(job id, seq, step, the column of each name that has one, the text of all values or None), in any order.

    The text is there where a name may have to be looked for in it: one without a column is nowhere else, and where a
    column is null, what was logged may be not finite.
    """
    columns = [column for name, column in COLUMNS.items() if name in names]
    patterns = [key_pattern(name) for name in names if name not in COLUMNS]
    in_text = [""""values" LIKE ? ESCAPE '!'"""] * len(patterns)
    in_text += [
        f"""({column} IS NULL AND "values" LIKE '%"{name}":"%')""" for name, column in COLUMNS.items() if name in names
    ]
    # The spans first, then the index on seq: a scan of the table would cost what all jobs have together.
    query = f"""
        WITH span (job, low, high) AS (VALUES {", ".join(f"({job:d}, {low:d}, {high:d})" for job, low, high in spans)})
        SELECT * FROM (
            SELECT {", ".join(["job_id", "seq", "step", *columns])},
                CASE WHEN {" OR ".join(in_text)} THEN "values" END AS text
            FROM span JOIN metric ON job_id = job AND seq BETWEEN low AND high
        ) AS found
        WHERE {" OR ".join(f"{column} IS NOT NULL" for column in ["text", *columns])}
    """  # noqa: S608  # whole numbers and names of columns; all else is bound
    return await reader.rows(Query(query, patterns), in_thread=True)


def _curves(names: Collection[str], rows: Sequence[Sequence[Any]]) -> list[tuple[tuple[int, str], Curve]]:
    """What some rows have of each job and name."""
    columns = [(name, np.float64) for name in COLUMNS if name in names]
    table = np.fromiter(rows, [("job", np.int64), ("seq", np.int64), ("step", np.int64), *columns, ("text", object)])
    in_text: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
    for place, text in enumerate(table["text"].tolist()):
        if text is not None:
            for name, found in decode_named(text, names):
                places, values = in_text[name]
                places.append(place)
                values.append(found)
    curves = []
    jobs = np.unique(table["job"]).tolist()
    for name, (places, values) in in_text.items():
        value = table[name] if name in COLUMNS else np.full(len(table), np.nan)
        there = ~np.isnan(value)  # null is NaN here, and no column holds a NaN
        value[places], there[places] = values, True
        curve = Curve(table["seq"], table["step"], value)
        for job in jobs:
            mine = there & (table["job"] == job)
            if mine.any():
                curves.append(((job, name), curve.taken(mine)))
    return curves
