"""The verbs of alerts and their rules, and the reads of both."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from models.alert import Alert, AlertLevel
from models.alerts.outbox import enqueued
from models.alerts.place import next_alert
from models.alerts.rule import AlertRule, NewRule
from models.deployment import current_change
from models.errors import AlertNotFound, AlertRuleNotFound, JobNotFound
from models.feed.channel import AlertRaised, Feed
from models.job import Job, now
from models.job_reads import jobs_by_id, one_query
from models.job_writes import held
from models.lifecycle import JobStatus
from models.store.database import Database, uninterrupted
from models.store.sql import insert, places, select, update
from models.store.statements import Query, Reader, Work
from models.validation import Faults, clean, clean_text, name_or_none

_OF_A_JOB = 'EXISTS (SELECT 1 FROM "job" WHERE "job"."id" = "alert"."job_id")'
"""Alerts go with their job: those of a deleted one are swept away after a while."""


class Raised(NamedTuple):
    """What is said of an alert that is raised."""

    title: str
    text: str
    level: AlertLevel
    rule_id: int | None = None
    seq: int | None = None
    step: int | None = None
    value: float | None = None


class AlertFilter(NamedTuple):
    """Which alerts are meant: those for which all that is not None holds."""

    job_id: int | None = None
    project: str | None = None
    acknowledged: bool | None = None
    """True for those that are acknowledged; else those that are not."""


class AlertPage(NamedTuple):
    """A page of alerts."""

    alerts: list[Alert]
    cursors: list[str]
    has_next: bool


def raised(job: Job, what: Raised, at: datetime) -> Work[Alert]:
    """Store an alert of a job, whose row is held: else it could be deleted, and the alert stay.

    With it its delivery to the webhook of its rule.
    """
    id = yield from next_alert()
    alert = Alert(id=id, job_id=job.id, raised_at=at, acknowledged_at=None, **what._asdict())
    yield Query(insert("alert", Alert._fields), [*alert])
    yield from enqueued(alert)
    return alert


class Alerts:
    """The verbs of one store. Each publishes to the feed what it did."""

    def __init__(self, database: Database, feed: Feed, allowed_webhooks: Collection[str] = ()) -> None:
        """`allowed_webhooks`: hosts that may be private, and reached without TLS."""
        self.database = database
        self._publish = feed.publish
        self._allowed_webhooks = allowed_webhooks

    @uninterrupted
    async def create_rule(self, new: NewRule) -> AlertRule:
        """A new rule. Raises InvalidInput, with all broken rules, and JobNotFound."""
        new = new.checked(self._allowed_webhooks)

        def create() -> Work[AlertRule]:
            yield from _existing(new.job_id)
            columns = {**new._asdict(), "version": 1, "since": now(), "since_change": (yield from current_change())}
            ((id,),) = yield Query(insert("alert_rule", (*columns,), rest='RETURNING "id"'), [*columns.values()])
            return AlertRule(id=id, **columns)

        return await self.database.write(create, lambda _: None)

    @uninterrupted
    async def update_rule(self, id: int, new: NewRule, *, keeps_webhook: bool) -> AlertRule:
        """Let a rule be another. `keeps_webhook`: with the address that it has.

        Raises InvalidInput, with all broken rules, AlertRuleNotFound and JobNotFound.
        """
        new = new.checked(self._allowed_webhooks)

        def change() -> Work[AlertRule]:
            rule = yield from _held_rule(id)
            yield from _existing(new.job_id)
            columns: dict[str, Any] = {**new._asdict()}
            if keeps_webhook:
                del columns["webhook"]
            changed = rule._replace(**columns)
            if changed.looks_for != rule.looks_for:
                # What was remembered was of something else; points that are stored already do not count.
                columns |= {"version": rule.version + 1, "since": now(), "since_change": (yield from current_change())}
                changed = rule._replace(**columns)
            yield Query(update("alert_rule", columns, '"id" = ?'), [*columns.values(), id])
            return changed

        return await self.database.write(change, lambda _: None)

    @uninterrupted
    async def delete_rule(self, id: int) -> None:
        """Delete a rule; the alerts that it raised stay. Raises AlertRuleNotFound."""

        def delete() -> Work[None]:
            yield from _held_rule(id)
            for table in ("alert_state", "alert_delivery"):
                yield Query(f'DELETE FROM "{table}" WHERE "rule_id" = ?', [id])  # noqa: S608  # names of ours
            yield Query('DELETE FROM "alert_rule" WHERE "id" = ?', [id])

        await self.database.write(delete, lambda _: None)

    @uninterrupted
    async def raise_by_loop(self, job_id: int, title: str, text: str | None, level: AlertLevel) -> Alert:
        """An alert that the loop of a job raises. Raises InvalidInput, JobNotFound."""
        faults = Faults()
        what = Raised(
            title=faults.checked("title", lambda: clean("title", title), ""),
            text=faults.checked("text", lambda: clean_text("text", text or ""), ""),
            level=level,
        )
        faults.end()

        def work() -> Work[AlertRaised]:
            job = yield from held(job_id, "alert", [*JobStatus])
            return AlertRaised(job, (yield from raised(job, what, now())))

        return (await self.database.write(work, self._publish)).alert

    @uninterrupted
    async def acknowledge(self, id: int) -> Alert:
        """Take note of an alert; a second time changes nothing. Raises AlertNotFound."""

        def work() -> Work[Alert]:
            rest = f'WHERE "id" = ? AND {_OF_A_JOB}'
            rows = yield Query(select("alert", Alert._fields, rest), [id], locks=True)
            if not rows:
                raise AlertNotFound(id)
            alert = Alert.of(rows[0])
            if alert.acknowledged_at is not None:
                return alert
            at = now()
            yield Query('UPDATE "alert" SET "acknowledged_at" = ? WHERE "id" = ?', [at, id])
            return alert._replace(acknowledged_at=at)

        return await self.database.write(work, lambda _: None)


def _held_rule(id: int) -> Work[AlertRule]:
    rows = yield Query(select("alert_rule", AlertRule._fields, 'WHERE "id" = ?'), [id], locks=True)
    if not rows:
        raise AlertRuleNotFound(id)
    return AlertRule.of(rows[0])


def _existing(job_id: int | None) -> Work[None]:
    if job_id is not None and not (yield one_query(("id",), job_id)):
        raise JobNotFound(job_id)


async def read_rules(reader: Reader, *, job: Job | None = None, project: str | None = None) -> list[AlertRule]:
    """All rules, or those that apply to a job, or to jobs of a project, by id."""
    rows = await reader.rows(Query(select("alert_rule", AlertRule._fields, 'ORDER BY "id"')))
    rules = [AlertRule.of(row) for row in rows]
    if job is not None:
        rules = [rule for rule in rules if rule.applies_to(job.id, job.project)]
    if project is not None:
        project = name_or_none(project) or ""
        one_job = {rule.job_id for rule in rules if rule.job_id is not None}
        jobs = await jobs_by_id(reader, one_job) if one_job else {}
        within = {None, *(id for id, job in jobs.items() if job.project == project)}
        rules = [rule for rule in rules if rule.project in (None, project) and rule.job_id in within]
    return rules


async def rules_by_id(reader: Reader, ids: Collection[int]) -> Mapping[int, AlertRule]:
    """Those of the rules that there are, by their ids."""
    rest = f'WHERE "id" IN ({places(ids)})'
    rows = await reader.rows(Query(select("alert_rule", AlertRule._fields, rest), [*ids]))
    return {rule.id: rule for rule in map(AlertRule.of, rows)}


async def list_alerts(reader: Reader, filter: AlertFilter, first: int, after: str | None) -> AlertPage:
    """The first `first` alerts behind a cursor, the latest first. Raises ValueError where it is no cursor."""
    where, parameters = _conditions(filter)
    if after is not None:
        where += ' AND "id" < ?'
        parameters.append(_id_of(after))
    rest = f'WHERE {where} ORDER BY "id" DESC LIMIT ?'
    rows = await reader.rows(Query(select("alert", Alert._fields, rest), [*parameters, first + 1]), in_thread=True)
    alerts = [Alert.of(row) for row in rows]
    return AlertPage(alerts[:first], [_cursor_of(alert.id) for alert in alerts[:first]], len(alerts) > first)


async def find_alert(reader: Reader, id: int) -> Alert | None:
    """The alert with that id, or None."""
    rows = await reader.rows(Query(select("alert", Alert._fields, f'WHERE "id" = ? AND {_OF_A_JOB}'), [id]))
    return Alert.of(rows[0]) if rows else None


async def count_alerts(reader: Reader, filter: AlertFilter) -> int:
    """How many such alerts there are."""
    where, parameters = _conditions(filter)
    query = f'SELECT count(*) FROM "alert" WHERE {where}'  # noqa: S608  # names of ours
    ((count,),) = await reader.rows(Query(query, parameters), in_thread=True)
    return int(count)


async def alerts_after(reader: Reader, id: int, limit: int) -> list[Alert]:
    """The first alerts behind that id, in the order in which they were raised."""
    rest = f'WHERE "id" > ? AND {_OF_A_JOB} ORDER BY "id" LIMIT ?'
    return [Alert.of(row) for row in await reader.rows(Query(select("alert", Alert._fields, rest), [id, limit]))]


def _conditions(filter: AlertFilter) -> tuple[str, list[Any]]:
    where = [f'"acknowledged_at" IS {"NOT " if filter.acknowledged else ""}NULL']
    parameters: list[Any] = []
    if filter.job_id is not None:
        where.append('"job_id" = ?')
        parameters.append(filter.job_id)
    if filter.project is None:
        where.append(_OF_A_JOB)
    elif (project := name_or_none(filter.project)) is None:
        where.append("FALSE")  # no project is called that
    else:
        where.append('"job_id" IN (SELECT "id" FROM "job" WHERE "project" = ?)')
        parameters.append(project)
    return " AND ".join(where), parameters


def _cursor_of(id: int) -> str:
    return urlsafe_b64encode(b"alert:%d" % id).decode().rstrip("=")


def _id_of(cursor: str) -> int:
    kind, _, number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    if kind != "alert" or not number.isdecimal() or len(number) > 18:
        raise ValueError("is no cursor of alerts.")
    return int(number)
