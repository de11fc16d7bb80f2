"""What comes of an operation, and the answer that a transport sends of it."""

from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError
from strawberry.http import process_result
from strawberry.types import ExecutionResult

from graph.settings import flag_name

__all__ = ["Encoded", "TimedOut", "is_refused", "json_of", "timed_out"]


@dataclass
class Encoded(ExecutionResult):
    """A result that is encoded already: `json` is the whole payload."""

    json: str = ""


class TimedOut(ExecutionResult):
    """The result of an operation that took too long: it was begun, so that its data is null."""

    def __init__(self, seconds: float) -> None:
        super().__init__(data=None, errors=[timed_out(seconds)])
        self.seconds = seconds


def timed_out(seconds: float) -> GraphQLError:
    """The error for an operation that took too long."""
    return GraphQLError(
        f"The operation took longer than {seconds:g} seconds ({flag_name('operation_seconds')}) and is not waited for "
        "any more. What a mutation was to do may still be done: look before it is tried again.",
        extensions={"code": "TIMED_OUT"},
    )


def json_of(result: ExecutionResult) -> str:
    """The JSON of the answer: without data where the request was refused before anything was executed."""
    if isinstance(result, Encoded):
        return result.json
    payload: dict[str, Any] = dict(process_result(result))
    if is_refused(result):
        del payload["data"]
    return orjson.dumps(payload).decode()


def is_refused(result: ExecutionResult) -> bool:
    """Whether nothing was executed."""
    if isinstance(result, Encoded | TimedOut) or result.data is not None:
        return False
    return bool(result.errors) and all(error.path is None for error in result.errors or ())
