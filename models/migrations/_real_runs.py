"""The data steps around migration 0008, which makes the tables of jobs and points anew.

SQLite cannot change a column, so both kinds of store keep the old rows in tables of their own meanwhile.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from models.job import moment_of
from models.lifecycle import JobKind, epoch_of_step
from models.metric import decode_values, digest_of, microseconds
from models.tally import COUNTED, Counted, Tally

PIECE = 1_000
"""Points or ids that one statement has: memory stays small, however many there are."""
MAX_PARAMETERS = 5_000
"""Values that one statement is given."""
OLD = ("metric", "job")
"""Chunks are not kept: they are made again from the points, with every point of a step."""

IsSimulated = Callable[[Mapping[str, Any], str], bool]
"""(a job's columns, the stored text of the values of its point at step 1) -> whether the simulator made that point."""

Advance = Callable[[int, int], None]
"""(points that are done, of how many)."""


class Help(NamedTuple):
    """What data steps are given from outside."""

    is_simulated: IsSimulated | None = None
    """None where no job is to be taken for a simulated one."""
    advance: Advance = lambda _done, _total: None


POINT = ("id", "job_id", "seq", "step", "epoch", "loss", "accuracy", "learning_rate", "values", "recorded_at", "digest")
JOB = {
    "project": "'default'",
    "tag_list": "'[]'",
    "notes": "''",
    "stated_steps_per_epoch": '"steps_per_epoch"',
    "furthest_step": 'CASE WHEN "metric_count" = 0 THEN -1 ELSE "furthest_step" END',
    "progress_step": '"furthest_step"',
    "last_point_at": """(
        SELECT "recorded_at" FROM "metric" WHERE "job_id" = "old_job"."id" AND "seq" = "metric_count"
    )""",
    "attempt": "1",
    "attempt_started_at": 'COALESCE("started_at", "finished_at")',
    "attempt_first_seq": "1",
    "cuts": "'[]'",
    "outcome": """CASE "status" WHEN 'COMPLETE' THEN 'COMPLETED' WHEN 'FAILED' THEN 'FAILED' END""",
    "change": 'ROW_NUMBER() OVER (ORDER BY "status_changed_at", "id")',
} | {
    column: f'"{column}"'
    for column in (
        *("id", "name", "model_name", "searchable", "status", "epochs", "learning_rate", "batch_size", "scenario"),
        *("schedule", "seed", "metric_count", "created_at", "updated_at", "started_at", "finished_at"),
        "failure_reason",
    )
}
"""Column -> what the old row has for it."""

UNSAID = """"scenario" = NULL, "schedule" = NULL, "seed" = NULL,
    "batch_size" = CASE WHEN "batch_size" <> 32 THEN "batch_size" END,
    "stated_steps_per_epoch" = CASE WHEN "stated_steps_per_epoch" <> 100 THEN "stated_steps_per_epoch" END"""
"""The simulator's settings, and its defaults, become what nobody said."""

SAID = [
    f"""UPDATE "job" SET "kind" = 'LOGGED', {UNSAID} WHERE "kind" IS NULL AND "metric_count" > 0""",  # noqa: S608  # ours
    f"""UPDATE "job" SET {UNSAID} WHERE "metric_count" = 0 AND "scenario" = 'healthy' AND "schedule" = 'constant'""",  # noqa: S608  # as above
    """UPDATE "job" SET "progress" = CASE WHEN "status" = 'COMPLETE' THEN 1.0 ELSE (
        SELECT CASE WHEN "progress_step" <= "total" THEN CAST("progress_step" AS DOUBLE PRECISION) / "total" END FROM (
            SELECT "epochs" * COALESCE("stated_steps_per_epoch", CASE WHEN "kind" = 'LOGGED' THEN NULL ELSE 100 END)
            AS "total"
        ) AS "planned"
    ) END""",
]

log = logging.getLogger(__name__)


def names(columns: Iterable[str]) -> str:
    """The columns, quoted and separated."""
    return ", ".join(f'"{column}"' for column in columns)


async def keep(_: object, editor: Any) -> None:
    """Keep the rows. Called by `RunPython`, inside the transaction, as is `fill`."""
    for table in OLD:
        await editor.client.execute_script(f'CREATE TABLE "old_{table}" AS SELECT * FROM "{table}";')  # noqa: S608  # names of ours


async def fill(help: Help, editor: Any) -> None:
    """Fill the new tables from the rows that were kept, and drop these."""
    execute, run = editor.client.execute_query, editor.client.execute_script  # a script may take long
    await run(f'INSERT INTO "metric" ({names(POINT)}) SELECT {names(POINT)} FROM "old_metric";')  # noqa: S608  # names of ours
    await run(f'INSERT INTO "job" ({names(JOB)}) SELECT {", ".join(JOB.values())} FROM "old_job";')  # noqa: S608  # as above
    await execute('INSERT INTO "deployment" ("id", "change") SELECT 1, count(*) FROM "old_job"')
    if help.is_simulated:
        await _mark_simulated(execute, help.is_simulated)
    for statement in SAID:
        await run(f"{statement};")
    await _read_points(editor, help.advance)
    for table in OLD:
        await execute(f'DROP TABLE "old_{table}"')
        if editor.client.capabilities.dialect == "postgres":
            await execute(f"""SELECT setval(pg_get_serial_sequence('{table}', 'id'), max("id")) FROM "{table}" """)  # noqa: S608  # as above


async def _mark_simulated(execute: Any, is_simulated: IsSimulated) -> None:
    """Of jobs with points, find those whose first is exactly the simulator's."""
    after = 0
    while True:
        _, rows = await execute(
            f"""SELECT "old_job".*, "values" FROM "old_job" JOIN "metric" ON "job_id" = "old_job"."id"
            WHERE "seq" = 1 AND "step" = 1 AND "old_job"."id" > {after} ORDER BY "old_job"."id" LIMIT {PIECE}"""  # noqa: S608  # numbers of ours
        )
        if not rows:
            return
        simulated = [str(row["id"]) for row in rows if is_simulated(dict(row), row["values"])]
        if simulated:
            await execute(f"""UPDATE "job" SET "kind" = 'SIMULATED' WHERE "id" IN ({", ".join(simulated)})""")  # noqa: S608  # as above
        after = rows[-1]["id"]


class Old(NamedTuple):
    """A job with points, as far as reading these needs it."""

    id: int
    points: int
    kind: str
    steps_per_epoch: int


async def _read_points(editor: Any, advance: Advance) -> None:
    """Count what was measured, by name; and give points that were logged a digest in which no derived epoch counts."""
    execute = editor.client.execute_query
    _, rows = await execute(
        """SELECT "job"."id", "job"."metric_count", "kind", "steps_per_epoch" FROM "job"
        JOIN "old_job" ON "old_job"."id" = "job"."id" WHERE "job"."metric_count" > 0 ORDER BY "job"."id" """
    )
    jobs = [Old(*row) for row in rows]
    total, done = sum(job.points for job in jobs), 0
    if total:
        log.info("counting what %s stored points measured, once: this takes some 30 seconds a million", total)
    tally = Tally()
    for piece, first, last in _pieces(jobs):
        by_id = {job.id: job for job in piece}
        _, rows = await execute(
            f"""SELECT "job_id", "id", "seq", "step", "epoch", "values", "recorded_at" FROM "metric"
            WHERE "job_id" BETWEEN {piece[0].id} AND {piece[-1].id} AND "seq" BETWEEN {first} AND {last}
            ORDER BY "job_id", "seq" """  # noqa: S608  # numbers of ours
        )
        digests = []
        counted: dict[int, list[Counted]] = {job.id: [] for job in piece}
        for job_id, point_id, seq, step, epoch, text, at in rows:
            values, recorded_at, job = decode_values(text), moment_of(at), by_id[job_id]
            assert recorded_at is not None
            counted[job_id].append((seq, step, microseconds(recorded_at), values))
            if job.kind == JobKind.LOGGED:
                said = None if epoch == epoch_of_step(step, job.steps_per_epoch) else epoch
                digests.append(f"({point_id}, {digest_of(said, values)})")
        if digests:
            await execute(
                f"""UPDATE "metric" SET "digest" = "column2" FROM (VALUES {", ".join(digests)}) AS "made"
                WHERE "id" = "column1" """  # noqa: S608  # numbers of ours
            )
        series: list[Sequence[Any]] = []
        for job in piece:
            tally.add(counted[job.id])
            if last >= job.points:
                series += [(job.id, False, *row) for row in tally.rows()]
                tally = Tally()
        await _insert_series(editor, series)
        done += len(rows)
        advance(done, total)


def _pieces(jobs: Iterable[Old]) -> Iterator[tuple[list[Old], int, int]]:
    """Jobs and the seqs of theirs that are read at once: several short jobs, or a part of a long one."""
    together: list[Old] = []
    for job in jobs:
        if together and sum(each.points for each in together) + job.points > PIECE:
            yield together, 1, PIECE
            together = []
        if job.points <= PIECE:
            together.append(job)
            continue
        for first in range(1, job.points + 1, PIECE):
            yield [job], first, first + PIECE - 1
    if together:
        yield together, 1, PIECE


async def _insert_series(editor: Any, rows: Sequence[Sequence[Any]]) -> None:
    columns = ("job_id", "is_main", *COUNTED)
    is_postgres = editor.client.capabilities.dialect == "postgres"
    at_once = MAX_PARAMETERS // len(columns)
    for begin in range(0, len(rows), at_once):
        some = rows[begin : begin + at_once]
        numbers = iter(range(1, len(some) * len(columns) + 1))
        row_of_marks = [f"({', '.join(f'${next(numbers)}' if is_postgres else '?' for _ in columns)})" for _ in some]
        await editor.client.execute_query(
            f'INSERT INTO "series" ({names(columns)}) VALUES {", ".join(row_of_marks)}',  # noqa: S608  # names of ours
            [value for row in some for value in row],
        )
