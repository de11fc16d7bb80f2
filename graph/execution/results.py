"""What comes of an operation, and the answer that a transport sends of it."""

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from strawberry.http import GraphQLHTTPResponse, process_result
from strawberry.types import ExecutionResult

from graph.media import RESPONSE_JSON
from graph.settings import flag_name

__all__ = ["Encoded", "TimedOut", "payload_of", "status_of", "timed_out"]


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


def payload_of(result: ExecutionResult) -> GraphQLHTTPResponse:
    """The answer to a result: without data where the request was refused before anything was executed."""
    payload: dict[str, Any] = dict(process_result(result))
    refused = result.data is None and result.errors and all(error.path is None for error in result.errors)
    if refused and not isinstance(result, TimedOut):
        del payload["data"]
    return payload  # type: ignore[return-value]  # the specification has data optional, Strawberry has not


def status_of(payload: object, media_type: str) -> int:
    """The status of an answer: with the newer media type, 400 for a request that was refused."""
    return 400 if media_type == RESPONSE_JSON and isinstance(payload, dict) and "data" not in payload else 200
