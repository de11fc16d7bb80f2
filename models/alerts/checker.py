"""Looks at what is stored by the rules of alerts, and raises each alert once.

A process looks at the jobs that it wrote to, behind the verbs that wrote, so that no loop waits for it; and now and
then at all running jobs and at those that changed, for another process may have ended between its commit and its look.
Which of several processes looks does not matter: how far a rule has looked at a job is a row of the store, taken in the
transaction that raises the alert.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from cachetools import LRUCache

from models.alert import Condition
from models.alerts.alerts import raised, read_rules
from models.alerts.look import Look, look_at_job, look_at_values, shown, values_of
from models.alerts.place import last_looked, looked_until
from models.alerts.rule import OF_SERIES, AlertRule
from models.alerts.state import AlertState, held_states, kept, states_of
from models.attempts import attempts_of
from models.errors import JobNotFound
from models.feed.channel import AlertRaised, Event, Feed, JobDeleted
from models.job import Job, moment_of, now
from models.job_reads import changed_since, find_job, jobs_in
from models.job_writes import held
from models.lifecycle import JobStatus
from models.metric import Goal
from models.points import after_query
from models.series import read_series
from models.store.database import Database, uninterrupted
from models.store.errors import StoreFailure
from models.store.sql import places
from models.store.statements import Query, Work

PAGE = 1_000
"""Points that one look reads."""
CHANGED = 500
"""Changed jobs that are read at once."""
IN_THREAD = 5_000
"""Values times those each is compared with: more are looked at in a thread, or the event loop would stand still."""
TRIES = 5
"""Times that a look begins again because others looked meanwhile."""
BEHIND = 5_000
"""Points that a process may look at before it keeps how far it has come: after its end they are looked at again."""
AHEAD = 10_000
"""Rules and jobs of which it is remembered how far they were looked at beyond what is kept."""
ROUND_SECONDS = 0.1
"""Between two rounds: points of a loop that logs one by one are looked at together."""
APART = timedelta(seconds=60)
"""Between two alerts of one rule and job."""

log = logging.getLogger(__name__)


class AlertChecker:
    """Looks at jobs by the rules of alerts."""

    def __init__(self, database: Database, feed: Feed, check_seconds: float, now: Callable[[], datetime] = now) -> None:
        """`check_seconds`: between two looks at all running jobs; `now`: the moment at which a look is."""
        self.database = database
        self._feed = feed
        self._check_seconds = check_seconds
        self._now = now
        self._due: dict[int, Job | None] = {}
        """Jobs to be looked at, and what they were when they last failed or were lost: they may be so no more."""
        self._seen: dict[int, tuple[object, ...]] = {}
        """What rules saw of each running job at the last look at all."""
        self._ahead: LRUCache[tuple[int, int], tuple[AlertState, AlertState]] = LRUCache(AHEAD)
        """(rule id, job id) -> the state in the store, and that after looks since, which found nothing. Nothing is
        lost with it: from the kept state they find nothing again. So a loop that logs pays for no further write."""
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, alerts are raised."""
        with self._feed.overhearing(self._hear):
            tasks = [asyncio.create_task(each) for each in (self._follow(), self._repeat())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    def _hear(self, event: Event) -> None:
        if isinstance(event, AlertRaised | JobDeleted):
            return
        job = event.job
        is_notable = job.status is JobStatus.FAILED or job.lost_since is not None
        self._due[job.id] = job if is_notable else self._due.get(job.id)
        self._news.set()

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            due, self._due = self._due, {}
            await _tried(partial(self.look, due))
            await asyncio.sleep(ROUND_SECONDS)

    async def _repeat(self) -> None:
        while True:
            await _tried(self.look_at_all)
            await asyncio.sleep(self._check_seconds)

    async def look_at_all(self) -> None:
        """Look at all running jobs, and at those that changed since all of them were last looked at.

        Raises StoreFailure.
        """
        reader = self.database.reader
        rules = [rule for rule in await read_rules(reader) if rule.enabled]
        if not rules:
            return
        at, seen = self._now(), dict[int, tuple[object, ...]]()
        for job in await jobs_in(reader, JobStatus.RUNNING):
            applying = [rule for rule in rules if rule.applies_to(job.id, job.project)]
            seen[job.id] = tuple((rule.id, rule.version, *shown(rule, job, at)) for rule in applying)
            if self._seen.get(job.id) != seen[job.id] and not await self._look_at(job, None, applying):
                del seen[job.id]
        self._seen = seen
        place = max(await last_looked(reader), min(rule.since_change for rule in rules))
        while changed := await changed_since(reader, place, CHANGED):
            for job in changed:
                await self._look_at(job, None, [rule for rule in rules if rule.applies_to(job.id, job.project)])
            place = changed[-1].change
            await self.database.write(partial(looked_until, place), lambda _: None)

    async def look(self, due: Mapping[int, Job | None]) -> None:
        """Look at some jobs: id -> what it lately was too. Raises StoreFailure."""
        rules = [rule for rule in await read_rules(self.database.reader) if rule.enabled]
        for job_id, before in due.items() if rules else ():
            job = await find_job(self.database.reader, job_id)
            if job is not None:
                applying = [rule for rule in rules if rule.applies_to(job.id, job.project)]
                await self._look_at(job, before, applying)

    async def _look_at(self, job: Job, before: Job | None, rules: Iterable[AlertRule]) -> bool:
        """Look at a job to its last point; False where others looked meanwhile, again and again, or it is gone."""
        applying = {rule.id: rule for rule in rules}
        is_left, tries = bool(applying), TRIES
        while is_left:
            stored = await states_of(self.database.reader, job.id, [*applying])
            looks = [Look(rule, stored[id], await self._begun(rule, job, stored[id])) for id, rule in applying.items()]
            at = self._now()
            for look in looks:
                if before is not None and look.rule.condition is not Condition.SILENT:
                    look_at_job(look, before, at, was=True)
                look_at_job(look, job, at)
            is_left = await self._look_at_page(job, looks)
            for look in looks:
                if not _is_to_keep(look):
                    self._ahead[look.rule.id, job.id] = look.stored, look.state
            moved = [look for look in looks if _is_to_keep(look) and look.state != look.began]
            if moved and not await self._keep(job, moved, at):
                is_left, tries = True, tries - 1
                if not tries:
                    return False
        return True

    async def _look_at_page(self, job: Job, looks: Sequence[Look]) -> bool:
        """Look at the next points, by the rules of series; whether there are more."""
        looks = [look for look in looks if look.rule.condition in OF_SERIES]
        begin = min((look.state.seq for look in looks), default=job.metric_count)
        if begin >= job.metric_count:
            return False
        reader = self.database.reader
        series = {each.name: each for each in (await read_series(reader, [job.id]))[job.id]}
        names = {look.rule.series or "" for look in looks}
        if names.isdisjoint(series):
            for look in looks:
                look.state = look.state._replace(seq=job.metric_count)
            return False
        query = after_query(("seq", "step", "values"), [job.id], begin, PAGE)
        points = [(seq, step, text) for seq, step, text in await reader.rows(query, in_thread=True)]
        if not points:
            return False
        last: int = points[-1][0]
        firsts = [attempt.first_seq for attempt in (await attempts_of(reader, [job]))[job.id]]
        maximized = {name for name, each in series.items() if each.goal is Goal.MAXIMIZE}
        found = values_of(points, names)
        for look in looks:
            name, rule = look.rule.series or "", look.rule
            work = partial(look_at_values, look, found[name], last, firsts, maximize=name in maximized)
            if rule.condition is Condition.JUMP and len(found[name]) * (rule.window or 1) > IN_THREAD:
                await asyncio.to_thread(work)
            else:
                work()
                await asyncio.sleep(0)
        return last < job.metric_count

    async def _begun(self, rule: AlertRule, job: Job, stored: AlertState) -> AlertState:
        """The state to go on from: where the rule, as it now is, has not looked yet, behind what was there before."""
        kept, ahead = self._ahead.get((rule.id, job.id), (None, stored))
        if stored.version == rule.version:
            return ahead if kept == stored else stored
        seq = 0
        if rule.condition in OF_SERIES and job.metric_count:
            seq = await self._stored_before(job, rule.since)
        return AlertState(rule.version, 1, seq, rule.since_change, stored.raised_at)

    async def _stored_before(self, job: Job, moment: datetime) -> int:
        """How many points of the job were stored until then."""
        if job.last_point_at is not None and job.last_point_at <= moment:
            return job.metric_count
        before, behind = 0, job.metric_count
        middle = 1  # most rules are older than the jobs they look at
        while before < behind:
            query = 'SELECT "recorded_at" FROM "metric" WHERE "job_id" = ? AND "seq" = ?'
            rows = await self.database.reader.rows(Query(query, [job.id, middle]))
            at = moment_of(rows[0][0]) if rows else None
            if at is not None and at <= moment:
                before = middle
            else:
                behind = middle - 1
            middle = (before + behind + 1) // 2
        return before

    @uninterrupted
    async def _keep(self, job: Job, looks: Sequence[Look], at: datetime) -> bool:
        """Raise what was found, and keep how far the rules have looked; False where another process was first."""
        by_id = {look.rule.id: look for look in looks}

        def keep() -> Work[list[AlertRaised]]:
            held_job = job
            if any(look.found for look in looks):
                held_job = yield from held(job.id, "alert", [*JobStatus])
            states = yield from held_states(job.id, by_id)
            versions = yield from _versions(by_id)
            events: list[AlertRaised] = []
            taken: dict[int, AlertState] = {}
            for id, look in by_id.items():
                if states[id] != look.stored or versions.get(id) != look.rule.version:
                    continue
                state = look.state
                for what in look.found:
                    if state.raised_at is None or at - state.raised_at >= APART:
                        state = state._replace(raised_at=at)
                        events.append(AlertRaised(held_job, (yield from raised(held_job, what, at))))
                taken[id] = state
            if len(taken) < len(looks):
                lost.append(True)
            yield from kept(job.id, taken)
            return events

        def publish(events: list[AlertRaised]) -> None:
            for event in events:
                self._feed.publish(event)

        lost: list[bool] = []
        with contextlib.suppress(JobNotFound):
            await self.database.write(keep, publish)
            return not lost
        return False


def _is_to_keep(look: Look) -> bool:
    """Whether the state is to be kept: it cannot, or not cheaply, be found again from the one that is in the store."""
    is_known = look.stored.version == look.rule.version and look.rule.condition in OF_SERIES
    return bool(look.found) or not is_known or look.state.seq - look.stored.seq >= BEHIND


def _versions(rule_ids: Iterable[int]) -> Work[Mapping[int, int]]:
    """The versions of the rules that there are."""
    ids = [*rule_ids]
    rows = yield Query(f'SELECT "id", "version" FROM "alert_rule" WHERE "id" IN ({places(ids)})', ids)  # noqa: S608  # places
    return dict(rows)


async def _tried(look: Callable[[], Awaitable[None]]) -> None:
    try:
        await look()
    except StoreFailure as outage:  # they are looked at by the next look at all
        log.warning("could not look for alerts: %s", outage)
    except Exception:
        log.exception("could not look for alerts")
