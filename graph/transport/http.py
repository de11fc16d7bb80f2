"""A request over HTTP, whether it can be answered past Strawberry's view, and how answers are sent."""

import functools
from typing import Any, NamedTuple

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope, Send

from graph.execution.body import Body
from graph.media import JSON, accepted_media_type, answers_by_name, media_type_of
from graph.telemetry.calls import call_in

__all__ = ["RequestAdapter", "check_body_type", "operation_of", "quick_media_type", "refused", "send_answer"]

MAX_HEADERS = 500  # bytes of the longest headers that are remembered


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
        """The value of the body, for the view's parse_json. Raises JSONDecodeError, HTTPException."""
        body: Body = self._request.state.body
        try:
            return await body.json()
        except orjson.JSONDecodeError:
            raw = await body.read()
            if b"NaN" in raw or b"Infinity" in raw:
                reason = "JSON has no NaN and no Infinity: send such a value by its name in `values`, as `nonFinite`."
                raise HTTPException(400, reason) from None
            raise


class Operation(NamedTuple):
    """What a request is for."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


async def operation_of(body: Body) -> Operation | None:
    """The operation in a body of JSON; None where Strawberry is to say what is wrong. Raises as Body.json."""
    try:
        request = await body.json()
    except orjson.JSONDecodeError:
        return None
    if not isinstance(request, dict) or not isinstance(request.get("extensions"), dict | None):
        return None
    query, variables, name = request.get("query"), request.get("variables"), request.get("operationName")
    if not isinstance(query, str) or not isinstance(variables, dict | None) or not isinstance(name, str | None):
        return None
    return Operation(query, variables, name) if query else None


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


def check_body_type(request: AsyncHTTPRequestAdapter) -> None:
    """Raise HTTPException 415 unless a POST says that its body is JSON in UTF-8."""
    media_type, parameters = media_type_of(request.headers.get("content-type", ""))
    # Also the names of RFC 2231, charset* and charset*0, which no client needs to say UTF-8.
    charsets = {value.lower() for name, value in parameters.items() if name.partition("*")[0] == "charset"}
    is_utf8 = charsets <= {"utf-8", "utf8"}
    if request.method == "POST" and (media_type != JSON or not is_utf8):
        raise HTTPException(415, f"The Content-Type of a POST must be {JSON}, in UTF-8.")


async def send_answer(send: Send, body: bytes, media_type: str) -> None:
    """Send a whole answer. A response of Starlette's would take as long as recalling a remembered answer."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refused(scope: Scope, refusal: HTTPException) -> Response:
    """The response to a request that is not served."""
    if call := call_in(scope):
        call.refused(refusal.status_code)
    headers = {"Cache-Control": "no-store"}
    if refusal.status_code == 405:
        headers["Allow"] = "POST" if scope["method"] == "GET" else "GET, POST"
    if refusal.status_code == 503:
        headers["Retry-After"] = "10"
    body = orjson.dumps({"errors": [{"message": refusal.reason}]})
    return Response(body, refusal.status_code, headers, media_type=JSON)
