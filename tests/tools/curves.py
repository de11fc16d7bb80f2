"""Curves as lists that can be compared, and as a plain reading of the points gives them."""

from collections.abc import Sequence

import numpy as np

from models.curves.curve import EVENLY_BELOW, Curve, Floats, Integers, Wanted, chosen, evenly
from models.metric import Point

Listed = list[tuple[int, int, str]]
"""(step, seq, value) of each point, comparable even where a value is NaN; SQLite's columns know no -0.0."""


def listed(curve: Curve) -> Listed:
    columns = (curve.step.tolist(), curve.seq.tolist(), curve.value.tolist())
    return [(step, seq, repr(value + 0.0)) for step, seq, value in zip(*columns, strict=True)]


def plain(points: Sequence[Point], wanted: Wanted) -> Listed:
    """All points of a curve, of points in the order of their seq."""
    first, last = wanted.first or 0, 10**9 if wanted.last is None else wanted.last
    latest = {
        point.step: (point.step, seq, repr(point.values[wanted.name] + 0.0))
        for seq, point in enumerate(points[: wanted.until], 1)
        if wanted.name in point.values and first <= point.step <= last
    }
    return sorted(latest.values())


def downsampled(step: Integers, value: Floats, points: int) -> Integers:
    """The places of the points that are drawn of a curve, given all of it."""
    if len(value) <= points:
        return np.arange(len(value))
    return evenly(len(value), points) if points < EVENLY_BELOW else chosen(step, value, points)
