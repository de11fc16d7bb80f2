"""How far all processes have come with alerts: the count of alerts, and of changes of jobs that were looked at."""

from tortoise import Model, fields

from models.store.statements import Query, Reader, Work


class AlertPlaceTable(Model):
    """One row, with the id 1, made by the first write."""

    id = fields.BigIntField(primary_key=True)
    alert = fields.BigIntField(default=0, db_default=0)
    change = fields.BigIntField(default=0, db_default=0)

    class Meta:
        table = "alert_place"


_NEXT = """INSERT INTO "alert_place" ("id", "alert", "change") VALUES (1, 1, 0)
    ON CONFLICT ("id") DO UPDATE SET "alert" = "alert_place"."alert" + 1 RETURNING "alert" """
_LOOKED = """INSERT INTO "alert_place" ("id", "alert", "change") VALUES (1, 0, ?)
    ON CONFLICT ("id") DO UPDATE SET "change" = excluded."change" WHERE "alert_place"."change" < excluded."change" """


def next_alert() -> Work[int]:
    """The id of an alert, in the order of the commits and without a gap: whoever follows alerts misses none.

    Whoever takes one holds the row until the commit, so it is taken last, once the job's row and the states are held.
    """
    ((number,),) = yield Query(_NEXT)
    return int(number)


def looked_until(change: int) -> Work[None]:
    """Keep that the rules have looked at each change of a job up to this one."""
    yield Query(_LOOKED, [change])


async def last_alert(reader: Reader) -> int:
    """The id of the last alert; 0 where there is none."""
    return await _column(reader, "alert")


async def last_looked(reader: Reader) -> int:
    """The change up to which the rules have looked."""
    return await _column(reader, "change")


async def _column(reader: Reader, column: str) -> int:
    rows = await reader.rows(Query(f'SELECT "{column}" FROM "alert_place" WHERE "id" = 1'))  # noqa: S608  # names of ours
    return int(rows[0][0]) if rows else 0
