"""What a job measured, name by name: how often, its last, lowest and highest value, and what is known of the name.

Kept beside the points by the transaction that stores them, so that no list has to read points.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from tortoise import Model, fields
from tortoise.indexes import Index

from models.metric import Goal, NonFinite, instant
from models.store.sql import insert, places, select
from models.store.statements import Insert, Query, Reader, Row, Work
from models.tally import COUNTED, SYSTEM, Tally
from models.validation import Faults, check_series_name, clean

LOSSES = ("loss", "train/loss", "train_loss", "training_loss", "train_loss_step")
"""The names of which the first that there is, is a job's main series."""

MOST_SERIES = 50_000
"""Series of several jobs that are read at once where they are not named."""


class SeriesTable(Model):
    """One name of a job. A row without a count is of a name that was defined, and not logged yet."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    name = fields.CharField(max_length=250)
    first_seq = fields.BigIntField(default=0)
    count = fields.BigIntField(default=0)
    non_finite_count = fields.BigIntField(default=0)
    last_seq = fields.BigIntField(null=True)
    last_step = fields.BigIntField(null=True)
    last_value = fields.FloatField(null=True)
    last_non_finite = fields.CharEnumField(NonFinite, max_length=16, null=True)
    last_us = fields.BigIntField(null=True)
    lowest_seq = fields.BigIntField(null=True)
    lowest_step = fields.BigIntField(null=True)
    lowest_value = fields.FloatField(null=True)
    lowest_us = fields.BigIntField(null=True)
    highest_seq = fields.BigIntField(null=True)
    highest_step = fields.BigIntField(null=True)
    highest_value = fields.FloatField(null=True)
    highest_us = fields.BigIntField(null=True)
    goal = fields.CharEnumField(Goal, max_length=16, null=True)
    unit = fields.CharField(max_length=200, null=True)
    is_main = fields.BooleanField(default=False)

    class Meta:
        table = "series"
        unique_together = (("job_id", "name"),)
        indexes = (Index(fields=("name", "job_id"), name="series_by_name"),)


class Place(NamedTuple):
    """One point of a series."""

    seq: int
    step: int
    value: float | None
    non_finite: NonFinite | None
    us: int
    """When it was measured, or else stored, in microseconds since 1970."""

    @property
    def at(self) -> datetime:
        """When it was measured, or else stored."""
        at = instant(self.us)
        assert at is not None
        return at


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of one name of a job."""

    job_id: int
    name: str
    count: int
    non_finite_count: int
    last: Place
    """That of the highest step, and there of the highest seq."""
    lowest: Place | None
    highest: Place | None
    goal: Goal | None
    unit: str | None
    is_main: bool


_LAST = 'excluded."last_step" >= COALESCE("series"."last_step", -1)'
_LOWEST = 'excluded."lowest_value" < "series"."lowest_value" OR "series"."lowest_value" IS NULL'
_HIGHEST = 'excluded."highest_value" > "series"."highest_value" OR "series"."highest_value" IS NULL'
_TAKEN = {"last": _LAST, "lowest": _LOWEST, "highest": _HIGHEST}
_MERGED = ", ".join(
    [
        '"first_seq" = CASE WHEN "series"."count" = 0 THEN excluded."first_seq" ELSE "series"."first_seq" END',
        '"count" = "series"."count" + excluded."count"',
        '"non_finite_count" = "series"."non_finite_count" + excluded."non_finite_count"',
        *(
            f'"{column}" = CASE WHEN {_TAKEN[column.partition("_")[0]]} THEN excluded."{column}" '
            f'ELSE "series"."{column}" END'
            for column in COUNTED[4:]
        ),
    ]
)
MERGED = f'ON CONFLICT ("job_id", "name") DO UPDATE SET {_MERGED}'
"""Adds a tally to what is stored; new points have higher seqs than those that are there."""


def recorded(job_id: int, tally: Tally) -> Work[None]:
    """Add what new points say to the series of their names."""
    if rows := tally.rows():
        shared = {"job_id": job_id, "is_main": False}
        yield Insert("series", shared, COUNTED, rows, MERGED)


EMPTY = ", ".join(f'"{column}" = {0 if column.endswith("count") else "NULL"}' for column in COUNTED[2:])


def replaced(job_id: int, tally: Tally) -> Work[None]:
    """Let the series of a job be those of a tally alone; what was defined of them stays."""
    yield Query(f'UPDATE "series" SET {EMPTY} WHERE "job_id" = ?', [job_id])  # noqa: S608  # names of ours
    yield from recorded(job_id, tally)


