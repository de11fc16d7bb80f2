"""The contract as the documentation of Strawberry, FastAPI and Tortoise sets it up: a router, models, no caches."""

import math
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated

import strawberry
import uvicorn
from fastapi import FastAPI
from strawberry.fastapi import GraphQLRouter
from tortoise import Model, fields
from tortoise.contrib.fastapi import RegisterTortoise
from tortoise.indexes import Index
from tortoise.transactions import in_transaction


@strawberry.enum
class JobStatus(Enum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


class JobRow(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=200)
    model_name = fields.CharField(max_length=200)
    status = fields.CharEnumField(JobStatus, default=JobStatus.QUEUED)
    epochs = fields.IntField()
    steps_per_epoch = fields.IntField()
    learning_rate = fields.FloatField()
    metric_count = fields.IntField(default=0)
    furthest_step = fields.IntField(default=0)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "job"
        indexes = (Index(fields=("created_at", "id")),)


class MetricRow(Model):
    id = fields.IntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRow] = fields.ForeignKeyField("models.JobRow", related_name="metrics")
    seq = fields.IntField()
    step = fields.IntField()
    epoch = fields.IntField()
    loss = fields.FloatField(null=True)
    accuracy = fields.FloatField(null=True)
    learning_rate = fields.FloatField(null=True)
    values: fields.Field[dict[str, float | None]] = fields.JSONField()
    recorded_at = fields.DatetimeField()

    class Meta:
        table = "metric"
        unique_together = (("job", "seq"),)


@strawberry.type
class Metric:
    seq: int
    step: int
    epoch: int
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    recorded_at: datetime

    @classmethod
    def of(cls, row: MetricRow) -> "Metric":
        return cls(
            seq=row.seq,
            step=row.step,
            epoch=row.epoch,
            loss=row.loss,
            accuracy=row.accuracy,
            learning_rate=row.learning_rate,
            recorded_at=row.recorded_at,
        )


@strawberry.type
class Job:
    id: strawberry.ID
    name: str
    model_name: str
    status: JobStatus
    epochs: int
    steps_per_epoch: int
    total_steps: int
    learning_rate: float
    metric_count: int
    progress: float
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: JobRow) -> "Job":
        total = row.epochs * row.steps_per_epoch
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            model_name=row.model_name,
            status=row.status,
            epochs=row.epochs,
            steps_per_epoch=row.steps_per_epoch,
            total_steps=total,
            learning_rate=row.learning_rate,
            metric_count=row.metric_count,
            progress=1.0 if row.status is JobStatus.COMPLETE else min(1.0, row.furthest_step / total),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    @strawberry.field
    async def metrics(self, limit: int = 200, after: int = 0) -> list[Metric]:
        rows = await MetricRow.filter(job_id=int(self.id), seq__gt=after).order_by("seq").limit(limit)
        return [Metric.of(row) for row in rows]


@strawberry.interface
class Error:
    message: str


@strawberry.type
class JobNotFound(Error):
    id: strawberry.ID


@strawberry.type
class IllegalTransition(Error):
    job: Job


@strawberry.type
class CreateJobSuccess:
    job: Job


@strawberry.type
class StartJobSuccess:
    job: Job


@strawberry.type
class SimulateStepSuccess:
    job: Job
    metric: Metric | None
    complete: bool
    progress: float


@strawberry.type
class LogMetricsSuccess:
    job: Job
    recorded: int


@strawberry.input
class CreateJobInput:
    name: str
    model_name: str
    epochs: int
    learning_rate: float
    steps_per_epoch: int = 100


@strawberry.input
class MetricInput:
    step: int
    epoch: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    learning_rate: float | None = None


CreateJobResult = Annotated[CreateJobSuccess, strawberry.union("CreateJobResult")]
StartJobResult = Annotated[StartJobSuccess | JobNotFound | IllegalTransition, strawberry.union("StartJobResult")]
SimulateStepResult = Annotated[
    SimulateStepSuccess | JobNotFound | IllegalTransition, strawberry.union("SimulateStepResult")
]
LogMetricsResult = Annotated[LogMetricsSuccess | JobNotFound | IllegalTransition, strawberry.union("LogMetricsResult")]


async def running(id: strawberry.ID) -> JobRow | JobNotFound | IllegalTransition:
    """The row of a running job, or why there is none."""
    row = await JobRow.select_for_update().get_or_none(id=int(id))
    if row is None:
        return JobNotFound(message=f"There is no job {id}.", id=id)
    if row.status is not JobStatus.RUNNING:
        return IllegalTransition(message=f"Job {id} is {row.status.value}.", job=Job.of(row))
    return row


