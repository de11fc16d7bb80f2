"""Answers over HTTP: their encoding, and how they are sent."""

from typing import Any

import orjson
from cross_web import HTTPException
from starlette.responses import Response
from starlette.types import Scope, Send
from strawberry.http import GraphQLHTTPResponse
from strawberry.types import ExecutionResult

from graph.execution.results import Encoded, payload_of, status_of
from graph.media import JSON
from graph.telemetry.call import call_in

__all__ = ["answer_to", "encoded", "refused", "response_of", "send_answer"]


class Payload(dict[str, Any]):
    """An answer that is encoded already."""

    def __init__(self, json: str) -> None:
        super().__init__()
        self.json = json


def answer_to(result: ExecutionResult) -> GraphQLHTTPResponse:
    """The answer to a result."""
    return Payload(result.json) if isinstance(result, Encoded) else payload_of(result)  # type: ignore[return-value]  # a dict for the type checker, and encoded for `encoded`


def encoded(answer: object) -> bytes:
    """The bytes of an answer."""
    return answer.json.encode() if isinstance(answer, Payload) else orjson.dumps(answer)


def response_of(answer: object, media_type: str) -> Response:
    """The response with an answer, in the media type that the client accepts."""
    # What is encoded already was executed.
    status = 200 if isinstance(answer, Payload) else status_of(answer, media_type)
    return Response(encoded(answer), status, {"Cache-Control": "no-store"}, media_type=media_type)


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
