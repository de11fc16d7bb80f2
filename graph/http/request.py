"""What is asked of the API over HTTP: whether it is a request at all, and the quick way to see what it wants."""

import functools
from typing import Any

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope
from starlette.websockets import WebSocket
from strawberry.http import GraphQLRequestData

from graph.http.media import JSON, accepted_media_type, answers_by_name, media_type_of
from graph.limits.long_json import Loaded, loaded

__all__ = [
    "Body",
    "RequestAdapter",
    "check_body_type",
    "check_request",
    "is_for_a_browser",
    "json_of",
    "quick_media_type",
]

MAX_HEADERS = 500
"""Bytes of the longest headers that are remembered."""


class Body:
    """The body of a request, and what it says: read when it is asked for, and once, for a long one takes its time."""

    __slots__ = ("_limit", "_raw", "_receive", "_said")

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._raw: bytes | None = None
        self._said: Loaded | None = None

    async def read(self) -> bytes:
        """Its bytes. Raises HTTPException 413 where there are more than the limit, ClientDisconnect."""
        if self._raw is None:
            self._raw = await _received(self._receive, self._limit)
        return self._raw

    async def said(self) -> Any:
        """What it says in JSON; strictly: no NaN, no lone surrogates. Raises orjson.JSONDecodeError, and as `read`."""
        if self._said is None:
            self._said = await loaded(await self.read())
        return self._said.value

    def let_go(self) -> None:
        """Forget it, for when the request is answered: a stream would keep it for as long as it is open."""
        said, self._said, self._raw = self._said, None, b""
        del self._receive  # which leads back here, by the request
        if said is not None:
            said.let_go()


class RequestAdapter(StarletteRequestAdapter):
    """Strawberry's view of a request, in which a media type is what it is in any case, whatever stands beside it."""

    @property
    def content_type(self) -> str | None:
        """The media type of the body."""
        return media_type_of(super().content_type or "")[0]

    @property
    def scope(self) -> Scope:
        """The request's."""
        return self._request.scope

    async def get_body(self) -> Any:
        """What the body says in JSON, for the view's parse_json. Raises HTTPException as well where it is too long."""
        body: Body = self._request.state.body
        try:
            return _checked(await body.said())
        except orjson.JSONDecodeError as error:
            raise _no_json(await body.read()) from error


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


def is_for_a_browser(request: Request | WebSocket) -> bool:
    """Whether someone opens the address in a browser."""
    return request.scope.get("method") == "GET" and "text/html" in request.headers.get("accept", "")


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


def json_of(data: str) -> Any:
    """A JSON object, or a list for Strawberry to refuse. Raises HTTPException 400."""
    try:
        return _checked(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise _no_json(data.encode()) from error


def _checked(value: object) -> object:
    if not isinstance(value, dict | list):
        raise HTTPException(400, "The request must be a JSON object.")
    return value


def _no_json(raw: bytes) -> HTTPException:
    reason = "Unable to parse request body as JSON"
    if b"NaN" in raw or b"Infinity" in raw:
        reason = "JSON has no NaN and no Infinity: send such a value by its name in `values`, as `nonFinite`."
    return HTTPException(400, reason)


async def _received(receive: Receive, limit: int) -> bytes:
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
