"""Expected failures as data: each is a member of the result unions of the mutations that may meet it."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

import strawberry
from strawberry.types.union import StrawberryUnion

from graph.plans.mutation import failure_of
from graph.schema.job import Job
from models.errors import JobError

__all__ = [
    "AlertNotFound",
    "AlertRuleNotFound",
    "Error",
    "IllegalTransition",
    "InvalidField",
    "InvalidInput",
    "JobNotFound",
    "SimulationFailed",
    "failures_as_data",
    "result_of",
]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@strawberry.interface(description="Why a mutation failed.")
class Error:
    message: str = strawberry.field(description="What went wrong, for people.")


@strawberry.type(description="There is no job with that id.")
class JobNotFound(Error):
    id: strawberry.ID = strawberry.field(description="The requested id; of one that is too long, the beginning.")


@strawberry.type(description="There is no alert rule with that id.")
class AlertRuleNotFound(Error):
    id: strawberry.ID = strawberry.field(description="The requested id; of one that is too long, the beginning.")


@strawberry.type(description="There is no alert with that id.")
class AlertNotFound(Error):
    id: strawberry.ID = strawberry.field(description="The requested id; of one that is too long, the beginning.")


@strawberry.type(description="The job's status does not allow it.")
class IllegalTransition(Error):
    job: Job = strawberry.field(description="The job as it now is.")


@strawberry.type(description="The simulator raised, or its point could not be stored: the job has FAILED.")
class SimulationFailed(Error):
    job: Job = strawberry.field(description="The job as it now is: FAILED, with the reason.")


@strawberry.type(description="A value that breaks a rule.")
class InvalidField:
    field: str = strawberry.field(description="Its path: learningRate, or metrics[2].values[0].name.")
    message: str = strawberry.field(description="Which rule, for people.")


@strawberry.type(description="A value of the input breaks a rule.")
class InvalidInput(Error):
    field: str = strawberry.field(description="The path of the value: learningRate, or metrics[2].values[0].name.")
    others: list[InvalidField] = strawberry.field(description="What else is wrong with the input.")


MEMBERS = (JobNotFound, AlertRuleNotFound, AlertNotFound, IllegalTransition, SimulationFailed, InvalidInput)


def failures_as_data(resolver: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Awaitable[Result]]:
    """A resolver that returns expected failures as members of its result; the call takes note of them."""

    @functools.wraps(resolver)
    async def resolved(*args: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return await resolver(*args, **named)
        except JobError as error:
            name, fields = failure_of(error)
            member = {each.__name__: each for each in MEMBERS}
            return cast("Result", member[name](**fields))

    return resolved


def result_of(field: str) -> StrawberryUnion:
    """The union of what a root field may answer."""
    return strawberry.union(f"{field[0].upper()}{field[1:]}Result", description=f"Result of `{field}`.")
