"""The mutations and their results: a union each, of its success and its expected failures."""

from typing import Annotated

import strawberry

from graph.context import GraphInfo
from graph.plans.fields import computed
from graph.plans.metric_input import points_of
from graph.schema.errors import (
    IllegalTransition,
    InvalidInput,
    JobNotFound,
    SimulationFailed,
    failures_as_data,
    result_of,
)
from graph.schema.job import CreateJobInput, Job, as_job
from graph.schema.metric import Metric, MetricInput, as_metrics
from models.validation import NewJob, job_id_of
from simulator.runner import make_points

__all__ = ["Mutation"]


@strawberry.type(description="The job was created.")
class CreateJobSuccess:
    job: Job = strawberry.field(description="The new job, QUEUED.")


@strawberry.type(description="The job was started.")
class StartJobSuccess:
    job: Job = strawberry.field(description="The job, RUNNING.")


@strawberry.type(description="The step was simulated, or, past the last one, the job completed.")
class SimulateStepSuccess:
    job: Job = strawberry.field(description="The job as it now is.")
    metric: Metric | None = computed(
        "metrics[0] if metrics else None", description="The new point; null on the call that completes the job."
    )
    complete: bool = strawberry.field(description="Whether the job is COMPLETE now.")
    progress: float = strawberry.field(
        description="0 to 1: this step over `totalSteps`; 1 on the call that completes it."
    )


@strawberry.type(description="The job was failed.")
class FailJobSuccess:
    job: Job = strawberry.field(description="The job, FAILED.")


@strawberry.type(description="The job was completed.")
class CompleteJobSuccess:
    job: Job = strawberry.field(description="The job, COMPLETE.")


@strawberry.type(description="The whole batch is stored.")
class LogMetricsSuccess:
    job: Job = strawberry.field(description="The job as it now is.")
    recorded: int = computed(
        "len(metrics)", len=len, description="Points stored by this call; the others of the batch were stored before."
    )


CreateJobResult = Annotated[CreateJobSuccess | InvalidInput, result_of("createJob")]
StartJobResult = Annotated[StartJobSuccess | JobNotFound | IllegalTransition, result_of("startJob")]
SimulateStepResult = Annotated[
    SimulateStepSuccess | JobNotFound | IllegalTransition | SimulationFailed, result_of("simulateStep")
]
FailJobResult = Annotated[FailJobSuccess | JobNotFound | IllegalTransition, result_of("failJob")]
CompleteJobResult = Annotated[CompleteJobSuccess | JobNotFound | IllegalTransition, result_of("completeJob")]
LogMetricsResult = Annotated[
    LogMetricsSuccess | JobNotFound | IllegalTransition | InvalidInput, result_of("logMetrics")
]
JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


@strawberry.type(description="Changes of jobs. Expected failures are members of the result, not errors of the request.")
class Mutation:
    @strawberry.mutation(description="Create a job, QUEUED.")
    @failures_as_data
    async def create_job(
        self, info: GraphInfo, input: Annotated[CreateJobInput, strawberry.argument(description="Its settings.")]
    ) -> CreateJobResult:
        return CreateJobSuccess(job=as_job(await info.context.jobs.create(NewJob(**vars(input)))))

    @strawberry.mutation(description="QUEUED → RUNNING.")
    @failures_as_data
    async def start_job(self, info: GraphInfo, id: JobId) -> StartJobResult:
        return StartJobSuccess(job=as_job(await info.context.jobs.start(job_id_of(id))))

    @strawberry.mutation(
        description="One more simulated point for a RUNNING job; past its last step the job becomes COMPLETE."
    )
    @failures_as_data
    async def simulate_step(self, info: GraphInfo, id: JobId) -> SimulateStepResult:
        step = await info.context.jobs.simulate(job_id_of(id), make_points)
        return SimulateStepSuccess(
            job=as_job(step.job),
            metric=next(iter(as_metrics(step.metrics)), None),
            complete=step.complete,
            progress=step.progress,
        )

    @strawberry.mutation(description="QUEUED or RUNNING → FAILED.")
    @failures_as_data
    async def fail_job(
        self,
        info: GraphInfo,
        id: JobId,
        reason: Annotated[
            str | None, strawberry.argument(description="Why, for people to read; the first 2000 characters are kept.")
        ] = None,
    ) -> FailJobResult:
        return FailJobSuccess(job=as_job(await info.context.jobs.fail(job_id_of(id), reason)))

    @strawberry.mutation(description="RUNNING → COMPLETE, for a job whose points come from a real training loop.")
    @failures_as_data
    async def complete_job(self, info: GraphInfo, id: JobId) -> CompleteJobResult:
        return CompleteJobSuccess(job=as_job(await info.context.jobs.complete(job_id_of(id))))

    @strawberry.mutation(
        description="Record a batch of real points for a RUNNING job, 1 to 10,000: all of it is stored, or none. Steps "
        "may come in any order and more than once (validation after training, several processes, a resumed run); a "
        "point equal to one already recorded at its step is not stored again, so a batch whose answer was lost can be "
        "sent again."
    )
    @failures_as_data
    async def log_metrics(
        self,
        info: GraphInfo,
        id: JobId,
        metrics: Annotated[
            list[MetricInput], strawberry.argument(description="The points, in the order to number them.")
        ],
    ) -> LogMetricsResult:
        logged = await info.context.jobs.log(job_id_of(id), points_of(metrics))
        return LogMetricsSuccess(job=as_job(logged.job), recorded=len(logged.metrics))
