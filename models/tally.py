"""What points add to the series of their names. No I/O."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from models.metric import NonFinite

SYSTEM = "system/"
"""How names begin that measure the machine: they say nothing of how far the run has come."""

COUNTED = (
    *("name", "first_seq", "count", "non_finite_count"),
    *("last_seq", "last_step", "last_value", "last_non_finite", "last_us"),
    *("lowest_seq", "lowest_step", "lowest_value", "lowest_us"),
    *("highest_seq", "highest_step", "highest_value", "highest_us"),
)
"""The columns of a tally, by name."""


class Tally:
    """What some new points, in the order of their seq, add to the series of their names."""

    def __init__(self) -> None:
        self._rows: dict[str, list[float | str | None]] = {}

    def add(self, seq: int, step: int, us: int, values: Mapping[str, float]) -> None:
        """Count one point."""
        rows = self._rows
        for name, value in values.items():
            row = rows.get(name)
            if row is None:
                row = rows[name] = [seq, 0, 0, None, -1, None, None, None, *[None] * 8]
            row[1] += 1  # type: ignore[operator]  # a number
            finite = isfinite(value)
            if step >= row[4]:  # type: ignore[operator]  # as above
                row[3:8] = seq, step, value if finite else None, None if finite else NonFinite.of(value), us
            if not finite:
                row[2] += 1  # type: ignore[operator]  # as above
                continue
            if row[10] is None or value < row[10]:  # type: ignore[operator]  # as above
                row[8:12] = seq, step, value, us
            if row[14] is None or value > row[14]:  # type: ignore[operator]  # as above
                row[12:16] = seq, step, value, us

    def furthest(self) -> list[tuple[str, int]]:
        """(name, its highest step) of each."""
        return [(name, int(row[4] or 0)) for name, row in self._rows.items()]

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of COUNTED, by name."""
        return [(name, *row) for name, row in self._rows.items()]
