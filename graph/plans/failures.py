"""Expected failures of verbs as data, as plans and resolvers alike answer them."""

from typing import NamedTuple

from strawberry.utils.str_converters import to_camel_case

from graph.telemetry.call import current_call
from models.errors import IllegalTransition, InvalidInput, JobError, JobNotFound, SimulationFailed
from models.job import Job

__all__ = ["Failure", "failure_of"]


class Failure(NamedTuple):
    """What the fields of a failure's type are made from."""

    type: str
    """The name of the type in the schema, which is that of the domain's error."""
    message: str
    id: str | None = None
    """JobNotFound: as the request has it; the beginning of a long one."""
    job: Job | None = None
    """IllegalTransition, SimulationFailed: the job as it now is."""
    field: str | None = None
    """InvalidInput: the path of the value."""


def failure_of(error: JobError) -> Failure:
    """The failure that an error of the domain is; the call takes note of it."""
    call = current_call()
    is_unexpected = isinstance(error, SimulationFailed) and not error.is_expected
    if call:
        call.met_errors(unexpected=is_unexpected)
    type = error.__class__.__name__
    match error:
        case JobNotFound():
            return Failure(type, error.message, id=str(error.id))
        case InvalidInput():
            field = to_camel_case(error.field)
            return Failure(type, f"{field}: {error.message}", field=field)
        case SimulationFailed() if is_unexpected and call:
            return Failure(type, f"{error.message} The request id is {call.id}.", job=error.job)
        case SimulationFailed() | IllegalTransition():
            return Failure(type, error.message, job=error.job)
    raise error
