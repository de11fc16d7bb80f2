"""Whether the values of a series meet the condition of a rule. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from math import isfinite, isnan
from typing import Any, NamedTuple

import numpy as np

from models.alert import Condition
from models.alerts.rule import AlertRule


class Value(NamedTuple):
    """A value of a series at a point."""

    seq: int
    step: int
    value: float


@dataclass(slots=True)
class Memory:
    """What is remembered of a job in one attempt from one look to the next."""

    holds: bool = False
    """Of a series: whether the condition held at the last value."""
    best: float | None = None
    best_step: int | None = None
    """NO_IMPROVEMENT: the best value so far, and its step; before there is a finite one, the step of the first."""
    window: list[float] = field(default_factory=list)
    """JUMP: the values that the next one is compared with, at most as many as the rule's window."""
    episode: str | None = None
    """Of a condition about the job: what distinguishes the last time that it held from others."""

    def as_json(self) -> dict[str, Any]:
        """To be kept."""
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Memory":
        """As it was kept."""
        return cls(**kept)


def crossings(rule: AlertRule, memory: Memory, values: Iterable[Value], *, maximize: bool) -> Iterator[Value]:
    """The values at which the rule's condition begins to hold, of those that follow the remembered ones, by seq.

    `maximize`: whether higher values are better. Changes the memory.
    """
    values, threshold = [*values], rule.threshold or 0.0
    match rule.condition:
        case Condition.ABOVE:
            meeting = [at.value > threshold for at in values]
        case Condition.BELOW:
            meeting = [at.value < threshold for at in values]
        case Condition.NOT_FINITE:
            meeting = [not isfinite(at.value) for at in values]
        case Condition.NO_IMPROVEMENT:
            meeting = _not_improving(memory, values, rule.window or 1, maximize=maximize)
        case _:
            meeting = [_jumps(memory.window, at.value, threshold, rule.window or 1) for at in values]
    if not memory.holds and True not in meeting:  # as nearly always
        return
    for at, meets in zip(values, meeting, strict=True):
        if meets and not memory.holds:
            yield at
        memory.holds = meets


def _not_improving(memory: Memory, values: Iterable[Value], window: int, *, maximize: bool) -> list[bool]:
    """Whether each is so many steps behind the best until then."""
    best, best_step = memory.best, memory.best_step
    meeting = []
    for _, step, value in values:
        if isfinite(value) and (best is None or (value > best if maximize else value < best)):
            best, best_step = value, step
        elif best_step is None:
            best_step = step
        assert best_step is not None
        meeting.append(step - best_step >= window)
    memory.best, memory.best_step = best, best_step
    return meeting


def _jumps(before: list[float], value: float, threshold: float, window: int) -> bool:
    """Whether a value is so many standard deviations from the mean of those before it; a finite one is then one."""
    if isnan(value):
        return False
    meets = False
    if len(before) >= window and min(before) < max(before):
        peak = max(map(abs, before))  # the squares of large values have no place in a float
        scaled = np.array(before) / peak
        meets = bool(abs(value / peak - scaled.mean()) > threshold * scaled.std())
    if isfinite(value):
        before.append(value)
        del before[:-window]
    return meets
