"""Jobs that were deleted: known for a while to those who follow lists, and swept away in pieces."""

from datetime import datetime
from typing import NamedTuple

from tortoise import Model, fields

from models.cursors import cursor_of
from models.store.sql import select
from models.store.statements import Query, Reader, Work

PIECE = 200
"""Rows that one transaction deletes: whoever else writes waits for it."""
BELONGING = (
    "alert_rule",
    "alert",
    "alert_delivery",
    "alert_state",
    "metric",
    "curve_chunk",
    "series",
    "config_value",
    "config",
    "tag",
    "attempt",
)
"""The tables with rows of a job."""


class DeletionTable(Model):
    """A job that was deleted."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField(unique=True)
    change = fields.BigIntField(unique=True)
    at = fields.DatetimeField(db_index=True)
    metric_count = fields.BigIntField()
    is_swept = fields.BooleanField(default=False)
    """Whether nothing of it is left."""

    class Meta:
        table = "deleted_job"


class Deletion(NamedTuple):
    """That a job was deleted."""

    job_id: int
    change: int
    """Its place among the changes of all jobs."""

    @property
    def id(self) -> int:
        """That of the job."""
        return self.job_id

    @property
    def cursor(self) -> str:
        """Its place, as clients have it."""
        return cursor_of(self.change)

    @property
    def identity(self) -> tuple[str, int]:
        """What distinguishes it from all else that is told of jobs."""
        return "deletion", self.change


async def deleted_since(reader: Reader, change: int, limit: int) -> list[Deletion]:
    """The first deletions later than a change, in their order; those of the last 30 days are known."""
    rest = 'WHERE "change" > ? ORDER BY "change" LIMIT ?'
    query = Query(select("deleted_job", Deletion._fields, rest), [change, limit])
    return [Deletion(*row) for row in await reader.rows(query)]


async def is_anything_left(reader: Reader, before: datetime) -> bool:
    """Whether `sweep`, or `forgotten` of that moment, has work: a writer would hold up others for nothing."""
    query = 'SELECT 1 FROM "deleted_job" WHERE "is_swept" = FALSE OR "at" < ? LIMIT 1'
    return bool(await reader.rows(Query(query, [before])))


def sweep() -> Work[bool]:
    """Delete a piece of what deleted jobs have left; False where there is nothing to do."""
    rows = yield Query('SELECT "job_id" FROM "deleted_job" WHERE "is_swept" = FALSE ORDER BY "id" LIMIT 1', locks=True)
    if not rows:
        return False
    ((job_id,),) = rows
    for table in BELONGING:
        piece = f'SELECT "id" FROM "{table}" WHERE "job_id" = ? LIMIT {PIECE if table != "curve_chunk" else 10}'  # noqa: S608  # names of ours
        ids = yield Query(piece, [job_id])
        if ids:
            listed = ", ".join(str(id) for (id,) in ids)
            yield Query(f'DELETE FROM "{table}" WHERE "id" IN ({listed})')  # noqa: S608  # numbers of ours
            return True
    yield Query('UPDATE "deleted_job" SET "is_swept" = TRUE WHERE "job_id" = ?', [job_id])
    return True


def forgotten(before: datetime) -> Work[None]:
    """Forget the deletions before some moment, of which nothing is left."""
    yield Query('DELETE FROM "deleted_job" WHERE "is_swept" = TRUE AND "at" < ?', [before])
