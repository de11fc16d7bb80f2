"""A curve: one named value over the steps."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.curves.downsampling import Floats, Integers

__all__ = ["MAX_POINTS", "MIN_POINTS", "Curve", "Wanted"]

MIN_POINTS, MAX_POINTS = 2, 10_000
"""The fewest and the most points of one curve that may be asked for."""


class Wanted(NamedTuple):
    """The curve that is asked for. What it is never changes: points are only ever added, and `until` says how many."""

    job_id: int
    until: int
    """The last seq to look at: the job's metric_count, as it is or was."""
    name: str
    points: int
    """The most points to give."""
    first: int | None
    """The first step, or None for the first there is."""
    last: int | None

    def meets(self, first: int, last: int) -> bool:
        """Whether any of these steps is asked for."""
        return (self.last is None or first <= self.last) and (self.first is None or last >= self.first)

    def covers(self, first: int, last: int) -> bool:
        """Whether all of these steps are asked for."""
        return (self.first is None or first >= self.first) and (self.last is None or last <= self.last)


class Curve(NamedTuple):
    """A named value over the steps: columns of one length."""

    seq: Integers
    step: Integers
    value: Floats

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The points of all parts, one after another."""
        if not parts:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def taken(self, places: NDArray[Any]) -> Self:
        """The points at some places, or where a mask is true."""
        return self._replace(seq=self.seq[places], step=self.step[places], value=self.value[places])

    def by_step(self) -> Self:
        """In ascending order of step, each step once: with its latest seq."""
        order = np.lexsort((self.seq, self.step))
        return self.taken(order[np.diff(self.step[order], append=-1) != 0])

    def within(self, first: int | None, last: int | None) -> Self:
        """The points of these steps, the ends among them; None is no end."""
        if first is None and last is None:
            return self
        inside = np.ones(len(self.step), np.bool_)
        if first is not None:
            inside &= self.step >= first
        if last is not None:
            inside &= self.step <= last
        return self.taken(inside)

    @property
    def bytes(self) -> int:
        """What it takes in memory, near enough."""
        return self.seq.nbytes + self.step.nbytes + self.value.nbytes + 1000