def synthetic(row: JobRow, step: int) -> MetricInput:
    """The points that the servers in Node make too: a falling loss with some noise that belongs to the step."""
    progress = step / (row.epochs * row.steps_per_epoch)
    return MetricInput(
        step=step,
        loss=2.3 * math.exp(-3 * progress) + 0.05 * math.sin(step * 12.9898),
        accuracy=1 - 0.9 * math.exp(-3 * progress),
        learning_rate=row.learning_rate,
    )


async def store(row: JobRow, metrics: Sequence[MetricInput]) -> list[MetricRow]:
    """Store points, numbered on from the job's last."""
    at = datetime.now(UTC)
    rows = [
        MetricRow(
            job=row,
            seq=seq,
            step=metric.step,
            epoch=metric.epoch or max(1, math.ceil(metric.step / row.steps_per_epoch)),
            loss=metric.loss,
            accuracy=metric.accuracy,
            learning_rate=metric.learning_rate,
            values={"loss": metric.loss, "accuracy": metric.accuracy, "learningRate": metric.learning_rate},
            recorded_at=at,
        )
        for seq, metric in enumerate(metrics, row.metric_count + 1)
    ]
    await MetricRow.bulk_create(rows)
    row.metric_count += len(rows)
    row.furthest_step = max(row.furthest_step, *(metric.step for metric in metrics))
    await row.save(update_fields=["metric_count", "furthest_step", "updated_at"])
    return rows


@strawberry.type
class Query:
    @strawberry.field
    async def jobs(self, limit: int = 100) -> list[Job]:
        return [Job.of(row) for row in await JobRow.all().order_by("-created_at", "-id").limit(limit)]

    @strawberry.field
    async def job(self, id: strawberry.ID) -> Job | None:
        row = await JobRow.get_or_none(id=int(id))
        return Job.of(row) if row else None


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_job(self, input: CreateJobInput) -> CreateJobResult:
        row = await JobRow.create(
            name=input.name,
            model_name=input.model_name,
            epochs=input.epochs,
            learning_rate=input.learning_rate,
            steps_per_epoch=input.steps_per_epoch,
        )
        return CreateJobSuccess(job=Job.of(row))

    @strawberry.mutation
    async def start_job(self, id: strawberry.ID) -> StartJobResult:
        async with in_transaction():
            row = await JobRow.select_for_update().get_or_none(id=int(id))
            if row is None:
                return JobNotFound(message=f"There is no job {id}.", id=id)
            if row.status is not JobStatus.QUEUED:
                return IllegalTransition(message=f"Job {id} is {row.status.value}.", job=Job.of(row))
            row.status = JobStatus.RUNNING
            await row.save(update_fields=["status", "updated_at"])
        return StartJobSuccess(job=Job.of(row))

    @strawberry.mutation
    async def simulate_step(self, id: strawberry.ID) -> SimulateStepResult:
        async with in_transaction():
            row = await running(id)
            if not isinstance(row, JobRow):
                return row
            step, total = row.metric_count + 1, row.epochs * row.steps_per_epoch
            if step > total:
                row.status = JobStatus.COMPLETE
                await row.save(update_fields=["status", "updated_at"])
                return SimulateStepSuccess(job=Job.of(row), metric=None, complete=True, progress=1)
            stored = await store(row, [synthetic(row, step)])
        return SimulateStepSuccess(job=Job.of(row), metric=Metric.of(stored[0]), complete=False, progress=step / total)

    @strawberry.mutation
    async def log_metrics(self, id: strawberry.ID, metrics: list[MetricInput]) -> LogMetricsResult:
        async with in_transaction():
            row = await running(id)
            if not isinstance(row, JobRow):
                return row
            await store(row, metrics)
        return LogMetricsSuccess(job=Job.of(row), recorded=len(metrics))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = f"sqlite://{sys.argv[2]}?journal_mode=WAL&synchronous=FULL"
    async with RegisterTortoise(app, db_url=url, modules={"models": ["__main__"]}, generate_schemas=True):
        yield


app = FastAPI(lifespan=lifespan)
app.include_router(GraphQLRouter(strawberry.Schema(Query, Mutation)), prefix="/graphql")

if __name__ == "__main__":
    port = int(sys.argv[1])
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, port=port, log_level="warning")
