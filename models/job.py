"""A training job, as it is stored."""

from datetime import UTC, datetime
from typing import Any

from tortoise import Model, fields
from tortoise.indexes import Index

from models.lifecycle import JobStatus, progress_of

__all__ = ["Job", "UtcField", "now"]


def now() -> datetime:
    """This moment, aware, in UTC: the only clock of the domain."""
    return datetime.now(UTC)


class UtcField(fields.DatetimeField[datetime]):
    """A moment in UTC. As Tortoise's own, but read with the standard library's parser: it is many times as fast."""

    def to_python_value(self, value: Any) -> datetime | None:
        """The moment of the stored text, or what the driver has made of it already."""
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class Job(Model):
    """One training run: its settings, where it is in its life, and how far it has come.

    Written only by the verbs of `models.jobs`; `metric_count` and `furthest_step` change in the transaction that
    stores the points they count.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    model_name = fields.CharField(max_length=200)
    searchable = fields.TextField()
    """Both names, with case folded: databases fold only what they know, SQLite no more than A to Z."""
    status = fields.CharEnumField(JobStatus, max_length=16, default=JobStatus.QUEUED)
    epochs = fields.IntField()
    steps_per_epoch = fields.IntField()
    learning_rate = fields.FloatField()

    # What a simulated run is made of. The domain only keeps them; the simulator gives them meaning.
    scenario = fields.CharField(max_length=32)
    schedule = fields.CharField(max_length=32)
    seed = fields.BigIntField()
    batch_size = fields.IntField()

    metric_count = fields.BigIntField(default=0)
    furthest_step = fields.BigIntField(default=0)

    created_at = UtcField()
    updated_at = UtcField()
    started_at = UtcField(null=True)
    finished_at = UtcField(null=True)
    status_changed_at = UtcField(db_index=True)
    """When it took on its status: what followers of all jobs look for when news may have been lost."""
    failure_reason = fields.TextField(null=True)

    class Meta:
        table = "job"
        indexes = (
            Index(fields=("created_at", "id"), name="job_newest_first"),
            Index(fields=("status", "created_at", "id"), name="job_newest_first_by_status"),
        )

    @staticmethod
    def folded(*names: str) -> str:
        """Names as they are searched."""
        return "\n".join(names).casefold()

    @property
    def identity(self) -> tuple[str, int, JobStatus, datetime]:
        """What tells it, in this state, from other jobs and other states."""
        return "job", self.id, self.status, self.updated_at

    @property
    def total_steps(self) -> int:
        """Steps of the whole run: epochs × steps an epoch."""
        return self.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        """0 to 1: the furthest step recorded over the total; 1 once complete."""
        return progress_of(self.status, self.furthest_step, self.total_steps)
