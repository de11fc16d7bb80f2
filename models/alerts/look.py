"""One look at a job by one rule: what is found, and the state afterwards. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite, isnan

from models.alert import Condition
from models.alerts.alerts import Raised
from models.alerts.conditions import Memory, Value, crossings
from models.alerts.rule import OF_SERIES, AlertRule
from models.alerts.state import AlertState
from models.job import Job, latest
from models.lifecycle import JobStatus
from models.metric import decode_named

SILENCES = 2
"""Promised signs between the moment since when a job is lost, and the one at which it is found to be."""
MAX_TITLE = 500


class Look:
    """A look under way."""

    def __init__(self, rule: AlertRule, stored: AlertState, began: AlertState) -> None:
        """`stored`: the state in the store; `began`: the state that the look goes on from."""
        self.rule = rule
        self.stored = stored
        self.began = began
        self.state = began
        self.found: list[Raised] = []


def values_of(points: Iterable[tuple[int, int, str]], names: Collection[str]) -> Mapping[str, list[Value]]:
    """The values of each name at the points that have it; `points`: seq, step and the stored text of their values."""
    found: dict[str, list[Value]] = {name: [] for name in names}
    for seq, step, text in points:
        for name, value in decode_named(text, names):
            found[name].append(Value(seq, step, value))
    return found


def look_at_values(look: Look, values: Sequence[Value], until: int, firsts: Sequence[int], *, maximize: bool) -> None:
    """Look at values of a series, by seq, those of all points up to the seq `until`.

    `firsts`: the seq of the first point of each attempt; `maximize`: whether higher values are better.
    """
    rule, attempt, memory = look.rule, look.state.attempt, look.state.remembered()
    if look.state.seq:
        values = values[bisect_right(values, look.state.seq, key=lambda value: value.seq) :]
    while values:
        of_first = max(1, bisect_right(firsts, values[0].seq))
        if of_first != attempt:
            attempt, memory = of_first, Memory()
        count = len(values)
        if attempt < len(firsts):
            count = bisect_left(values, firsts[attempt], key=lambda value: value.seq)
        found = crossings(rule, memory, values[:count], maximize=maximize)
        look.found += [_of_value(rule, at) for at in found]
        values = values[count:]
    look.state = look.state._replace(seq=max(look.state.seq, until), attempt=attempt).remembering(memory)


def look_at_job(look: Look, job: Job, at: datetime, *, was: bool = False) -> None:
    """Look at a job by a rule about jobs. `was`: it is as it lately was, which may be before the last look."""
    rule = look.rule
    since = rule.since_change if was else look.state.change
    if rule.condition in OF_SERIES or (rule.condition is not Condition.SILENT and job.change <= since):
        return
    memory = look.state.remembered()
    episode = _episode(rule, job, at)
    if episode is not None and episode != memory.episode:
        look.found.append(_of_job(rule, job))
        memory.episode = episode
        look.state = look.state.remembering(memory)
    if rule.condition is not Condition.SILENT:
        look.state = look.state._replace(change=max(look.state.change, job.change))


def shown(rule: AlertRule, job: Job, at: datetime) -> tuple[object, ...]:
    """What a rule looks at of a job: while it is the same, there is nothing to be found."""
    if rule.condition in OF_SERIES:
        return (job.metric_count,)
    return job.change, _episode(rule, job, at)


def _episode(rule: AlertRule, job: Job, at: datetime) -> str | None:
    """What distinguishes this time that the condition holds from others; None where it does not hold."""
    match rule.condition:
        case Condition.FAILED:
            is_new = job.finished_at is not None and job.finished_at > rule.since
            return str(job.attempt) if job.status is JobStatus.FAILED and is_new else None
        case Condition.LOST:
            since, every = job.lost_since, timedelta(seconds=job.beat_seconds or 0)
            return since.isoformat() if since is not None and since + SILENCES * every > rule.since else None
        case Condition.SILENT:
            begun = latest(job.last_point_at, job.attempt_started_at)
            if job.status is not JobStatus.RUNNING or begun is None:
                return None
            silent = (at - max(begun, rule.since)).total_seconds()
            return f"{job.attempt}:{job.metric_count}" if silent >= (rule.window or 0) else None
        case _:
            return None


def _of_value(rule: AlertRule, at: Value) -> Raised:
    shown = f"{at.value:g}" if isfinite(at.value) else "NaN" if isnan(at.value) else f"{at.value:+}"
    title = f"{rule.name}: {rule.series} is {shown} at step {at.step}"
    why = {
        Condition.NOT_FINITE: "A value that is not finite.",
        Condition.ABOVE: f"A value above {rule.threshold:g}." if rule.threshold is not None else "",
        Condition.BELOW: f"A value below {rule.threshold:g}." if rule.threshold is not None else "",
        Condition.NO_IMPROVEMENT: f"No better value over the last {rule.window} steps.",
        Condition.JUMP: f"More than {rule.threshold} standard deviations from the {rule.window} values before it.",
    }[rule.condition]
    return Raised(title[:MAX_TITLE], why, rule.level, rule.id, at.seq, at.step, at.value)


def _of_job(rule: AlertRule, job: Job) -> Raised:
    what, why = {
        Condition.SILENT: (f"no point for {rule.window} s", ""),
        Condition.FAILED: ("failed", job.failure_reason or ""),
        Condition.LOST: ("lost", "Its loop has missed the signs that it promised."),
    }[rule.condition]
    return Raised(f"{rule.name}: {job.name}: {what}"[:MAX_TITLE], why, rule.level, rule.id)
