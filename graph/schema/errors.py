"""Expected failures as data: each is a member of the result unions of the mutations that may meet it."""

from typing import overload

import strawberry
from strawberry.utils.str_converters import to_camel_case

from graph.garbage import forget_frames
from graph.schema.job import Job
from graph.telemetry.call import current_call
from models import errors

__all__ = ["Error", "IllegalTransition", "InvalidInput", "JobNotFound", "SimulationFailed", "as_data"]


@strawberry.interface(description="Why a mutation did not do what it was asked.")
class Error:
    message: str = strawberry.field(description="What went wrong, for a person to read.")


@strawberry.type(description="There is no job with that id.")
class JobNotFound(Error):
    id: strawberry.ID = strawberry.field(
        description="The id that was asked for; of one that is too long to be one, the beginning."
    )


@strawberry.type(description="The job's status does not allow it.")
class IllegalTransition(Error):
    job: Job = strawberry.field(description="The job as it now is.")


@strawberry.type(description="The simulator raised, or its point could not be stored: the job has FAILED.")
class SimulationFailed(Error):
    job: Job = strawberry.field(description="The job as it now is: FAILED, with the reason.")


@strawberry.type(description="A value of the input breaks a rule.")
class InvalidInput(Error):
    field: str = strawberry.field(description="The path of the value: learningRate, or metrics[2].values[0].name.")


@overload
def as_data(error: errors.JobNotFound) -> JobNotFound: ...
@overload
def as_data(error: errors.IllegalTransition) -> IllegalTransition: ...
@overload
def as_data(error: errors.SimulationFailed) -> SimulationFailed: ...
@overload
def as_data(error: errors.InvalidInput) -> InvalidInput: ...
def as_data(
    error: errors.JobNotFound | errors.IllegalTransition | errors.SimulationFailed | errors.InvalidInput,
) -> JobNotFound | IllegalTransition | SimulationFailed | InvalidInput:
    """The domain's error as a member of a result union; the call takes note of it."""
    is_unexpected = isinstance(error, errors.SimulationFailed) and not error.is_expected
    if call := current_call():
        call.met_errors(unexpected=is_unexpected)
    forget_frames(error)
    match error:
        case errors.JobNotFound():
            return JobNotFound(message=error.message, id=strawberry.ID(str(error.id)))
        case errors.IllegalTransition():
            return IllegalTransition(message=error.message, job=Job.of(error.job))
        case errors.SimulationFailed():
            where = f" The request id is {call.id}." if call and is_unexpected else ""
            return SimulationFailed(message=error.message + where, job=Job.of(error.job))
        case errors.InvalidInput():
            return InvalidInput(message=error.message, field=to_camel_case(error.field))
