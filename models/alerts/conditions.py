"""Whether the values of a series meet the condition of a rule. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from models.alert import Condition
from models.alerts.rule import AlertRule


class Value(NamedTuple):
    """A value of a series at a point."""

    seq: int
    step: int
    value: float


class Crossing(NamedTuple):
    """Where a condition began to hold."""

    at: Value


@dataclass(slots=True)
class Memory:
    """What is remembered of a series of a job from one check to the next."""

    holds: bool = False
    """Whether the condition held at the last value."""
    best: float | None = None
    best_step: int = 0
    """NO_IMPROVEMENT: the best value so far, and its step."""
    window: list[float] = field(default_factory=list)
    """JUMP: the values that the next one is compared with, at most as many as the rule's window."""

    def as_json(self) -> dict[str, Any]:
        """To be kept."""
        return {"holds": self.holds, "best": self.best, "best_step": self.best_step, "window": self.window}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Memory":
        """As it was kept."""
        return cls(**kept)


def crossings(rule: AlertRule, memory: Memory, values: Iterable[Value], *, maximize: bool) -> Iterator[Crossing]:
    """Where the rule's condition begins to hold, of the values that follow those remembered, in the order of seq.

    `maximize`: whether higher values are better. Changes the memory.
    """
    for value in values:
        meets = _meets(rule, memory, value, maximize=maximize)
        if meets and not memory.holds:
            yield Crossing(value)
        memory.holds = meets


def _meets(rule: AlertRule, memory: Memory, at: Value, *, maximize: bool) -> bool:
    value, threshold, window = at.value, rule.threshold or 0.0, rule.window or 1
    match rule.condition:
        case Condition.NOT_FINITE:
            return not isfinite(value)
        case Condition.ABOVE:
            return value > threshold
        case Condition.BELOW:
            return value < threshold
        case Condition.NO_IMPROVEMENT:
            best = memory.best
            if isfinite(value) and (best is None or (value > best if maximize else value < best)):
                memory.best, memory.best_step = value, at.step
            return memory.best is not None and at.step - memory.best_step >= window
        case Condition.JUMP:
            return _jumps(memory.window, value, threshold, window)
        case _:
            return False


def _jumps(before: list[float], value: float, threshold: float, window: int) -> bool:
    """Whether a value is so many standard deviations from the mean of those before it; it is then one of these."""
    if not isfinite(value):
        return False
    meets = False
    if len(before) >= window:
        deviation = pstdev(before)
        meets = deviation > 0 and abs(value - fmean(before)) > threshold * deviation
    before.append(value)
    del before[:-window]
    return meets
