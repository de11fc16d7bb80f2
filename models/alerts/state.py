"""How far a rule has looked at a job: kept, so that each crossing is raised once, also over restarts and replicas."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Self

import orjson
from tortoise import Model, fields

from models.alerts.conditions import Memory
from models.job import moment_of
from models.store.sql import places, select
from models.store.statements import Insert, Query, Reader, Row, Work


class AlertStateTable(Model):
    """How far a rule has looked at a job."""

    id = fields.BigIntField(primary_key=True)
    rule_id = fields.BigIntField()
    job_id = fields.BigIntField(db_index=True)
    version = fields.IntField(default=1)
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

    version: int = 0
    """That of the rule that has looked; 0 where none has."""
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
        """What is remembered of the job."""
        return Memory() if self.memory is None else Memory.of(orjson.loads(self.memory))

    def remembering(self, memory: Memory) -> Self:
        """The same with another memory."""
        return self._replace(memory=orjson.dumps(memory.as_json()).decode())


_TAKEN = ", ".join(f'"{column}" = excluded."{column}"' for column in AlertState._fields)


def _query(job_id: int, rule_ids: Collection[int], *, locks: bool = False) -> Query:
    rest = f'WHERE "job_id" = ? AND "rule_id" IN ({places(rule_ids)}) ORDER BY "rule_id"'
    return Query(select("alert_state", ("rule_id", *AlertState._fields), rest), [job_id, *rule_ids], locks=locks)


async def states_of(reader: Reader, job_id: int, rule_ids: Collection[int]) -> Mapping[int, AlertState]:
    """How far some rules have looked at a job; AlertState() where they have not."""
    rows = await reader.rows(_query(job_id, rule_ids))
    return dict.fromkeys(rule_ids, AlertState()) | {row[0]: AlertState.of(row[1:]) for row in rows}


def held_states(job_id: int, rule_ids: Collection[int]) -> Work[Mapping[int, AlertState]]:
    """The same, held until the transaction ends: also a state that was not there, or two could make it."""
    rule_ids = sorted(rule_ids)
    new = [(rule_id, *AlertState()) for rule_id in rule_ids]
    yield Insert("alert_state", {"job_id": job_id}, ("rule_id", *AlertState._fields), new, "ON CONFLICT DO NOTHING")
    rows = yield _query(job_id, rule_ids, locks=True)
    return {row[0]: AlertState.of(row[1:]) for row in rows}


def kept(job_id: int, states: Mapping[int, AlertState]) -> Work[None]:
    """Keep the states of some rules."""
    rows = [(rule_id, *state) for rule_id, state in sorted(states.items())]
    rest = f'ON CONFLICT ("rule_id", "job_id") DO UPDATE SET {_TAKEN}'
    yield Insert("alert_state", {"job_id": job_id}, ("rule_id", *AlertState._fields), rows, rest)
