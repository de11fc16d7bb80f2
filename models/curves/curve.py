"""A curve: one named value over an axis, and which of its points are drawn where there are many."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MIN_POINTS, MAX_POINTS = 2, 10_000
"""The fewest and the most points of one curve that may be requested."""
MAX_CURVES = 100
"""The most curves of one job that may be requested at once."""
EVENLY_BELOW = 10
"""Fewer points than this are spread evenly: half of them may have to show where values are not finite, and the
downsampler wants three beside the lowest and the highest."""


class Axis(StrEnum):
    """What a curve is drawn over."""

    STEP = "STEP"
    """Each step once: of its points the one with the highest seq counts."""
    TIME = "TIME"
    """Every point, by when it was measured."""
    ORDER = "ORDER"
    """Every point, by its seq."""


class Wanted(NamedTuple):
    """The curve that is requested. What it is never changes: points are only ever added, and `until` says how many."""

    job_id: int
    until: int
    """The last seq to look at: the job's metric_count, as it is or was."""
    name: str
    points: int
    """The most points to give."""
    first: int | None
    """The first place on the axis: a step, a seq, or microseconds since 1970. None for the first there is."""
    last: int | None
    axis: Axis = Axis.STEP
    cuts: tuple[tuple[int, int], ...] = ()
    """(seq, step): points before that seq and beyond that step are superseded, and no part of the curve."""


class Curve(NamedTuple):
    """A named value over an axis: columns of one length."""

    seq: Integers
    step: Integers
    value: Floats
    us: Integers | None = None
    """When each was measured, or else stored, in microseconds since 1970; None unless that is the axis."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The points of all parts, one after another."""
        return cls(
            np.concatenate([NOTHING.seq, *(part.seq for part in parts)]),
            np.concatenate([NOTHING.step, *(part.step for part in parts)]),
            np.concatenate([NOTHING.value, *(part.value for part in parts)]),
        )

    def taken(self, places: NDArray[Any] | slice) -> Self:
        """The points at some places, or where a mask is true."""
        return self._replace(seq=self.seq[places], step=self.step[places], value=self.value[places])

    def by_step(self) -> Self:
        """In ascending order of step, each step once: with its latest seq."""
        order = np.lexsort((self.seq, self.step))
        return self.taken(order[np.diff(self.step[order], append=-1) != 0])

    def by_seq(self) -> Self:
        """In ascending order of seq."""
        return self.taken(np.argsort(self.seq))

    def along(self, axis: Axis) -> Self:
        """As it is drawn over steps, or else in the order of its points."""
        return self.by_step() if axis is Axis.STEP else self.by_seq()

    def places(self, axis: Axis) -> Integers:
        """The steps, or else the seqs."""
        return self.step if axis is Axis.STEP else self.seq

    def within(self, first: int, last: int, axis: Axis) -> Self:
        """The points from one place of an axis to another, both among them. They must be in its order."""
        places = self.places(axis)
        return self.taken(slice(np.searchsorted(places, first), np.searchsorted(places, last, "right")))

    def without(self, cuts: Iterable[tuple[int, int]]) -> Self:
        """Without what is superseded; see `Wanted`."""
        gone = np.zeros(len(self.seq), np.bool_)
        for seq, step in cuts:
            gone |= (self.seq < seq) & (self.step > step)
        return self.taken(~gone) if gone.any() else self

    @property
    def bytes(self) -> int:
        """What it takes in memory, near enough."""
        return sum(column.nbytes for column in self if column is not None) + 1000


NOTHING = Curve(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
"""No points."""


def chosen(step: Integers, value: Floats, points: int) -> Integers:
    """Places, ascending, of at most `points` points (EVENLY_BELOW or more) that show what a longer curve does.

    Given is the curve, or an outline of it; `step` ascends. The first and the last point, the lowest and the highest
    finite value are among them; what lies between is chosen by MinMaxLTTB (Van der Donckt et al., "MinMaxLTTB", IEEE
    VIS 2023), and each run of values that are not finite is there as its first and its last, or, where those are more
    than half of the points, as many of them as that, evenly.
    """
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
