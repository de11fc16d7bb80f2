"""Lists of jobs by filters that combine, in any order, a page at a time.

A page begins at the value and the id of the last job already seen, so it stays right while jobs come and change, and
costs the same at any depth. Jobs without a value of the order come last: a list is read in phases, of which each has
an index.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from models.config import is_secret
from models.job import Job, moment_of
from models.lifecycle import JobStatus
from models.store.sql import names, places
from models.store.statements import Query, Reader
from models.validation import MAX_ID

PHASES = range(3)
"""Of a list, at most."""


class BadCursor(ValueError):
    """A cursor of no list, or of one with another filter or order."""


class SeriesValue(StrEnum):
    """Which value of a series is looked at: the column that has it."""

    LAST = "last_value"
    LOWEST = "lowest_value"
    HIGHEST = "highest_value"


class JobOrderField(StrEnum):
    """What a list may be ordered by: the column of the job."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    STARTED_AT = "started_at"
    FINISHED_AT = "finished_at"
    NAME = "name"
    PROGRESS = "progress"


class ConfigCondition(NamedTuple):
    """What the value at a path of the config has to be: all that is not None holds."""

    path: str
    equals: str | None = None
    """As `models.config.canonical` writes it."""
    above: float | None = None
    below: float | None = None


class SeriesCondition(NamedTuple):
    """What a value of a series has to be: all that is not None holds."""

    name: str
    of: SeriesValue = SeriesValue.LAST
    above: float | None = None
    below: float | None = None


class JobFilter(NamedTuple):
    """Which jobs are meant: those for which all that is not None holds."""

    projects: Sequence[str] | None = None
    status: Sequence[JobStatus] | None = None
    tags: Sequence[str] = ()
    group: str | None = None
    words: Sequence[str] = ()
    """Each in the name or model name, case folded."""
    lost: bool | None = None
    archived: bool | None = False
    created_after: datetime | None = None
    created_before: datetime | None = None
    config: Sequence[ConfigCondition] = ()
    series: Sequence[SeriesCondition] = ()
    parent_id: int | None = None


class JobOrder(NamedTuple):
    """By what a list is ordered: by the value of a field, at a path of the config, or of a series; then by id."""

    field: JobOrderField | None = JobOrderField.CREATED_AT
    config: str | None = None
    series: str | None = None
    of: SeriesValue = SeriesValue.LAST
    descending: bool = True


class Listed(NamedTuple):
    """A page of a list."""

    jobs: list[Job]
    cursors: list[str]
    """Of each job."""
    has_next: bool


class Project(NamedTuple):
    """What there is of a project."""

    name: str
    job_count: int
    running_count: int
    last_activity_at: datetime


class Condition(NamedTuple):
    """What has to hold, as SQL, and its parameters."""

    sql: str
    parameters: Sequence[Any] = ()
    looked_at: str = ""
    """Where `sql` finds the jobs by an index: the same as a look at a job that was found otherwise. SQLite, which knows
    no numbers, would take any index that there is; PostgreSQL takes both for the same."""
    counted: str = ""
    """Where it does: what is in that index, FROM and WHERE."""


class Phase(NamedTuple):
    """The jobs of a list that have a value of one kind, or none."""

    value: str | None
    """The SQL of the value they are ordered by; None where they have none, and are ordered by id."""
    condition: Condition
    join: Condition = Condition("")
    type: type = float
    """Of the value: float, str or datetime."""


