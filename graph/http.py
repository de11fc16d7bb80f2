"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/

What Strawberry leaves open: which media type a client accepts, which status an answer has, and what is no request.
"""

import functools
from collections.abc import Mapping
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, process_result
from strawberry.types import ExecutionResult

from graph.limits.time import TimedOut

__all__ = [
    "GRAPHQL",
    "JSON",
    "RESPONSE_JSON",
    "accepted_media_type",
    "answers_by_name",
    "body_of",
    "check_body_type",
    "check_request",
    "once_more",
    "payload_of",
    "quick_media_type",
    "send_answer",
    "status_of",
]

GRAPHQL = "/graphql"
"""The address of the API."""
JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"


MAX_HEADERS = 500
"""Bytes of the longest headers that are remembered."""
MAX_RANGES = 50
"""Media ranges of an Accept header that are looked at."""


def media_type_of(header: str) -> tuple[str, dict[str, str]]:
    """A media type or range and its parameters, names in lower case; whatever is written there."""
    media_type, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip("\"'") for name, _, value in pairs}


def media_ranges(accept: str) -> dict[str, float]:
    """The media ranges of an Accept header, in its order, and how much each is liked: 0 to 1, 0 for not at all."""
    ranges: dict[str, float] = {}
    for part in accept.split(",", MAX_RANGES)[:MAX_RANGES]:
        media_range, parameters = media_type_of(part)
        if media_range:
            ranges[media_range] = max(ranges.get(media_range, 0.0), _quality(parameters.get("q", "1")))
    return ranges


def accepted_media_type(headers: Headers) -> str:
    """The media type to answer with: the one that the client likes best, JSON where it does not say.

    Raises HTTPException 406 where it takes neither.
    """
    ranges = media_ranges(headers.get("accept", ""))
    if not ranges:
        return JSON
    places = list(ranges)
    liked: list[tuple[float, int, str]] = []
    for media_type in (JSON, RESPONSE_JSON):
        # The most exact range is the one that counts.
        said = next((one for one in (media_type, "application/*", "*/*") if one in ranges), None)
        if said is not None and ranges[said] > 0:
            liked.append((ranges[said], -places.index(said), media_type))
    if not liked:
        raise HTTPException(406, f"This address answers with {JSON} or {RESPONSE_JSON}.")
    return max(liked, key=lambda one: one[:2])[2]


def quick_media_type(scope: Scope) -> str | None:
    """The media type to answer a POST of JSON with that wants one answer; None where a request is anything else."""
    if scope["method"] != "POST":
        return None
    said = [value for name, value in scope["headers"] if name == b"content-type"]
    accepts = [value for name, value in scope["headers"] if name == b"accept"]
    if len(said) != 1 or len(accepts) > 1 or sum(map(len, said + accepts)) > MAX_HEADERS:
        return None
    return _quick_media_type(said[0], b"".join(accepts))


@functools.lru_cache(maxsize=256)  # a pure function; few clients say anything of their own
def _quick_media_type(content_type: bytes, accept: bytes) -> str | None:
    if content_type.lower().replace(b" ", b"") not in {b"application/json", b"application/json;charset=utf-8"}:
        return None
    headers = Headers({"accept": accept.decode("latin-1")})
    streams = any(one in accept.lower() for one in (b"text/event-stream", b"multipart/mixed"))
    if streams and not answers_by_name(headers):
        return None
    try:
        return accepted_media_type(headers)
    except HTTPException:
        return None


def answers_by_name(headers: Mapping[str, str]) -> bool:
    """Whether the client names a media type of a single answer, beside those of streams perhaps."""
    ranges = media_ranges(headers.get("accept", ""))
    return any(ranges.get(media_type, 0.0) > 0 for media_type in (JSON, RESPONSE_JSON))


def check_body_type(request: AsyncHTTPRequestAdapter) -> None:
    """Raise HTTPException 415 unless a POST says that its body is JSON in UTF-8."""
    media_type, parameters = media_type_of(request.headers.get("content-type", ""))
    # Also the names of RFC 2231, charset* and charset*0, which nobody needs to say UTF-8.
    charsets = {value.lower() for name, value in parameters.items() if name.partition("*")[0] == "charset"}
    is_utf8 = charsets <= {"utf-8", "utf8"}
    if request.method == "POST" and (media_type != JSON or not is_utf8):
        raise HTTPException(415, f"The Content-Type of a POST must be {JSON}, in UTF-8.")


def check_request(request: GraphQLRequestData) -> None:
    """Raise HTTPException 400 where a member of the request has the wrong type, and Strawberry does not look."""
    if not isinstance(request.operation_name, str | None):
        raise HTTPException(400, "The GraphQL operation's `operationName` must be a string or null, if provided.")


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


async def send_answer(send: Send, body: bytes, media_type: str) -> None:
    """Send a whole answer: Starlette's way with a response takes as long as finding one that is remembered."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive, limit: int) -> bytes:
    """The body of a request. Raises HTTPException 413 where it is longer than `limit`, ClientDisconnect."""
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > limit:
            raise HTTPException(413, f"The body is longer than {limit} bytes.")
        if not message.get("more_body", False):
            return b"".join(pieces)


def once_more(body: bytes, receive: Receive) -> Receive:
    """What is received of a request whose body was read already."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        return next(messages, None) or await receive()

    return again


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
