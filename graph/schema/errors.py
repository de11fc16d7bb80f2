"""Expected failures as data: each is a member of the result unions of the mutations that may meet it."""

from typing import overload

import strawberry

from graph.plans.failures import failure_of
from graph.schema.job import Job
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
    failure = failure_of(error)
    member = {each.__name__: each for each in (JobNotFound, IllegalTransition, SimulationFailed, InvalidInput)}
    given = {name: value for name, value in failure._asdict().items() if name != "type" and value is not None}
    return member[failure.type](**given)
