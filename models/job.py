"""A training job: its table, and a row of it as it is read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self
from unicodedata import normalize

import orjson
from tortoise import Model, fields
from tortoise.indexes import Index

from models.cursors import cursor_of
from models.lifecycle import JobKind, JobStatus, Outcome, ended_early, steps_per_epoch_of, total_steps_of


def now() -> datetime:
    """This moment, aware, in UTC: the only clock of the domain."""
    return datetime.now(UTC)


def moment_of(value: datetime | str | None) -> datetime | None:
    """A moment as a database has it: as SQLite's text, or as PostgreSQL's driver has made it already."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def searchable(*names: str | None) -> str:
    """Names as they are searched; or what is searched for in them."""
    return normalize("NFC", "\n".join(name for name in names if name)).casefold()


class JobTable(Model):
    """One training run: what it is, where it is in its life, and how far it has come."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    project = fields.CharField(max_length=200, default="default")
    group_name = fields.CharField(max_length=200, null=True)
    tag_list = fields.TextField(default="[]")
    """A JSON list of texts, each once, in the order given."""
    notes = fields.TextField(default="")
    model_name = fields.CharField(max_length=200, null=True)
    searchable = fields.TextField()
    """Both names, with case folded: databases fold only what they know, SQLite no more than A to Z."""
    key = fields.CharField(max_length=200, null=True, unique=True)
    """What createJob was called with, so that a second call with it makes no second job."""
    parent_id = fields.BigIntField(null=True, db_index=True)
    kind = fields.CharEnumField(JobKind, max_length=16, null=True)
    status = fields.CharEnumField(JobStatus, max_length=16, default=JobStatus.QUEUED)
    epochs = fields.IntField(null=True)
    stated_steps_per_epoch = fields.IntField(null=True)
    stated_total_steps = fields.BigIntField(null=True)
    learning_rate = fields.FloatField(null=True)
    batch_size = fields.IntField(null=True)
    scenario = fields.CharField(max_length=32, null=True)
    schedule = fields.CharField(max_length=32, null=True)
    seed = fields.BigIntField(null=True)
    metric_count = fields.BigIntField(default=0)
    furthest_step = fields.BigIntField(default=-1)
    progress_step = fields.BigIntField(default=0)
    progress = fields.FloatField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    archived_at = fields.DatetimeField(null=True)
    last_point_at = fields.DatetimeField(null=True)
    last_beat_at = fields.DatetimeField(null=True)
    beat_seconds = fields.FloatField(null=True)
    lost_since = fields.DatetimeField(null=True)
    attempt = fields.IntField(default=1)
    attempt_started_at = fields.DatetimeField(null=True)
    attempt_from_step = fields.BigIntField(null=True)
    attempt_first_seq = fields.BigIntField(default=1)
    cuts = fields.TextField(default="[]")
    """A JSON list of [first seq, from step] of the attempts that superseded points; see `models.attempts`."""
    stop_requested_at = fields.DatetimeField(null=True)
    stop_received_at = fields.DatetimeField(null=True)
    stop_reason = fields.TextField(null=True)
    outcome = fields.CharEnumField(Outcome, max_length=16, null=True)
    failure_reason = fields.TextField(null=True)
    change = fields.BigIntField(default=0)

    class Meta:
        table = "job"
        indexes = (
            Index(fields=("created_at", "id"), name="job_newest_first"),
            Index(fields=("status", "created_at", "id"), name="job_newest_first_by_status"),
            Index(fields=("project", "created_at", "id"), name="job_newest_first_by_project"),
            Index(fields=("change",), name="job_by_change"),
            Index(fields=("group_name",), name="job_by_group"),
            # With project and status behind them, so that a page of some jobs is found without reading the others.
            Index(fields=("updated_at", "id", "project", "status"), name="job_by_update"),
            Index(fields=("started_at", "id", "project", "status"), name="job_by_start"),
            Index(fields=("finished_at", "id", "project", "status"), name="job_by_end"),
            Index(fields=("name", "id", "project", "status"), name="job_by_name"),
            Index(fields=("progress", "id", "project", "status"), name="job_by_progress"),
        )


class Simulation(NamedTuple):
    """What a simulated run is made of, in the simulator's words."""

    scenario: str
    schedule: str
    seed: int


class Stop(NamedTuple):
    """That the loop of a job is to end by itself."""

    requested_at: datetime
    received_at: datetime | None
    """When an answer first told the loop."""
    reason: str | None


