"""What points add to the series of their names. No I/O."""

from collections.abc import Iterable, Mapping
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

Counted = tuple[int, int, int, Mapping[str, float]]
"""A point: its seq, its step, when it was measured in microseconds since 1970, and its values."""


class Tally:
    """What some new points, in the order of their seq, add to the series of their names."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Any]] = {}

    def add(self, points: Iterable[Counted]) -> None:
        """Count some points: name by name, which is several times as fast as point by point."""
        found: dict[str, tuple[list[Counted], list[float]]] = {}
        for point in points:
            for name, value in point[3].items():
                of_name = found.get(name)
                if of_name is None:
                    of_name = found[name] = ([], [])
                of_name[0].append(point)
                of_name[1].append(value)
        for name, (those, values) in found.items():
            self._add(name, those, values)

    def _add(self, name: str, points: list[Counted], values: list[float]) -> None:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = [points[0][0], 0, 0, None, -1, None, None, None, *[None] * 8]
        row[1] += len(values)
        place = len(points) - 1
        if place:
            furthest = max([point[1] for point in points])
            while points[place][1] < furthest:
                place -= 1
        furthest = points[place][1]
        if furthest >= row[4]:
            (seq, step, us, _), value = points[place], values[place]
            is_finite = isfinite(value)
            row[3:8] = seq, step, value if is_finite else None, None if is_finite else NonFinite.of(value), us
        if not isfinite(sum(values)):  # which it also is not where it is beyond all numbers
            places = [place for place, value in enumerate(values) if isfinite(value)]
            row[2] += len(values) - len(places)
            points, values = [points[place] for place in places], [values[place] for place in places]
            if not values:
                return
        lowest, highest = min(values), max(values)
        if row[10] is None or lowest < row[10]:
            seq, step, us, _ = points[values.index(lowest)]
            row[8:12] = seq, step, lowest, us
        if row[14] is None or highest > row[14]:
            seq, step, us, _ = points[values.index(highest)]
            row[12:16] = seq, step, highest, us

    def furthest(self) -> list[tuple[str, int]]:
        """(name, its highest step) of each."""
        return [(name, int(row[4] or 0)) for name, row in self._rows.items()]

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of COUNTED, by name."""
        return [(name, *row) for name, row in self._rows.items()]
