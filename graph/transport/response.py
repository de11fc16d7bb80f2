"""Answers over HTTP: their encoding, and how they are sent."""

import orjson
from cross_web import HTTPException
from starlette.responses import Response
from starlette.types import Scope, Send
from strawberry.types import ExecutionResult

from graph.execution.results import is_refused, json_of
from graph.media import JSON, RESPONSE_JSON
from graph.telemetry.call import call_in

__all__ = ["refused", "response_of", "send_answer"]


def response_of(result: ExecutionResult, media_type: str) -> Response:
    """The response with the answer to a result, in the media type that the client accepts."""
    status = 400 if media_type == RESPONSE_JSON and is_refused(result) else 200
    return Response(json_of(result), status, {"Cache-Control": "no-store"}, media_type=media_type)


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
