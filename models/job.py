"""A training job: its table, and a row of it as it is read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from tortoise import Model, fields
from tortoise.indexes import Index

from models.lifecycle import JobStatus, progress_of


def now() -> datetime:
    """This moment, aware, in UTC: the only clock of the domain."""
    return datetime.now(UTC)


def moment_of(value: datetime | str | None) -> datetime | None:
    """A moment as a database has it: as SQLite's text, or as PostgreSQL's driver has made it already."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def searchable(*names: str) -> str:
    """Names as they are searched."""
    return "\n".join(names).casefold()


class JobTable(Model):
    """One training run: its settings, where it is in its life, and how far it has come."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    model_name = fields.CharField(max_length=200)
    searchable = fields.TextField()
    """Both names, with case folded: databases fold only what they know, SQLite no more than A to Z."""
    status = fields.CharEnumField(JobStatus, max_length=16, default=JobStatus.QUEUED)
    epochs = fields.IntField()
    steps_per_epoch = fields.IntField()
    learning_rate = fields.FloatField()
    scenario = fields.CharField(max_length=32)
    schedule = fields.CharField(max_length=32)
    seed = fields.BigIntField()
    batch_size = fields.IntField()
    metric_count = fields.BigIntField(default=0)
    furthest_step = fields.BigIntField(default=0)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    status_changed_at = fields.DatetimeField(db_index=True)
    failure_reason = fields.TextField(null=True)

    class Meta:
        table = "job"
        indexes = (
            Index(fields=("created_at", "id"), name="job_newest_first"),
            Index(fields=("status", "created_at", "id"), name="job_newest_first_by_status"),
        )


class Job(NamedTuple):
    """One training run: its settings, where it is in its life, and how far it has come, as it was at some moment.

    Its fields are the columns of the table that are read. Written only by the verbs of `models.jobs`.
    """

    id: int
    name: str
    model_name: str
    status: JobStatus
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    # What a simulated run is made of. The domain only keeps them; the simulator gives them meaning.
    scenario: str
    schedule: str
    seed: int
    batch_size: int
    metric_count: int
    """Points recorded so far: the `seq` of the latest."""
    furthest_step: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    status_changed_at: datetime
    """When it took on its status: what followers of all jobs look for when events may have been lost."""
    failure_reason: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """The job of a row with its columns, from a database or a message."""
        values = [*row]
        values[_STATUS] = JobStatus(values[_STATUS])
        for place in _MOMENTS:
            values[place] = moment_of(values[place])
        return cls._make(values)

    @property
    def identity(self) -> tuple[str, int, JobStatus, datetime]:
        """What distinguishes it, in this state, from other jobs and other states."""
        return "job", self.id, self.status, self.updated_at

    @property
    def total_steps(self) -> int:
        """Steps of the whole run: epochs × steps an epoch."""
        return self.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        """0 to 1: the furthest step recorded over the total; 1 once complete."""
        return progress_of(self.status, self.furthest_step, self.total_steps)


_STATUS = Job._fields.index("status")
_MOMENTS = tuple(place for place, name in enumerate(Job._fields) if name.endswith("_at"))
