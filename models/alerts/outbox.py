"""Alerts that are still to be delivered to the webhooks of their rules.

A row is written by the transaction that raises the alert, and deleted once the receiver has answered; a process that
claims one postpones when it is due, so that others leave it alone, and find it again should that process not come back.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from tortoise import Model, fields
from tortoise.indexes import Index

from models.alert import Alert
from models.alerts.rule import AlertRule
from models.job import Job
from models.job_reads import one_query
from models.store.sql import insert, select
from models.store.statements import Query, Reader, Work

LEASE = timedelta(seconds=30)
"""How long a process has a delivery for itself: longer than an attempt can take."""
ATTEMPTS = 15
"""Of a delivery, before it is given up: over some four hours."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)


class DeliveryTable(Model):
    """An alert that is still to be delivered to a webhook. Its id is the alert's."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField(db_index=True)
    rule_id = fields.BigIntField()
    attempts = fields.IntField(default=0)
    due_at = fields.DatetimeField()

    class Meta:
        table = "alert_delivery"
        indexes = (Index(fields=["rule_id", "due_at"], name="alert_delivery_by_rule"),)


class Delivery(NamedTuple):
    """One attempt to deliver an alert."""

    alert: Alert
    rule: AlertRule
    job: Job
    attempt: int
    """1, 2, 3…; more than there may be where the last one never ended."""


class Due(NamedTuple):
    """What is to be delivered first of the alerts of one rule."""

    id: int
    webhook: str | None


_DUE = """SELECT "alert_delivery"."id", "alert_rule"."webhook" FROM "alert_rule"
    JOIN "alert_delivery" ON "alert_delivery"."id" = (SELECT "due"."id" FROM "alert_delivery" AS "due"
        WHERE "due"."rule_id" = "alert_rule"."id" AND "due"."due_at" <= ? ORDER BY "due"."due_at" LIMIT 1)
    ORDER BY random()"""
_DELETE = 'DELETE FROM "alert_delivery" WHERE "id" = ?'


def enqueued(alert: Alert) -> Work[None]:
    """A delivery to the webhook of the alert's rule, if that has one. Due at once."""
    rows = yield Query('SELECT 1 FROM "alert_rule" WHERE "id" = ? AND "webhook" IS NOT NULL', [alert.rule_id])
    if rows:
        columns = ("id", "job_id", "rule_id", "attempts", "due_at")
        yield Query(insert("alert_delivery", columns), [alert.id, alert.job_id, alert.rule_id, 0, alert.raised_at])


async def due_deliveries(reader: Reader, at: datetime) -> list[Due]:
    """The longest due delivery of each rule, in an order by chance: where there are too many, each has its turn.

    It takes as long however many there are of each.
    """
    return [Due(*row) for row in await reader.rows(Query(_DUE, [at]))]


def claimed(id: int, at: datetime) -> Work[Delivery | None]:
    """A delivery, for this process alone until the lease is over; None where another has it, or it is there no more."""
    rows = yield Query(
        select("alert_delivery", ("attempts",), 'WHERE "id" = ? AND "due_at" <= ?'), [id, at], locks=True
    )
    if not rows:
        return None
    alerts = yield Query(select("alert", Alert._fields, 'WHERE "id" = ?'), [id])
    alert = Alert.of(alerts[0]) if alerts else None
    jobs = (yield one_query(Job._fields, alert.job_id)) if alert else []
    by_id = select("alert_rule", AlertRule._fields, 'WHERE "id" = ?')
    rules = (yield Query(by_id, [alert.rule_id])) if alert else []
    if alert is None or not jobs or not rules or AlertRule.of(rules[0]).webhook is None:
        yield Query(_DELETE, [id])  # the rule has no webhook any more, or its job is deleted
        return None
    attempt = int(rows[0][0]) + 1
    yield Query('UPDATE "alert_delivery" SET "attempts" = ?, "due_at" = ? WHERE "id" = ?', [attempt, at + LEASE, id])
    return Delivery(alert, AlertRule.of(rules[0]), Job.of(jobs[0]), attempt)


def removed(id: int) -> Work[None]:
    """End the delivery of an alert."""
    yield Query(_DELETE, [id])


def postponed(id: int, attempt: int, at: datetime, part: float) -> Work[None]:
    """Try again after a pause that doubles with each attempt. `part`: 0 to 1, of the half of it that is chance.

    Unless another process tries meanwhile, for the lease was over.
    """
    pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * (0.5 + part / 2)
    yield Query('UPDATE "alert_delivery" SET "due_at" = ? WHERE "id" = ? AND "attempts" = ?', [at + pause, id, attempt])
