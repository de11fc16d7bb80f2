"""Errors nobody expected: logged, and told to the client only as a code."""

import logging

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from graph.garbage import forget_frames
from graph.telemetry.call import current_call, request_id
from models.store.database import OUTAGES

__all__ = ["MaskUnexpectedErrors", "is_unexpected", "log_unexpected", "masked", "masked_error"]

log = logging.getLogger("graph.errors")


CLIENTS_DOING = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""What may be raised for the client to read."""


class MaskUnexpectedErrors(MaskErrors):
    """Hides what went wrong inside; errors that were raised for the client, and those of its request, pass."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=is_unexpected)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """The same error, masked."""
        return masked_error(error)


def masked_error(error: GraphQLError) -> GraphQLError:
    """An error with a code for its only content, and the id by which the log tells what it was."""
    if isinstance(error.original_error, OUTAGES):
        message, code = "The store is busy or out of reach; try again.", "SERVICE_UNAVAILABLE"
    else:
        message, code = "Something went wrong on the server.", "INTERNAL_SERVER_ERROR"
    id = request_id()
    extensions = {"code": code, "requestId": id} if id else {"code": code}
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


def masked(errors: list[GraphQLError]) -> list[GraphQLError]:
    """The errors as the client is told of them."""
    return [masked_error(error) if is_unexpected(error) else error for error in errors]


def is_unexpected(error: GraphQLError) -> bool:
    """Whether something was raised that is not the client's doing: a bug, or a machine that fails."""
    if error.original_error is None or isinstance(error.original_error, CLIENTS_DOING):
        return False
    # With a place in the document but none in the answer, it is a literal that could not be read.
    return error.path is not None or not error.nodes


def log_unexpected(errors: list[GraphQLError]) -> None:
    """Log what the client is not told of: an outage in a line, for many will meet it; a bug with its traceback."""
    unexpected = [error for error in errors if is_unexpected(error)]
    if call := current_call():
        call.met_errors(unexpected=bool(unexpected))
    for message in dict.fromkeys(error.message for error in unexpected if isinstance(error.original_error, OUTAGES)):
        log.warning("the store is busy or out of reach: %s", message)
    for error in unexpected:
        if not isinstance(error.original_error, OUTAGES):
            log.error("%s", error.message, exc_info=error.original_error)
    for error in errors:
        forget_frames(error)
