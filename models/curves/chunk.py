"""A chunk: what a run of a job's points has of one name, packed, and outlines of it for curves that are drawn smaller.

The points are the truth, and chunks are made from them: once all points of a run are there nothing of it ever changes,
so any process that finds a chunk missing may write it, and two of them write the same.
"""

from typing import Literal, NamedTuple, Self

import numpy as np

from models.curves.curve import Curve, outline
from models.curves.stored import Head

Column = Literal["points", "fine", "coarse"]
"""What is read of a chunk: all of it, or one of its outlines."""

_POINT = 8 + 8 + 2
"""Bytes of a packed point: its value, its step, its place in the run."""


class Grain(NamedTuple):
    """How fine chunks are. Within one store it never changes."""

    run: int = 4096
    """Points of a job that lie in one chunk: seqs 1 to `run` in chunk 0, and so on. What is beyond the last full run
    is read point by point, so it is small; what chunks cost is the finding of each, so it is not tiny."""
    fine: int = 16
    """Finite values of which the fine outline keeps no more than four."""
    coarse: int = 256
    """Those of the coarse one."""

    def outline_for(self, finite: int, points: int) -> tuple[Column, int]:
        """What is read of chunks to choose some of so many finite values from, and the block that it was outlined by.

        The coarsest that leaves two blocks for each point: MinMaxLTTB chooses from four values for each, and a block
        has a lowest and a highest.
        """
        outlines: tuple[tuple[Column, int], ...] = (("coarse", self.coarse), ("fine", self.fine))
        return next((each for each in outlines if 2 * points * each[1] <= finite), ("points", 1))


class Chunk(NamedTuple):
    """A chunk whole."""

    head: Head
    points: bytes
    fine: bytes
    coarse: bytes

    @classmethod
    def of(cls, number: int, logged: Curve, grain: Grain) -> Self:
        """The chunk of a run, of the points in it that have the name, in any order."""
        curve = logged.by_seq()
        first, last = (int(curve.step.min()), int(curve.step.max())) if len(curve.step) else (0, 0)
        is_ordered = bool((np.diff(curve.step) > 0).all())
        head = Head(number, len(curve.step), int(np.isfinite(curve.value).sum()), first, last, is_ordered)
        outlines = (curve.taken(outline(curve.value, block)) for block in (grain.fine, grain.coarse))
        return cls(head, *(_packed(each, number * grain.run + 1) for each in (curve, *outlines)))


def _packed(curve: Curve, start: int) -> bytes:
    places = (curve.seq - start).astype("<u2")
    return curve.value.astype("<f8").tobytes() + curve.step.astype("<i8").tobytes() + places.tobytes()


def unpacked(packed: bytes, start: int) -> Curve:
    """The points that were packed, of the run that begins with the seq `start`."""
    count = len(packed) // _POINT
    value = np.frombuffer(packed, "<f8", count)
    step = np.frombuffer(packed, "<i8", count, offset=8 * count)
    places = np.frombuffer(packed, "<u2", count, offset=16 * count)
    return Curve(places.astype(np.int64) + start, step, value)
