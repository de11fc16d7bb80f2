"""How far a rule has looked at a job: kept, so that each crossing is raised once, also over restarts and replicas."""

from datetime import datetime
from typing import Any, NamedTuple, Self

import orjson
from tortoise import Model, fields

from models.alerts.conditions import Memory
from models.job import moment_of
from models.store.sql import insert, select
from models.store.statements import Query, Row, Work


class AlertStateTable(Model):
    """How far a rule has looked at a job."""

    id = fields.BigIntField(primary_key=True)
    rule_id = fields.BigIntField()
    job_id = fields.BigIntField(db_index=True)
    attempt = fields.IntField(default=1)
    seq = fields.BigIntField(default=0)
    change = fields.BigIntField(default=0)
    raised_at = fields.DatetimeField(null=True)
    memory = fields.TextField(null=True)

    class Meta:
        table = "alert_state"
        unique_together = (("rule_id", "job_id"),)


class AlertState(NamedTuple):
    """How far a rule has looked at a job. Its fields are the columns of the table."""

    attempt: int = 1
    """The attempt that the memory is of: each begins anew."""
    seq: int = 0
    """The last point that was looked at."""
    change: int = 0
    """The last change of the job that was looked at."""
    raised_at: datetime | None = None
    """When it last raised an alert."""
    memory: str | None = None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The state of a row with its columns."""
        state = cls._make(row)
        return state._replace(raised_at=moment_of(state.raised_at))

    def remembered(self) -> Memory:
        """What is remembered of the series."""
        return Memory() if self.memory is None else Memory.of(orjson.loads(self.memory))


_WHERE = 'WHERE "rule_id" = ? AND "job_id" = ?'


def held_state(rule_id: int, job_id: int) -> Work[AlertState | None]:
    """The state, held until the transaction ends; None where there is none yet."""
    rows = yield Query(select("alert_state", AlertState._fields, _WHERE), [rule_id, job_id], locks=True)
    return AlertState.of(rows[0]) if rows else None


def kept(rule_id: int, job_id: int, state: AlertState) -> Work[None]:
    """Keep the state."""
    columns: dict[str, Any] = {"rule_id": rule_id, "job_id": job_id, **state._asdict()}
    taken = ", ".join(f'"{column}" = excluded."{column}"' for column in AlertState._fields)
    rest = f'ON CONFLICT ("rule_id", "job_id") DO UPDATE SET {taken}'
    yield Query(insert("alert_state", (*columns,), rest=rest), [*columns.values()])