class Definition(NamedTuple):
    """What is said of a series; what is None stays as it was."""

    name: str
    goal: Goal | None = None
    unit: str | None = None
    is_main: bool | None = None


MAX_DEFINED = 1_000
"""Series that one call defines."""


def checked_definitions(definitions: Sequence[Definition]) -> list[Definition]:
    """The definitions with their names cleaned. Raises InvalidInput, with all faults."""
    faults = Faults()
    if len(definitions) > MAX_DEFINED:
        faults.add("series", f"one call defines at most {MAX_DEFINED} series, got {len(definitions)}.")
    checked = []
    for index, each in enumerate(definitions[:MAX_DEFINED]):
        name = faults.checked("", partial(check_series_name, f"series[{index}].name", each.name), "")
        unit = each.unit
        if unit is not None:
            unit = faults.checked("", partial(clean, f"series[{index}].unit", unit), None)
        checked.append(each._replace(name=name, unit=unit))
    if sum(each.is_main or False for each in checked) > 1:
        faults.add("series", "a job has one main series.")
    faults.end()
    return checked


def defined(job_id: int, definitions: Sequence[Definition]) -> Work[None]:
    """Store what is said of some series of a job."""
    if any(each.is_main for each in definitions):
        yield Query('UPDATE "series" SET "is_main" = FALSE WHERE "job_id" = ?', [job_id])
    for each in definitions:
        said = {
            column: value
            for column, value in (("goal", each.goal), ("unit", each.unit), ("is_main", each.is_main))
            if value is not None
        }
        row = {"job_id": job_id, "name": each.name, "first_seq": 0, "count": 0, "non_finite_count": 0, "is_main": False}
        row |= said
        taken = ", ".join(f'"{column}" = excluded."{column}"' for column in said)
        rest = f'ON CONFLICT ("job_id", "name") DO {f"UPDATE SET {taken}" if said else "NOTHING"}'
        yield Query(insert("series", (*row,), rest=rest), [*row.values()])


_READ = ("job_id", *COUNTED, "goal", "unit", "is_main")


async def count_series(reader: Reader, job_ids: Sequence[int]) -> int:
    """How many series some jobs have, all together."""
    query = f'SELECT count(*) FROM "series" WHERE "job_id" IN ({places(job_ids)})'  # noqa: S608  # names of ours
    ((count,),) = await reader.rows(Query(query, job_ids), in_thread=len(job_ids) > 20)
    return int(count)


async def read_series(
    reader: Reader, job_ids: Sequence[int], names: Collection[str] | None = None
) -> dict[int, list[Series]]:
    """The series of each job, or those of some names, in the order of their first points, in one query."""
    wanted, parameters = f'"job_id" IN ({places(job_ids)}) AND "count" > 0', [*job_ids]
    rows = await reader.rows(
        Query(select("series", _READ, f'WHERE {wanted} ORDER BY "job_id", "first_seq", "id"'), parameters),
        in_thread=len(job_ids) > 20,
    )
    found: dict[int, list[Series]] = {job_id: [] for job_id in job_ids}
    for row in rows:
        found[row[0]].append(_series(row))
    return {job_id: _chosen(_with_main(of_job), names) for job_id, of_job in found.items()}


def _series(row: Row) -> Series:
    job_id, name, _, count, non_finite_count, seq, step, value, non_finite, us, *finite, goal, unit, is_main = row
    low_seq, low_step, low, low_us, high_seq, high_step, high, high_us = finite
    return Series(
        job_id,
        name,
        count,
        non_finite_count,
        Place(seq, step, value, None if non_finite is None else NonFinite(non_finite), us),
        None if low_seq is None else Place(low_seq, low_step, low, None, low_us),
        None if high_seq is None else Place(high_seq, high_step, high, None, high_us),
        None if goal is None else Goal(goal),
        unit,
        bool(is_main),
    )


def _with_main(series: list[Series]) -> list[Series]:
    """The series of one job, one of them its main one: as it was defined, or else by its name."""
    if any(each.is_main for each in series):
        return series
    main = main_name([each.name for each in series])
    return [replace(each, is_main=True) if each.name == main else each for each in series]


def main_name(names: Sequence[str]) -> str | None:
    """The name of the main series, of names in the order in which they were first logged."""
    for each in LOSSES:
        if each in names:
            return each
    outside = [name for name in names if not name.startswith(SYSTEM)]
    return next((name for name in outside if name.endswith("loss")), next(iter(outside), None))


def _chosen(series: list[Series], names: Iterable[str] | None) -> list[Series]:
    if names is None:
        return series
    wanted = set(names)
    return [each for each in series if each.name in wanted]
