"""The tables of the store as Tortoise models: what migrations are made from.

Rows are not read through them: see `models.store.reader`, and `Job`, `Recorded` and `Token` for what rows are read as.
"""

from tortoise import Model, fields
from tortoise.indexes import Index

from models.lifecycle import JobStatus
from models.token import Scope

__all__ = ["CurveChunk", "Job", "Metric", "Session", "Token"]


class Job(Model):
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


class Metric(Model):
    """One recorded point. Its `seq` numbers the job's points 1, 2, 3… in order of arrival, without a gap."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[Job] = fields.ForeignKeyField(
        "models.Job", related_name="metrics", on_delete=fields.CASCADE, db_index=False
    )
    seq = fields.BigIntField()
    step = fields.BigIntField()
    epoch = fields.IntField()
    # The three that every dashboard draws, each null where it is not finite or was not logged: beside the values, so
    # that reading them parses nothing.
    loss = fields.FloatField(null=True)
    accuracy = fields.FloatField(null=True)
    learning_rate = fields.FloatField(null=True)
    values = fields.TextField()
    """All values by name, as JSON in the order of logging: a binary JSON column would sort the names."""
    recorded_at = fields.DatetimeField()
    digest = fields.BigIntField(default=0, db_default=0)
    """Of the epoch and the values, in whichever order they are named; 0 in rows of versions that had none."""

    class Meta:
        table = "metric"
        unique_together = (("job", "seq"),)
        # By column: an index on the relation's name would be one on a constant, for SQLite takes "job" for a string.
        indexes = (Index(fields=("job_id", "step", "digest"), name="metric_by_digest"),)


class CurveChunk(Model):
    """A chunk as it is stored. What lies before the bytes can be read without them."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[Job] = fields.ForeignKeyField(
        "models.Job", related_name="chunks", on_delete=fields.CASCADE, db_index=False
    )
    name = fields.CharField(max_length=200)
    number = fields.BigIntField()
    size = fields.IntField()
    finite = fields.IntField()
    first_step = fields.BigIntField()
    last_step = fields.BigIntField()
    coarse = fields.BinaryField()
    fine = fields.BinaryField()
    points = fields.BinaryField()

    class Meta:
        table = "curve_chunk"
        unique_together = (("job", "name", "number"),)


class Token(Model):
    """A token without its secret, of which only the digest is kept. Written only by the verbs of `models.tokens`."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    scope = fields.CharEnumField(Scope, max_length=8)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "token"


class Session(Model):
    """A browser that signed in with a token. Written only by the verbs of `models.sessions`."""

    id = fields.BigIntField(primary_key=True)
    token_id = fields.BigIntField(db_index=True)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "session"
