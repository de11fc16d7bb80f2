"""One look at a job by one rule: what is found, and the state afterwards. No I/O."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from math import isfinite, isnan

from models.alert import Condition
from models.alerts.alerts import Raised
from models.alerts.conditions import Memory, Value, crossings
from models.alerts.rule import OF_SERIES, AlertRule
from models.alerts.state import AlertState
from models.job import Job, latest
from models.lifecycle import JobStatus
from models.metric import Recorded

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


def look_at_points(
    looks: Sequence[Look], points: Sequence[Recorded], firsts: Sequence[int], maximized: Collection[str]
) -> None:
    """Look at points of a job, by seq, by rules of series.

    `firsts`: the seq of the first point of each attempt; `maximized`: the names of which higher values are better.
    """
    for look in looks:
        rule, attempt, memory = look.rule, look.state.attempt, look.state.remembered()
        assert rule.series is not None
        for point in points:
            if point.seq <= look.state.seq or (value := point.values.get(rule.series)) is None:
                continue
            of_point = max(1, bisect_right(firsts, point.seq))
            if of_point != attempt:
                attempt, memory = of_point, Memory()
            values = [Value(point.seq, point.step, value)]
            for at in crossings(rule, memory, values, maximize=rule.series in maximized):
                look.found.append(_of_value(rule, at))
        seq = max(look.state.seq, points[-1].seq)
        look.state = look.state._replace(seq=seq, attempt=attempt).remembering(memory)


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