def conditions(filter: JobFilter, *, secrets: bool = False) -> Iterator[Condition]:
    """What a job has to meet, as SQL on the table "job". `secrets`: whether these may be looked for."""
    for column, values in (("project", filter.projects), ("status", filter.status)):
        if values is not None:
            yield _in_column(column, values)
    for tag in filter.tags:
        at_tag = 'FROM "tag" WHERE "tag" = ?'
        yield _belonging(at_tag, [tag])
    if filter.group is not None:
        yield _in_column("group_name", [filter.group])
    for word in filter.words:
        pattern = "".join(f"!{letter}" if letter in "%_!" else letter for letter in word)
        yield Condition("\"searchable\" LIKE ? ESCAPE '!'", [f"%{pattern}%"])
    for column, is_wanted in (("lost_since", filter.lost), ("archived_at", filter.archived)):
        if is_wanted is not None:
            if column == "lost_since" and is_wanted:
                yield _in_column("status", [JobStatus.RUNNING])  # alone may be lost, and is found by it
            yield Condition(f'"{column}" IS {"NOT " if is_wanted else ""}NULL')
    if filter.created_after is not None:
        yield Condition('"created_at" > ?', [filter.created_after])
    if filter.created_before is not None:
        yield Condition('"created_at" < ?', [filter.created_before])
    if filter.parent_id is not None:
        yield Condition('"parent_id" = ?', [filter.parent_id])
    for given in filter.config:
        limits = [('"text" = ?', given.equals), ('"number" > ?', given.above), ('"number" < ?', given.below)]
        yield _within("config_value", '"path" = ?', given.path, limits, hidden=not secrets and has_secret(given.path))
    for wanted in filter.series:
        limits = [(f'"{wanted.of.value}" > ?', wanted.above), (f'"{wanted.of.value}" < ?', wanted.below)]
        yield _within("series", '"count" > 0 AND "name" = ?', wanted.name, limits)


def has_secret(path: str) -> bool:
    """Whether what stands at the path of a config is masked."""
    return any(is_secret(part) for part in path.split(".")) or is_secret(path)


async def list_jobs(
    reader: Reader, filter: JobFilter, order: JobOrder, first: int, after: str | None, *, secrets: bool = False
) -> Listed:
    """The first `first` jobs behind the cursor `after`. Raises BadCursor."""
    key = _key_of(filter, order)
    begin, value, last_id = _decoded(after, key) if after else (0, None, None)
    wanted = await _planned(reader, [*conditions(filter, secrets=secrets)], order, first)
    found: list[tuple[int, Any, Job]] = []
    for number, phase in enumerate(_phases(order, secrets=secrets)):
        if number < begin or len(found) > first:
            continue
        seek = [] if number > begin or last_id is None else [_behind(phase, order, _typed(value, phase), last_id)]
        query = _page(phase, order, [*wanted, *seek], first + 1 - len(found))
        rows = await reader.rows(query, in_thread=True)
        is_moment = phase.type is datetime
        found += [(number, moment_of(row[0]) if is_moment else row[0], Job.of(row[1:])) for row in rows]
    page = found[:first]
    cursors = [_encoded(key, number, value, job.id) for number, value, job in page]
    return Listed([job for _, _, job in page], cursors, len(found) > first)


COUNTED = 10_000
"""Jobs beyond which it does not matter how many a condition finds."""
GATHERED = 3
"""What it costs to read and sort a job that was found, over looking at one on the way."""


async def _planned(reader: Reader, wanted: Sequence[Condition], order: JobOrder, first: int) -> list[Condition]:
    """The conditions so that SQLite takes the way to the page that looks at fewer jobs.

    One is to take the jobs that the rarest condition finds, and to sort them; the other is to go along the order, and
    to look at each job until the page is full.
    """
    leading = [each for each in wanted if each.counted]
    if not leading:
        return [*wanted]
    some = [f"SELECT 1 {each.counted} LIMIT {COUNTED}" for each in leading]
    counts = ", ".join(f"(SELECT count(*) FROM ({each}) AS found)" for each in some)  # noqa: S608  # names of ours
    parameters = [parameter for each in leading for parameter in each.parameters]
    query = Query(f'SELECT COALESCE((SELECT max("id") FROM "job"), 0), {counts}', parameters)  # noqa: S608  # names of ours
    ((jobs, *found),) = await reader.rows(query, in_thread=True)
    looked_at = float(first)
    for count in found:
        looked_at *= jobs / max(1, count) if count < COUNTED else 1
    rarest: Condition | None = leading[found.index(min(found))]
    if min(found) >= COUNTED or min(looked_at, jobs) < GATHERED * min(found):
        by_creation = order.field is JobOrderField.CREATED_AT
        rarest = next((each for each in leading if by_creation and _has_order(each)), None)
    return [each if each is rarest else each._replace(sql=each.looked_at or each.sql) for each in wanted]


