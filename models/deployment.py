"""What all processes that use a store share: the count of changes."""

from tortoise import Model, fields

from models.store.statements import Query, Reader, Work


class DeploymentTable(Model):
    """One row, with the id 1, made by the first write."""

    id = fields.BigIntField(primary_key=True)
    change = fields.BigIntField(default=0, db_default=0)
    """How many changes of jobs there were: each is made by a transaction that raises this."""

    class Meta:
        table = "deployment"


_NEXT = """INSERT INTO "deployment" ("id", "change") VALUES (1, 1)
    ON CONFLICT ("id") DO UPDATE SET "change" = "deployment"."change" + 1 RETURNING "change" """


def next_change() -> Work[int]:
    """The place of a change among the changes of all jobs, in the order of their commits, without a gap.

    Whoever takes one holds the row until the commit, so it is taken as the last thing before the change is written,
    once the job's own row is held: two transactions that took them in another order would wait for each other.
    """
    ((number,),) = yield Query(_NEXT)
    return int(number)


_HOLD = """INSERT INTO "deployment" ("id", "change") VALUES (1, 0)
    ON CONFLICT ("id") DO UPDATE SET "change" = "deployment"."change" """


def hold_changes() -> Work[None]:
    """Have all others who change jobs wait until the commit, as `next_change` does, without taking a place."""
    yield Query(_HOLD)


def current_change() -> Work[int]:
    """How many changes of jobs there were so far, in a transaction."""
    rows = yield Query('SELECT "change" FROM "deployment" WHERE "id" = 1')
    return int(rows[0][0]) if rows else 0


async def count_of_changes(reader: Reader) -> int:
    """How many changes of jobs there were so far."""
    rows = await reader.rows(Query('SELECT "change" FROM "deployment" WHERE "id" = 1'))
    return int(rows[0][0]) if rows else 0
