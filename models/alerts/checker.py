"""Looks at what is stored by the rules of alerts, and raises each alert once.

A process looks at the jobs that it wrote to, behind the verbs that wrote, so that no loop waits for it; and now and
then at all running jobs, for another process may have ended between its commit and its look. Which of several
processes looks does not matter: how far a rule has looked at a job is a row of the store, taken in the transaction
that raises the alert.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from functools import partial

import orjson

from models.alert import Condition
from models.alerts.alerts import Raised, raised, read_rules
from models.alerts.conditions import Memory, Value, crossings
from models.alerts.rule import OF_SERIES, AlertRule
from models.alerts.state import AlertState, held_state, kept
from models.feed.channel import AlertRaised, Event, Feed, JobDeleted
from models.job import Job, now
from models.job_reads import find_job, jobs_in
from models.lifecycle import JobStatus
from models.metric import Goal, Recorded
from models.points import read_after
from models.series import read_series
from models.store.database import Database
from models.store.errors import StoreFailure
from models.store.statements import Work

PAGE = 2_000
"""Points that one look reads."""
ROUND_SECONDS = 0.1
"""Between two rounds: points of a loop that logs one by one are looked at together."""
APART = timedelta(seconds=60)
"""Between two alerts of one rule and job."""

log = logging.getLogger(__name__)


class AlertChecker:
    """Looks at jobs by the rules of alerts."""

    def __init__(self, database: Database, feed: Feed, check_seconds: float) -> None:
        """`check_seconds`: between two looks at all running jobs."""
        self._database = database
        self._feed = feed
        self._check_seconds = check_seconds
        self._due: dict[int, None] = {}
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, alerts are raised."""
        with self._feed.overhearing(self._hear):
            tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._sweep())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    def _hear(self, event: Event) -> None:
        if not isinstance(event, AlertRaised | JobDeleted):
            self._due[event.job.id] = None
            self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            due, self._due = [*self._due], {}
            try:
                if rules := [rule for rule in await read_rules(self._database.reader) if rule.enabled]:
                    for job_id in due:
                        await self._look(job_id, rules)
            except StoreFailure as outage:  # they are looked at by the next look at all running jobs
                log.warning("could not look for alerts: %s", outage)
            except Exception:
                log.exception("could not look for alerts")
            await asyncio.sleep(ROUND_SECONDS)

    async def _sweep(self) -> None:
        """Now and then, let all running jobs be looked at, and those that changed since a rule last looked."""
        while True:
            try:
                if await read_rules(self._database.reader):
                    running = await jobs_in(self._database.reader, JobStatus.RUNNING)
                    self._due |= dict.fromkeys(job.id for job in running)
                    self._news.set()
            except StoreFailure as outage:
                log.warning("could not look for alerts: %s", outage)
            except Exception:
                log.exception("could not look for alerts")
            await asyncio.sleep(self._check_seconds)

    async def _look(self, job_id: int, rules: Iterable[AlertRule]) -> None:
        job = await find_job(self._database.reader, job_id)
        if job is None:
            return
        applying = [rule for rule in rules if rule.applies_to(job.id, job.project)]
        goals = {}
        if any(rule.condition is Condition.NO_IMPROVEMENT for rule in applying):
            goals = {each.name: each.goal for each in (await read_series(self._database.reader, [job.id]))[job.id]}
        for rule in applying:
            while await self._look_by(rule, job, maximize=goals.get(rule.series or "") is Goal.MAXIMIZE):
                pass

    async def _look_by(self, rule: AlertRule, job: Job, *, maximize: bool) -> bool:
        """Look by one rule, at a page of points; whether there are more."""
        is_last = True
        events: list[AlertRaised] = []

        def look(points: Sequence[Recorded], state: AlertState) -> Work[None]:
            nonlocal events
            events = []
            held = (yield from held_state(rule.id, job.id)) or AlertState()
            if held != state:
                return  # another process has looked
            found, state = _found(rule, job, state, points, maximize=maximize)
            for what in found:
                if state.raised_at is None or now() - state.raised_at >= APART:
                    state = state._replace(raised_at=now())
                    events.append(AlertRaised(job, (yield from raised(job, what))))
            if state != held:
                yield from kept(rule.id, job.id, state)

        state = await self._database.write(partial(_state_of, rule.id, job.id), lambda _: None)
        points: Sequence[Recorded] = []
        if rule.condition in OF_SERIES and state.seq < job.metric_count:
            points = (await read_after(self._database.reader, [job.id], state.seq, PAGE))[job.id]
            is_last = state.seq + len(points) >= job.metric_count
        elif not _is_due(rule, job, state):
            return False

        def stored(_: None) -> None:
            for event in events:
                self._feed.publish(event)

        await self._database.write(partial(look, points, state), stored)
        return not is_last


def _state_of(rule_id: int, job_id: int) -> Work[AlertState]:
    return (yield from held_state(rule_id, job_id)) or AlertState()


def _is_due(rule: AlertRule, job: Job, state: AlertState) -> bool:
    """Whether a condition about the job has anything to look at."""
    if rule.condition is Condition.SILENT:
        return _is_silent(rule, job) != state.remembered().holds
    return job.change > max(state.change, rule.since_change)


def _found(
    rule: AlertRule, job: Job, state: AlertState, points: Sequence[Recorded], *, maximize: bool
) -> tuple[list[Raised], AlertState]:
    """The alerts to raise, and the state after the look."""
    found: list[Raised] = []
    attempt, memory = state.attempt, state.remembered()
    if rule.condition in OF_SERIES:
        assert rule.series is not None
        for point in points:
            if attempt != job.attempt and point.seq >= job.attempt_first_seq:
                attempt, memory = job.attempt, Memory()
            value = point.values.get(rule.series)
            if value is not None and point.recorded_at > rule.created_at:
                at = Value(point.seq, point.step, value)
                found += [_of_value(rule, crossing.at) for crossing in crossings(rule, memory, [at], maximize=maximize)]
        if points:
            state = state._replace(seq=points[-1].seq)
    else:
        if attempt != job.attempt:
            attempt, memory = job.attempt, Memory()
        holds = {
            Condition.SILENT: _is_silent(rule, job),
            Condition.FAILED: job.status is JobStatus.FAILED,
            Condition.LOST: job.lost_since is not None,
        }[rule.condition]
        if holds and not memory.holds:
            found.append(_of_job(rule, job))
        memory.holds = holds
        state = state._replace(change=job.change)
    return found, state._replace(attempt=attempt, memory=orjson.dumps(memory.as_json()).decode())


def _is_silent(rule: AlertRule, job: Job) -> bool:
    since = job.last_point_at
    if since is None or (job.attempt_started_at is not None and job.attempt_started_at > since):
        since = job.attempt_started_at
    if job.status is not JobStatus.RUNNING or since is None:
        return False
    return now() - max(since, rule.created_at) >= timedelta(seconds=rule.window or 0)


def _of_value(rule: AlertRule, at: Value) -> Raised:
    title = f"{rule.name}: {rule.series} is {at.value:g} at step {at.step}"
    return Raised(title, rule.level, None, rule.id, at.seq, at.step, at.value)


def _of_job(rule: AlertRule, job: Job) -> Raised:
    what = {
        Condition.SILENT: f"no point for {rule.window} s",
        Condition.FAILED: f"failed: {job.failure_reason}",
        Condition.LOST: "its loop has missed its heartbeats",
    }[rule.condition]
    return Raised(f"{rule.name}: {job.name}: {what}"[:500], rule.level, None, rule.id)
