"""The mutations and their results: a union each, of its success and its expected failures."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.utils.str_converters import to_camel_case

from graph.context import GraphInfo
from graph.plans.fields import computed
from graph.plans.metric_input import points_of
from graph.schema.alert import AlertMutation
from graph.schema.arguments import bad_argument
from graph.schema.enums import Outcome
from graph.schema.errors import (
    IllegalTransition,
    InvalidField,
    InvalidInput,
    JobNotFound,
    SimulationFailed,
    failures_as_data,
    result_of,
)
from graph.schema.job import Job, as_job
from graph.schema.job_input import CreateJobInput, UpdateJobInput
from graph.schema.metric import Metric, MetricInput, as_metrics
from graph.schema.scalars import Long
from graph.schema.series import SeriesInput
from models.validation import job_id_of
from simulator.runner import make_points

__all__ = ["Mutation"]


@strawberry.type(description="The job was created, by this call or by an earlier one with the same key.")
class CreateJobSuccess:
    job: Job = strawberry.field(description="The new job: QUEUED, or RUNNING where `start` asked for that.")
    created: bool = strawberry.field(
        description="False where the key was known, and this is the job that it had made, as it now is."
    )


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


@strawberry.type(description="The job was changed.")
class UpdateJobSuccess:
    job: Job = strawberry.field(description="The job as it now is.")


@strawberry.type(description="The job was resumed.")
class ResumeJobSuccess:
    job: Job = strawberry.field(description="The job, RUNNING, in its next attempt.")


@strawberry.type(description="The sign was taken.")
class HeartbeatSuccess:
    job: Job = strawberry.field(description="The job as it now is.")
    stop_requested: bool = strawberry.field(description="Whether the loop is to end by itself.")


@strawberry.type(description="The stop was requested.")
class RequestStopSuccess:
    job: Job = strawberry.field(description="The job as it now is, still RUNNING.")


@strawberry.type(description="The job was archived, or brought back.")
class ArchiveJobSuccess:
    job: Job = strawberry.field(description="The job as it now is.")


@strawberry.type(description="The job was deleted.")
class DeleteJobSuccess:
    id: strawberry.ID = strawberry.field(description="The id that it had; no other job will have it.")


@strawberry.type(description="The whole batch is stored, but for what `skipInvalid` left out.")
class LogMetricsSuccess:
    job: Job = strawberry.field(description="The job as it now is.")
    recorded: int = computed(
        "len(metrics)", len=len, description="Points stored by this call; the others of the batch were stored before."
    )
    skipped: list[InvalidField] = strawberry.field(
        description="Of each point that `skipInvalid` left out the field and the rule that it breaks."
    )
    stop_requested: bool = strawberry.field(description="Whether the loop is to end by itself.")


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

UpdateJobResult = Annotated[
    UpdateJobSuccess | JobNotFound | InvalidInput,
    strawberry.union("UpdateJobResult", description="Result of `updateJob` and `defineSeries`."),
]
ResumeJobResult = Annotated[
    ResumeJobSuccess | JobNotFound | IllegalTransition | InvalidInput,
    result_of("resumeJob"),
]
HeartbeatResult = Annotated[
    HeartbeatSuccess | JobNotFound | IllegalTransition | InvalidInput,
    result_of("heartbeat"),
]
RequestStopResult = Annotated[
    RequestStopSuccess | JobNotFound | IllegalTransition,
    result_of("requestStop"),
]
ArchiveJobResult = Annotated[
    ArchiveJobSuccess | JobNotFound | IllegalTransition,
    strawberry.union("ArchiveJobResult", description="Result of `archiveJob` and `unarchiveJob`."),
]
DeleteJobResult = Annotated[
    DeleteJobSuccess | JobNotFound | IllegalTransition,
    result_of("deleteJob"),
]

At = Annotated[
    datetime | None,
    strawberry.argument(description="When it happened, of what is imported or was recorded offline; else now."),
]
JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


@strawberry.type(description="Changes of jobs. Expected failures are members of the result, not errors of the request.")
class Mutation(AlertMutation):
    @strawberry.mutation(description="Create a job. Only its name must be known.")
    @failures_as_data
    async def create_job(
        self, info: GraphInfo, input: Annotated[CreateJobInput, strawberry.argument(description="Its settings.")]
    ) -> CreateJobResult:
        done = await info.context.jobs.create_once(input.new_job())
        return CreateJobSuccess(job=as_job(done.job), created=done.created)

    @strawberry.mutation(description="QUEUED → RUNNING.")
    @failures_as_data
    async def start_job(self, info: GraphInfo, id: JobId, at: At = None) -> StartJobResult:
        return StartJobSuccess(job=as_job(await info.context.jobs.start(job_id_of(id), at)))

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
        outcome: Annotated[
            Outcome, strawberry.argument(description="How the attempt ended: FAILED, KILLED or STOPPED.")
        ] = Outcome.FAILED,
        at: At = None,
    ) -> FailJobResult:
        if outcome is Outcome.COMPLETED:
            raise bad_argument("outcome", "must be FAILED, KILLED or STOPPED; completeJob completes a job.")
        return FailJobSuccess(job=as_job(await info.context.jobs.fail(job_id_of(id), reason, outcome, at)))

    @strawberry.mutation(description="RUNNING → COMPLETE, for a job whose points come from a real training loop.")
    @failures_as_data
    async def complete_job(self, info: GraphInfo, id: JobId, at: At = None) -> CompleteJobResult:
        return CompleteJobSuccess(job=as_job(await info.context.jobs.complete(job_id_of(id), at)))

    @strawberry.mutation(
        description="Change what is said of a job. What is left out stays; null clears what may be null (group, "
        "modelName, the plan). `config` is merged as RFC 7396 has it: null removes a key. The plan (epochs, "
        "stepsPerEpoch, totalSteps, learningRate, batchSize) of a job with simulated points does not change."
    )
    @failures_as_data
    async def update_job(
        self,
        info: GraphInfo,
        id: JobId,
        input: Annotated[UpdateJobInput, strawberry.argument(description="What changes.")],
    ) -> UpdateJobResult:
        return UpdateJobSuccess(job=as_job(await info.context.jobs.update(job_id_of(id), input.changes())))

    @strawberry.mutation(
        description="COMPLETE or FAILED → RUNNING: the next attempt of a job whose points come from a real training "
        "loop. With `fromStep`, the step of a checkpoint, points of earlier attempts beyond it are superseded: no part "
        "of curves, series and progress, still part of `metrics`. Without it nothing is superseded."
    )
    @failures_as_data
    async def resume_job(
        self,
        info: GraphInfo,
        id: JobId,
        from_step: Annotated[
            Long | None, strawberry.argument(description="The step of the checkpoint that the attempt begins at.")
        ] = None,
        at: At = None,
    ) -> ResumeJobResult:
        return ResumeJobSuccess(job=as_job(await info.context.jobs.resume(job_id_of(id), from_step, at)))

    @strawberry.mutation(
        description="The loop of a RUNNING job lives, and will say so again within `everySeconds`. Silent for three "
        "times that, the job is lost until its next sign. A job that promised nothing is never lost, and a new attempt "
        "has promised nothing until its first heartbeat."
    )
    @failures_as_data
    async def heartbeat(
        self,
        info: GraphInfo,
        id: JobId,
        every_seconds: Annotated[
            float, strawberry.argument(description="Until the next sign at the latest: 1 to 3600.")
        ],
    ) -> HeartbeatResult:
        job = await info.context.jobs.beat(job_id_of(id), every_seconds)
        return HeartbeatSuccess(job=as_job(job), stop_requested=job.stop_requested_at is not None)

    @strawberry.mutation(
        description="Ask the loop of a RUNNING job to end by itself: every answer to it says so from now on. "
        "IllegalTransition for a job with simulated points."
    )
    @failures_as_data
    async def request_stop(
        self,
        info: GraphInfo,
        id: JobId,
        reason: Annotated[str | None, strawberry.argument(description="Why, for people to read.")] = None,
    ) -> RequestStopResult:
        return RequestStopSuccess(job=as_job(await info.context.jobs.request_stop(job_id_of(id), reason)))

    @strawberry.mutation(description="Out of lists that do not ask for it, not out of reach. Not a RUNNING job.")
    @failures_as_data
    async def archive_job(self, info: GraphInfo, id: JobId) -> ArchiveJobResult:
        return ArchiveJobSuccess(job=as_job(await info.context.jobs.archive(job_id_of(id))))

    @strawberry.mutation(description="Back into lists.")
    @failures_as_data
    async def unarchive_job(self, info: GraphInfo, id: JobId) -> ArchiveJobResult:
        return ArchiveJobSuccess(job=as_job(await info.context.jobs.unarchive(job_id_of(id))))

    @strawberry.mutation(description="For ever, with its points. Not a RUNNING job.")
    @failures_as_data
    async def delete_job(self, info: GraphInfo, id: JobId) -> DeleteJobResult:
        job = await info.context.jobs.delete(job_id_of(id))
        return DeleteJobSuccess(id=strawberry.ID(str(job.id)))

    @strawberry.mutation(description="What series are: their goals, their units, and which is the job's main one.")
    @failures_as_data
    async def define_series(
        self,
        info: GraphInfo,
        id: JobId,
        series: Annotated[list[SeriesInput], strawberry.argument(description="What is said of each; 1000 at most.")],
    ) -> UpdateJobResult:
        definitions = [each.definition() for each in series]
        return UpdateJobSuccess(job=as_job(await info.context.jobs.define_series(job_id_of(id), definitions)))

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
        late: Annotated[
            bool, strawberry.argument(description="Also for a job that has ended: `jobChanged` then reports it once.")
        ] = False,
        skip_invalid: Annotated[
            bool,
            strawberry.argument(
                description="Whether points that break a rule are left out and listed in `skipped`, in place of "
                "InvalidInput for the batch."
            ),
        ] = False,
    ) -> LogMetricsResult:
        skipped: list[tuple[str, str]] | None = [] if skip_invalid else None
        points = points_of(metrics, skipped)
        logged = await info.context.jobs.log(job_id_of(id), points, late=late, skipped=skipped or ())
        return LogMetricsSuccess(
            job=as_job(logged.job),
            recorded=len(logged.metrics),
            skipped=[InvalidField(field=to_camel_case(field), message=message) for field, message in logged.skipped],
            stop_requested=logged.stop_requested,
        )
