"""What can be done. Each answers with what it did, or with why it did not."""

from typing import Annotated

import strawberry

from graph.context import GraphInfo
from graph.plans.metric_input import points_of
from graph.schema import results
from graph.schema.errors import as_data
from graph.schema.job import as_job
from graph.schema.job_input import CreateJobInput, new_job_of
from graph.schema.metric import MetricInput, as_metrics
from models.errors import IllegalTransition, InvalidInput, JobNotFound, SimulationFailed
from models.validation import job_id_of
from simulator.runner import make_points

__all__ = ["Mutation"]

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


@strawberry.type(
    description="What can be done. Expected failures are members of the result, not errors of the request."
)
class Mutation:
    @strawberry.mutation(description="Create a job, QUEUED.")
    async def create_job(
        self, info: GraphInfo, input: Annotated[CreateJobInput, strawberry.argument(description="Its settings.")]
    ) -> results.CreateJobResult:
        try:
            return results.CreateJobSuccess(job=as_job(await info.context.jobs.create(new_job_of(input))))
        except InvalidInput as error:
            return as_data(error)

    @strawberry.mutation(description="QUEUED → RUNNING.")
    async def start_job(self, info: GraphInfo, id: JobId) -> results.StartJobResult:
        try:
            return results.StartJobSuccess(job=as_job(await info.context.jobs.start(job_id_of(id))))
        except (JobNotFound, IllegalTransition) as error:
            return as_data(error)

    @strawberry.mutation(
        description="One more simulated point for a RUNNING job; past its last step the job becomes COMPLETE."
    )
    async def simulate_step(self, info: GraphInfo, id: JobId) -> results.SimulateStepResult:
        try:
            step = await info.context.jobs.simulate(job_id_of(id), make_points)
        except (JobNotFound, IllegalTransition, SimulationFailed) as error:
            return as_data(error)
        return results.SimulateStepSuccess(
            job=as_job(step.job),
            metric=next(iter(as_metrics(step.metrics)), None),
            complete=step.complete,
            progress=step.progress,
        )

    @strawberry.mutation(description="QUEUED or RUNNING → FAILED.")
    async def fail_job(
        self,
        info: GraphInfo,
        id: JobId,
        reason: Annotated[
            str | None, strawberry.argument(description="Why, for people to read; the first 2000 characters are kept.")
        ] = None,
    ) -> results.FailJobResult:
        try:
            return results.FailJobSuccess(job=as_job(await info.context.jobs.fail(job_id_of(id), reason)))
        except (JobNotFound, IllegalTransition) as error:
            return as_data(error)

    @strawberry.mutation(description="RUNNING → COMPLETE, for a job whose metrics come from a real training loop.")
    async def complete_job(self, info: GraphInfo, id: JobId) -> results.CompleteJobResult:
        try:
            return results.CompleteJobSuccess(job=as_job(await info.context.jobs.complete(job_id_of(id))))
        except (JobNotFound, IllegalTransition) as error:
            return as_data(error)

    @strawberry.mutation(
        description="Record a batch of real points for a RUNNING job, 1 to 10,000: all of it is stored, or none. Steps "
        "may come in any order and more than once (validation after training, several processes, a resumed run); a "
        "point equal to one already recorded at its step is not stored again, so a batch whose answer was lost can be "
        "sent again."
    )
    async def log_metrics(
        self,
        info: GraphInfo,
        id: JobId,
        metrics: Annotated[
            list[MetricInput], strawberry.argument(description="The points, in the order to number them.")
        ],
    ) -> results.LogMetricsResult:
        try:
            logged = await info.context.jobs.log(job_id_of(id), points_of(metrics))
        except (JobNotFound, IllegalTransition, InvalidInput) as error:
            return as_data(error)
        return results.LogMetricsSuccess(job=as_job(logged.job), recorded=len(logged.metrics))
