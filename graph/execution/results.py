"""What comes of an operation: the answer that a transport sends of it, and its errors as the client gets them.

An unexpected error is logged in full, and sent as a code and a request id only.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.http import process_result
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult

from graph.settings import Settings, flag_name
from graph.telemetry.calls import current_call, request_id
from models.store.errors import StoreFailure

__all__ = [
    "CODES",
    "MOST",
    "Encoded",
    "TimedOut",
    "is_refused",
    "json_of",
    "limit_error",
    "logged_and_masked",
    "masked_error",
]

log = logging.getLogger("graph.errors")

FOR_CLIENTS = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""Exceptions whose messages are for the client."""
MOST = 10**12
"""Where counting ends: a short document may spread fragments so that it selects far more."""
CODES = {
    "max_document_characters": "DOCUMENT_TOO_LONG",
    "max_document_tokens": "TOO_MANY_TOKENS",
    "max_depth": "TOO_DEEP",
    "max_aliases": "TOO_MANY_ALIASES",
    "max_directives": "TOO_MANY_DIRECTIVES",
    "max_cost": "TOO_COSTLY",
    "max_variable_values": "TOO_MANY_VALUES",
}
"""Setting -> the `extensions.code` of its error."""


@dataclass
class Encoded(ExecutionResult):
    """A result that is encoded already: `json` is the whole payload."""

    json: str = ""


class TimedOut(GraphQLError):
    """The error of an operation that took too long: it was begun, so that its data is null."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The operation took longer than {seconds:g} seconds ({flag_name('operation_seconds')}) and is not waited "
            "for any more. What a mutation was to do may still be done: look before it is tried again.",
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
    if isinstance(result, Encoded) or result.data is not None or not result.errors:
        return False
    return all(error.path is None and not isinstance(error, TimedOut) for error in result.errors)


def limit_error(settings: Settings, setting: str, what: str, found: int | None = None) -> GraphQLError:
    """The error for a document or an operation beyond the limit of a setting.

    `what`: the beginning of the message, as "The operation is {} levels deep"; `found`: the number for its place, None
    where it was not counted to the end.
    """
    limit = getattr(settings, setting)
    shown = f"more than {limit if found is None else MOST}" if found is None or found >= MOST else str(found)
    message = f"{what.format(shown)}; this server allows {limit} ({flag_name(setting)})."
    return GraphQLError(message, extensions={"code": CODES[setting]})


def masked_error(error: GraphQLError) -> GraphQLError:
    """The error for the client: a code, and the request id under which the log has the cause."""
    if isinstance(error.original_error, StoreFailure):
        message, code = error.original_error.for_clients, "SERVICE_UNAVAILABLE"
    else:
        message, code = "Something went wrong on the server.", "INTERNAL_SERVER_ERROR"
    id = request_id()
    extensions = {"code": code, "requestId": id} if id else {"code": code}
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


def logged_and_masked(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The errors for the client. Those that are masked are logged: a bug with its traceback; an outage, which many
    requests will meet, in one line.
    """
    unexpected = [error for error in errors if _is_unexpected(error)]
    if call := current_call():
        call.met_errors(unexpected=bool(unexpected))
    failures = [error.original_error for error in unexpected if isinstance(error.original_error, StoreFailure)]
    for message in dict.fromkeys(map(str, failures)):
        log.warning("%s", message)
    for error in unexpected:
        if not isinstance(error.original_error, StoreFailure):
            log.error("%s", error.message, exc_info=error.original_error)
    return [masked_error(error) if _is_unexpected(error) else error for error in errors]


def _is_unexpected(error: GraphQLError) -> bool:
    """Whether the cause is not the request: a bug, or a store that is out of reach."""
    if error.original_error is None or isinstance(error.original_error, FOR_CLIENTS):
        return False
    # With a place in the document but none in the answer, it is a literal that could not be read.
    return error.path is not None or not error.nodes
