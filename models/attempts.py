"""A job's attempts: its table of those that are over, and which points the later ones superseded.

An attempt that begins at a checkpoint leaves the points behind it as they are recorded, and takes those beyond it out
of curves, series and progress.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import orjson
from tortoise import Model, fields

from models.job import Job, moment_of
from models.lifecycle import Outcome
from models.store.sql import places, select
from models.store.statements import Insert, Query, Reader, Work


class AttemptTable(Model):
    """An attempt that is over and was followed by another: the job's row has the last one."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    number = fields.IntField()
    started_at = fields.DatetimeField()
    ended_at = fields.DatetimeField()
    outcome = fields.CharEnumField(Outcome, max_length=16)
    from_step = fields.BigIntField(null=True)
    first_seq = fields.BigIntField()

    class Meta:
        table = "attempt"
        unique_together = (("job_id", "number"),)


class Attempt(NamedTuple):
    """One attempt of a job, as it was at some moment."""

    number: int
    """1, 2, 3…"""
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    from_step: int | None
    """The checkpoint it began at; None where it went on where the last had ended."""
    first_seq: int
    """The seq of its first point, whether it has one yet or not."""


class Cuts(NamedTuple):
    """What the attempts of a job superseded: points before a seq and beyond a step."""

    pairs: tuple[tuple[int, int], ...]
    """(first seq, from step), both ascending: a cut that another covers is not kept."""

    @classmethod
    def of(cls, job: Job) -> "Cuts":
        """Those of a job."""
        return cls(tuple((seq, step) for seq, step in orjson.loads(job.cuts)) if job.cuts != "[]" else ())

    def floor(self, step: int) -> int:
        """The lowest seq of points of a step that are not superseded."""
        return max((seq for seq, begun in self.pairs if step > begun), default=1)

    def with_one(self, first_seq: int, from_step: int) -> "Cuts":
        """With that of a new attempt."""
        left = [(seq, step) for seq, step in self.pairs if step < from_step]
        return Cuts((*left, (first_seq, from_step)))

    @property
    def text(self) -> str:
        """As the job's row keeps it."""
        return orjson.dumps(self.pairs).decode()


_COLUMNS = Attempt._fields


def closed(job: Job) -> Work[None]:
    """Keep the job's last attempt, which has ended: another begins."""
    row = (
        job.attempt,
        job.attempt_started_at,
        job.finished_at,
        job.outcome,
        job.attempt_from_step,
        job.attempt_first_seq,
    )
    yield Insert("attempt", {"job_id": job.id}, _COLUMNS, [row])


async def attempts_of(reader: Reader, jobs: Iterable[Job]) -> dict[int, list[Attempt]]:
    """The attempts of each job, the first first, in one query; none of a job that was never started."""
    jobs = list(jobs)
    found: dict[int, list[Attempt]] = {job.id: [] for job in jobs}
    if resumed := [job.id for job in jobs if job.attempt > 1]:
        rest = f'WHERE "job_id" IN ({places(resumed)}) ORDER BY "job_id", "number"'
        for job_id, number, started, ended, outcome, *others in await reader.rows(
            Query(select("attempt", ("job_id", *_COLUMNS), rest), resumed)
        ):
            begun, over = moment_of(started), moment_of(ended)
            assert begun is not None
            found[job_id].append(Attempt(number, begun, over, Outcome(outcome), *others))
    for job in jobs:
        if job.attempt_started_at is not None:
            # It may have been resumed since the job was read: those that were over then.
            del found[job.id][job.attempt - 1 :]
            found[job.id].append(
                Attempt(
                    job.attempt,
                    job.attempt_started_at,
                    job.finished_at,
                    job.outcome,
                    job.attempt_from_step,
                    job.attempt_first_seq,
                )
            )
    return found
