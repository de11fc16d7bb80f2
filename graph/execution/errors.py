"""Unexpected errors: logged in full, and sent to the client as a code and a request id only."""

import logging
from collections.abc import Sequence

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from graph.telemetry.call import current_call, request_id
from models.store.errors import StoreFailure

__all__ = ["is_unexpected", "logged_and_masked", "masked_error"]

log = logging.getLogger("graph.errors")


FOR_CLIENTS = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""Exceptions whose messages are for the client."""


def masked_error(error: GraphQLError) -> GraphQLError:
    """The error for the client: a code, and the request id under which the log has the cause."""
    if isinstance(error.original_error, StoreFailure):
        message, code = error.original_error.for_clients, "SERVICE_UNAVAILABLE"
    else:
        message, code = "Something went wrong on the server.", "INTERNAL_SERVER_ERROR"
    id = request_id()
    extensions = {"code": code, "requestId": id} if id else {"code": code}
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


def is_unexpected(error: GraphQLError) -> bool:
    """Whether the cause is not the request: a bug, or a store that is out of reach."""
    if error.original_error is None or isinstance(error.original_error, FOR_CLIENTS):
        return False
    # With a place in the document but none in the answer, it is a literal that could not be read.
    return error.path is not None or not error.nodes


def logged_and_masked(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The errors for the client. Those that are masked are logged: a bug with its traceback; an outage, which many
    requests will meet, in one line.
    """
    unexpected = [error for error in errors if is_unexpected(error)]
    if call := current_call():
        call.met_errors(unexpected=bool(unexpected))
    failures = [error.original_error for error in unexpected if isinstance(error.original_error, StoreFailure)]
    for message in dict.fromkeys(map(str, failures)):
        log.warning("%s", message)
    for error in unexpected:
        if not isinstance(error.original_error, StoreFailure):
            log.error("%s", error.message, exc_info=error.original_error)
    return [masked_error(error) if is_unexpected(error) else error for error in errors]
