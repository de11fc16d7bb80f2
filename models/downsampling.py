"""Fewer points that look the same: which points of a curve to draw."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

__all__ = ["Floats", "Integers", "downsampled"]

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
        return _evenly(len(value), points)
    finite = np.isfinite(value)
    drawn = np.flatnonzero(finite)
    ends = _ends_of_runs(~finite)
    ends = ends[_evenly(len(ends), min(len(ends), max(points // 2, points - len(drawn))))]
    if len(drawn) > (left := points - len(ends)):
        drawn = drawn[_shape(step[drawn], value[drawn], left)]
    return cast("Integers", np.union1d(drawn, ends))


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


def _evenly(length: int, count: int) -> Integers:
    """`count` places of `length`, evenly spread, the first and the last among them."""
    return np.linspace(0, length - 1, count).round().astype(np.int64)
