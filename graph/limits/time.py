"""How long an operation may take."""

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from graph.settings import flag_name

__all__ = ["TimedOut"]


class TimedOut(ExecutionResult):
    """The result of an operation that took too long: it was begun, so that its data is null."""

    def __init__(self, seconds: float) -> None:
        error = GraphQLError(
            f"The operation took longer than {seconds:g} seconds ({flag_name('operation_seconds')}) and is no longer "
            "waited for. What a mutation was to do may still be done: look before it is tried again.",
            extensions={"code": "TIMED_OUT"},
        )
        super().__init__(data=None, errors=[error])