def _has_order(condition: Condition) -> bool:
    """Whether the index that finds the jobs has them in the order of their creation."""
    return condition.sql in ('"job"."project" IN (?)', '"job"."status" IN (?)')


async def count_jobs(reader: Reader, filter: JobFilter, *, secrets: bool = False) -> int:
    """How many jobs the filter means."""
    where, parameters = _joined([*conditions(filter, secrets=secrets)])
    ((count,),) = await reader.rows(Query(f'SELECT count(*) FROM "job" WHERE {where}', parameters), in_thread=True)  # noqa: S608  # names of ours
    return int(count)


async def matching(reader: Reader, filter: JobFilter, ids: Sequence[int], *, secrets: bool = False) -> set[int]:
    """Those of the jobs with these ids that the filter means, as they now are."""
    where, parameters = _joined(
        [*conditions(filter, secrets=secrets), Condition(f'"job"."id" IN ({places(ids)})', ids)]
    )
    rows = await reader.rows(Query(f'SELECT "job"."id" FROM "job" WHERE {where}', parameters))  # noqa: S608  # as above
    return {id for (id,) in rows}


async def list_projects(reader: Reader) -> list[Project]:
    """All projects, that of the latest activity first."""
    query = """SELECT "project", count(*), sum(CASE WHEN "status" = 'RUNNING' THEN 1 ELSE 0 END), max("updated_at")
        FROM "job" GROUP BY "project" ORDER BY max("updated_at") DESC, "project" """
    projects = []
    for name, count, running, at in await reader.rows(Query(query), in_thread=True):
        moment = moment_of(at)
        assert moment is not None
        projects.append(Project(name, count, running, moment))
    return projects


def _in_column(column: str, values: Sequence[str]) -> Condition:
    """The jobs with one of these in a column with an index."""
    if not values:
        return Condition("FALSE")
    among = f"IN ({places(values)})"
    found = f'"{column}" {among}'
    return Condition(
        f'"job".{found}', [*map(str, values)], f'CAST("job"."{column}" AS TEXT) {among}', f'FROM "job" WHERE {found}'
    )


def _belonging(rows: str, parameters: Sequence[Any]) -> Condition:
    """The jobs that have such rows of a table, which an index finds. `rows`: FROM and WHERE."""
    return Condition(
        f'"job"."id" IN (SELECT "job_id" {rows})',
        parameters,
        # The job finds its few rows; the path, of all jobs, would find many.
        f"""EXISTS (SELECT 1 {rows.replace('"path"', 'CAST("path" AS TEXT)')} AND "job_id" = "job"."id")""",
        rows,
    )


def _within(table: str, found: str, name: str, limits: Sequence[tuple[str, Any]], *, hidden: bool = False) -> Condition:
    if hidden:
        return Condition("FALSE")
    given = [(sql, limit) for sql, limit in limits if limit is not None]
    where = " AND ".join([found, *(sql for sql, _ in given)])
    return _belonging(f'FROM "{table}" WHERE {where}', [name, *(limit for _, limit in given)])


