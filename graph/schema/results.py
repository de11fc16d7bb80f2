"""What mutations answer: a union each, of its success and the failures to expect."""

from typing import Annotated

import strawberry

from graph.plans.fields import computed
from graph.schema.errors import IllegalTransition, InvalidInput, JobNotFound, SimulationFailed
from graph.schema.job import Job
from graph.schema.metric import Metric

__all__ = [
    "CompleteJobResult",
    "CompleteJobSuccess",
    "CreateJobResult",
    "CreateJobSuccess",
    "FailJobResult",
    "FailJobSuccess",
    "LogMetricsResult",
    "LogMetricsSuccess",
    "SimulateStepResult",
    "SimulateStepSuccess",
    "StartJobResult",
    "StartJobSuccess",
]


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


CreateJobResult = Annotated[
    CreateJobSuccess | InvalidInput,
    strawberry.union("CreateJobResult", description="What `createJob` answers."),
]
StartJobResult = Annotated[
    StartJobSuccess | JobNotFound | IllegalTransition,
    strawberry.union("StartJobResult", description="What `startJob` answers."),
]
SimulateStepResult = Annotated[
    SimulateStepSuccess | JobNotFound | IllegalTransition | SimulationFailed,
    strawberry.union("SimulateStepResult", description="What `simulateStep` answers."),
]
FailJobResult = Annotated[
    FailJobSuccess | JobNotFound | IllegalTransition,
    strawberry.union("FailJobResult", description="What `failJob` answers."),
]
CompleteJobResult = Annotated[
    CompleteJobSuccess | JobNotFound | IllegalTransition,
    strawberry.union("CompleteJobResult", description="What `completeJob` answers."),
]
LogMetricsResult = Annotated[
    LogMetricsSuccess | JobNotFound | IllegalTransition | InvalidInput,
    strawberry.union("LogMetricsResult", description="What `logMetrics` answers."),
]