class Job(NamedTuple):
    """One training run: what it is, where it is in its life, and how far it has come, as it was at some moment.

    Its fields are the columns of the table that are read. Written only by the verbs of `models.jobs`. What was not
    said of a run is None.
    """

    id: int
    name: str
    project: str
    group_name: str | None
    tag_list: str
    """A JSON list of texts."""
    notes: str
    model_name: str | None
    parent_id: int | None
    kind: JobKind | None
    """That of its first point; None before."""
    status: JobStatus
    epochs: int | None
    stated_steps_per_epoch: int | None
    stated_total_steps: int | None
    learning_rate: float | None
    batch_size: int | None
    # What a simulated run is made of. The domain only keeps them; the simulator gives them meaning.
    scenario: str | None
    schedule: str | None
    seed: int | None
    metric_count: int
    """Points recorded so far: the `seq` of the latest."""
    furthest_step: int
    """The highest step of its points that are not superseded; -1 where there is none."""
    progress_step: int
    """The same of those with a name outside system/; 0 where there is none."""
    progress: float | None
    """0 to 1: progress_step over the total; 1 once complete; None where the total is unknown or was passed."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    """Of its first attempt."""
    finished_at: datetime | None
    """Of its last attempt; None while it runs."""
    archived_at: datetime | None
    last_point_at: datetime | None
    last_beat_at: datetime | None
    beat_seconds: float | None
    """Within how many seconds its loop promised the next sign, in this attempt."""
    lost_since: datetime | None
    """Since when it has missed the signs that it promised."""
    attempt: int
    """1, and one more with each resume."""
    attempt_started_at: datetime | None
    attempt_from_step: int | None
    attempt_first_seq: int
    cuts: str
    """A JSON list of [first seq, from step]: points before that seq and beyond that step are superseded."""
    stop_requested_at: datetime | None
    """In this attempt, as are the two that follow."""
    stop_received_at: datetime | None
    stop_reason: str | None
    outcome: Outcome | None
    failure_reason: str | None
    change: int
    """Where its last change but points stands among the changes of all jobs: 1, 2, 3… without a gap."""

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """The job of a row with its columns, from a database or a message."""
        values = [*row]
        for place, type in _ENUMS:
            if values[place] is not None:
                values[place] = type(values[place])
        for place in _MOMENTS:
            if values[place] is not None:
                values[place] = moment_of(values[place])
        return cls._make(values)

    @property
    def identity(self) -> tuple[str, int, int, int, datetime, datetime | None]:
        """What distinguishes it, in this state, from other jobs and other states."""
        return "job", self.id, self.change, self.metric_count, self.updated_at, self.last_beat_at

    @property
    def group(self) -> str | None:
        """What it is compared with."""
        return self.group_name

    @property
    def tags(self) -> list[str]:
        """Its labels, each once, in the order given."""
        tags: list[str] = orjson.loads(self.tag_list)
        return tags

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in one epoch, as they were said or, of a job that may be simulated, as the simulator takes them."""
        return steps_per_epoch_of(self.epochs, self.stated_steps_per_epoch, self.stated_total_steps, self.kind)

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole run; None for one without a known end."""
        return total_steps_of(self.epochs, self.stated_steps_per_epoch, self.stated_total_steps, self.kind)

    @property
    def simulation(self) -> Simulation | None:
        """What its simulation is made of; None where it is not, or not yet, one."""
        if self.scenario is None or self.schedule is None or self.seed is None:
            return None
        return Simulation(self.scenario, self.schedule, self.seed)

    @property
    def stop(self) -> Stop | None:
        """The stop that was requested in this attempt."""
        if self.stop_requested_at is None:
            return None
        return Stop(self.stop_requested_at, self.stop_received_at, self.stop_reason)

    @property
    def last_seen_at(self) -> datetime | None:
        """Its loop's last sign: a point, or a heartbeat."""
        return latest(self.last_point_at, self.last_beat_at)

    @property
    def cursor(self) -> str:
        """Its place among the changes of all jobs, as clients have it."""
        return cursor_of(self.change)

    @property
    def ended_early(self) -> bool:
        """Whether it is complete, though its total is known and was not reached."""
        return ended_early(self.status, self.progress_step, self.total_steps)


def latest(*moments: datetime | None) -> datetime | None:
    """The latest of the moments that there are."""
    return max((moment for moment in moments if moment), default=None)


_ENUMS = tuple(
    (Job._fields.index(name), type) for name, type in (("kind", JobKind), ("status", JobStatus), ("outcome", Outcome))
)
_MOMENTS = tuple(place for place, name in enumerate(Job._fields) if name.endswith("_at") or name == "lost_since")