def _phases(order: JobOrder, *, secrets: bool) -> Iterator[Phase]:
    if order.config is not None:
        if not secrets and has_secret(order.config):
            yield Phase(None, Condition("TRUE"))
            return
        join = Condition('JOIN "config_value" AS "found" ON "found"."job_id" = "job"."id"')
        at_path = '"found"."path" = ?'
        yield Phase('"found"."number"', Condition(f'{at_path} AND "found"."number" IS NOT NULL', [order.config]), join)
        yield Phase('"found"."text"', Condition(f'{at_path} AND "found"."number" IS NULL', [order.config]), join, str)
        none = 'NOT EXISTS (SELECT 1 FROM "config_value" WHERE "job_id" = "job"."id" AND "path" = ?)'
        yield Phase(None, Condition(none, [order.config]))
    elif order.series is not None:
        join = Condition('JOIN "series" AS "found" ON "found"."job_id" = "job"."id"')
        column = order.of.value
        there = f'"found"."name" = ? AND "found"."{column}" IS NOT NULL'
        yield Phase(f'"found"."{column}"', Condition(there, [order.series]), join)
        none = f"""NOT EXISTS (
            SELECT 1 FROM "series" WHERE "job_id" = "job"."id" AND "name" = ? AND "{column}" IS NOT NULL
        )"""  # noqa: S608  # names of ours
        yield Phase(None, Condition(none, [order.series]))
    else:
        column = (order.field or JobOrderField.CREATED_AT).value
        of = {"name": str, "progress": float}.get(column, datetime)
        yield Phase(f'"job"."{column}"', Condition(f'"job"."{column}" IS NOT NULL'), type=of)
        if column in {"started_at", "finished_at", "progress"}:
            yield Phase(None, Condition(f'"job"."{column}" IS NULL'))


def _behind(phase: Phase, order: JobOrder, value: Any, last_id: int) -> Condition:
    """What lies behind the last job already seen."""
    sign = "<" if order.descending else ">"
    if phase.value is None:
        return Condition(f'"job"."id" {sign} ?', [last_id])
    # The first condition finds the place in the index, the second drops those of the same value.
    return Condition(
        f'{phase.value} {sign}= ? AND ({phase.value} {sign} ? OR "job"."id" {sign} ?)', [value, value, last_id]
    )


def _page(phase: Phase, order: JobOrder, wanted: Sequence[Condition], limit: int) -> Query:
    where, parameters = _joined([phase.condition, *wanted])
    direction = "DESC" if order.descending else "ASC"
    by = [] if phase.value is None else [f"{phase.value} {direction}"]
    columns = ", ".join(f'"job".{name}' for name in names(Job._fields).split(", "))
    return Query(
        f"""SELECT {phase.value or "NULL"}, {columns} FROM "job" {phase.join.sql} WHERE {where}
        ORDER BY {", ".join([*by, f'"job"."id" {direction}'])} LIMIT ?""",  # noqa: S608  # names of ours
        [*parameters, limit],
    )


def _joined(wanted: Sequence[Condition]) -> tuple[str, list[Any]]:
    where = " AND ".join(condition.sql for condition in wanted) or "TRUE"
    return where, [parameter for condition in wanted for parameter in condition.parameters]


def _key_of(filter: JobFilter, order: JobOrder) -> str:
    """What cursors of the same filter and order share."""
    text = orjson.dumps([[*filter], [*order]], default=str)
    return blake2b(text, digest_size=6).hexdigest()


def _encoded(key: str, phase: int, value: Any, id: int) -> str:
    shown = value.isoformat() if isinstance(value, datetime) else value
    return urlsafe_b64encode(orjson.dumps([key, phase, shown, id])).decode().rstrip("=")


def _decoded(cursor: str, key: str) -> tuple[int, Any, int]:
    try:
        of, phase, value, id = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise BadCursor("is no cursor of a list of jobs.") from error
    if of != key or phase not in PHASES or type(id) is not int or not 0 < id <= MAX_ID:
        raise BadCursor("is a cursor of a list with another filter or order.")
    return phase, value, id


def _typed(value: Any, phase: Phase) -> Any:
    """The value of a cursor, as the column has it. Raises BadCursor."""
    if phase.value is None:
        return None
    try:
        if phase.type is datetime:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if phase.type is float and isinstance(value, int | float):
            return float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadCursor("is no cursor of a list of jobs.") from error
    if phase.type is not str or not isinstance(value, str) or "\0" in value:
        raise BadCursor("is no cursor of a list of jobs.")
    return value
