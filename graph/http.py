"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/

What Strawberry leaves open: which media type a client accepts, which status an answer has, and what is no request.
"""

from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.datastructures import Headers
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, process_result
from strawberry.http.parse_content_type import parse_content_type
from strawberry.types import ExecutionResult

__all__ = [
    "JSON",
    "RESPONSE_JSON",
    "accepted_media_type",
    "check_body_type",
    "check_request",
    "payload_of",
    "status_of",
]

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
_RANGES = {RESPONSE_JSON: RESPONSE_JSON, JSON: JSON, "application/*": JSON, "*/*": JSON}
"""Media range a client may ask for -> what it is answered with."""


def accepted_media_type(headers: Headers) -> str:
    """The media type to answer with: the one that the client likes best, JSON where it does not say.

    Raises HTTPException 406 where it takes neither.
    """
    accept = headers.get("accept")
    if not accept:
        return JSON
    liked: list[tuple[float, str]] = []
    for part in accept.split(","):
        media_range, parameters = parse_content_type(part)
        if media_range in _RANGES and (quality := _quality(parameters)) > 0:
            liked.append((quality, _RANGES[media_range]))
    if not liked:
        raise HTTPException(406, f"This address answers with {JSON} or {RESPONSE_JSON}.")
    return max(liked, key=lambda one: one[0])[1]


def check_body_type(request: AsyncHTTPRequestAdapter) -> None:
    """Raise HTTPException 415 unless a POST says that its body is JSON in UTF-8."""
    media_type, parameters = parse_content_type(request.content_type or "")
    charset = parameters.get("charset", "utf-8").lower()
    if request.method == "POST" and (media_type != JSON or charset not in {"utf-8", "utf8"}):
        raise HTTPException(415, f"The Content-Type of a POST must be {JSON}, in UTF-8.")


def check_request(request: GraphQLRequestData) -> None:
    """Raise HTTPException 400 where a member of the request has the wrong type, and Strawberry does not look."""
    if not isinstance(request.operation_name, str | None):
        raise HTTPException(400, "The GraphQL operation's `operationName` must be a string or null, if provided.")


def payload_of(result: ExecutionResult) -> GraphQLHTTPResponse:
    """The answer to a result: without data where the request was refused before anything was executed."""
    payload: dict[str, Any] = dict(process_result(result))
    if result.data is None and result.errors and all(error.path is None for error in result.errors):
        del payload["data"]
    return payload  # type: ignore[return-value]  # the specification has data optional, Strawberry has not


def status_of(payload: object, media_type: str) -> int:
    """The status of an answer: with the newer media type, 400 for a request that was refused."""
    return 400 if media_type == RESPONSE_JSON and isinstance(payload, dict) and "data" not in payload else 200


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
