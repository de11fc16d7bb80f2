"""An alert: its table, and a row of it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from tortoise import Model, fields

from models.job import moment_of


class Condition(StrEnum):
    """What raises an alert."""

    NOT_FINITE = "NOT_FINITE"
    ABOVE = "ABOVE"
    BELOW = "BELOW"
    NO_IMPROVEMENT = "NO_IMPROVEMENT"
    JUMP = "JUMP"
    SILENT = "SILENT"
    FAILED = "FAILED"
    LOST = "LOST"


class AlertLevel(StrEnum):
    """How urgent an alert is."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class AlertTable(Model):
    """That something needs to be looked at."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField(db_index=True)
    rule_id = fields.BigIntField(null=True)
    title = fields.CharField(max_length=500)
    text = fields.TextField()
    level = fields.CharEnumField(AlertLevel, max_length=16)
    seq = fields.BigIntField(null=True)
    step = fields.BigIntField(null=True)
    value = fields.FloatField(null=True)
    raised_at = fields.DatetimeField()
    acknowledged_at = fields.DatetimeField(null=True)

    class Meta:
        table = "alert"


class Alert(NamedTuple):
    """That something needs to be looked at. Its fields are the columns of the table."""

    id: int
    """1, 2, 3… in the order of the commits that raised them."""
    job_id: int
    rule_id: int | None
    """None for one that the loop raised; it may be that of a rule that is deleted."""
    title: str
    text: str
    level: AlertLevel
    seq: int | None
    step: int | None
    value: float | None
    raised_at: datetime
    acknowledged_at: datetime | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """The alert of a row with its columns."""
        alert = cls._make(row)
        raised_at = moment_of(alert.raised_at)
        assert raised_at is not None
        return alert._replace(
            level=AlertLevel(alert.level), raised_at=raised_at, acknowledged_at=moment_of(alert.acknowledged_at)
        )
