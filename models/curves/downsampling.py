"""Fewer points that look the same: which points of a curve to draw."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

__all__ = ["EVENLY_BELOW", "Floats", "Integers", "chosen", "downsampled", "evenly", "outline"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

EVENLY_BELOW = 10
"""With fewer points than this there is nothing to choose: half of them may have to show where values are not finite,
and the downsampler wants three beside the lowest and the highest."""


def downsampled(step: Integers, value: Floats, points: int) -> Integers:
    """Places of at most `points` points (2 or more), ascending, that show what the curve does; all where that is few.

    The first and the last are among them. From EVENLY_BELOW points on so are the lowest and the highest finite value;
    what lies between is chosen by MinMaxLTTB (Van der Donckt et al., "MinMaxLTTB", IEEE VIS 2023), and each run of
    values that are not finite is there as its first and its last, or, where those are more than half of the points,
    as many of them as that, evenly. Below, points are spread evenly. `step` must ascend.
    """
    if len(value) <= points:
        return np.arange(len(value))
    if points < EVENLY_BELOW:
        return evenly(len(value), points)
    return chosen(step, value, points)


def chosen(step: Integers, value: Floats, points: int) -> Integers:
    """Of a longer curve, or of an outline of one, the places that `downsampled` gives: EVENLY_BELOW or more."""
    finite = np.isfinite(value)
    drawn = np.flatnonzero(finite)
    ends = _ends_of_runs(~finite)
    ends = ends[evenly(len(ends), min(len(ends), max(points // 2, points - len(drawn))))]
    if len(drawn) > (left := points - len(ends)):
        drawn = drawn[_shape(step[drawn], value[drawn], left)]
    return cast("Integers", np.union1d(drawn, ends))


def outline(value: Floats, block: int) -> Integers:
    """Places, ascending, that stand for a part of a curve when all of it is downsampled: all that may be needed.

    Of each `block` finite values in turn the first, the last, the lowest and the highest (M4: Jugel et al., "M4",
    VLDB 2014), of each run of values that are not finite the first and the last, and the finite values beside it, so
    that runs stay apart. The outlines of the parts of a curve are, one after another, an outline of the curve.
    """
    finite = np.isfinite(value)
    kept = np.zeros(len(value), np.bool_)
    kept[:1] = kept[-1:] = True
    turns = np.flatnonzero(finite[1:] != finite[:-1])
    kept[turns] = kept[turns + 1] = True
    if len(drawn := np.flatnonzero(finite)):
        values = value[drawn]
        begins = np.arange(0, len(values), block)
        kept[drawn[begins]] = kept[drawn[np.append(begins[1:], len(values)) - 1]] = True
        for extreme in (np.minimum, np.maximum):
            found = np.flatnonzero(values == extreme.reduceat(values, begins).repeat(block)[: len(values)])
            # Of equal ones the first: the curve of a constant would be kept whole.
            kept[drawn[found[np.searchsorted(found, begins)]]] = True
    return np.flatnonzero(kept)


def _shape(step: Integers, value: Floats, points: int) -> Integers:
    # MinMaxLTTB alone may pass over the lowest or the highest, where both lie close together.
    extremes = [int(value.argmin()), int(value.argmax())]
    chosen = MinMaxLTTBDownsampler().downsample(step, value, n_out=points - len(extremes))  # type: ignore[no-untyped-call]  # the library's
    return cast("Integers", np.union1d(chosen, extremes).astype(np.int64))


def _ends_of_runs(mask: NDArray[np.bool_]) -> Integers:
    """The places of the first and the last of each run of True."""
    inside = np.concatenate([[False], mask, [False]])
    begins, ends = inside[1:-1] & ~inside[:-2], inside[1:-1] & ~inside[2:]
    return np.flatnonzero(begins | ends)


def evenly(length: int, count: int) -> Integers:
    """`count` places of `length`, evenly spread, the first and the last among them."""
    return np.linspace(0, length - 1, count).round().astype(np.int64)
