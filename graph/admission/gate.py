"""The checks that every request and socket passes first, and the record of how each ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from graph.admission.caller import Refusal
from graph.execution.results import masked_error
from graph.media import JSON
from graph.telemetry.calls import Calls
from models.store.errors import StoreFailure

__all__ = ["Check", "Gate", "Head", "failure", "head_of"]

log = logging.getLogger(__name__)

INTERNAL_ERROR = 1011
"""The code that closes a socket after an unexpected exception."""
Head = Mapping[bytes, bytes]
"""The headers of a request, their names in lower case; of one that came several times the values, as one."""
Check = Callable[[Scope, Head], Awaitable[Response | None]]
"""Raises Refusal, or returns the answer where no more is to be done."""


class Gate:
    """Serves what passes all of the checks, in their order, and refuses the rest: also sockets, by an HTTP answer."""

    def __init__(self, checks: Sequence[Check], inner: ASGIApp, calls: Calls) -> None:
        self._checks = checks
        self._inner = inner
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request or a socket."""
        head = head_of(scope)
        call = self._calls.begun(scope, head, send)
        try:
            for check in self._checks:
                if answer := await check(scope, head):
                    return await answer(scope, receive, call.send)
            await self._inner(scope, receive, call.send)
        except Refusal as refusal:
            call.outcome = "refused"
            if call.status:
                raise
            await refuse(refusal.response(), scope, receive, call.send)
        except asyncio.CancelledError:
            call.outcome = "cut"
            raise
        except Exception as error:
            call.outcome = "failed"
            if call.status and not call.is_answered:
                raise  # uvicorn logs it, and breaks off an answer that is half sent
            log.exception("unhandled exception while serving a request")
            if call.is_socket:
                if not call.close_code:
                    await call.send({"type": "websocket.close", "code": INTERNAL_ERROR})
            elif not call.status:
                await refuse(failure(error), scope, receive, call.send)
        finally:
            self._calls.ended(call, scope)


def failure(error: Exception) -> Response:
    """The answer after an unexpected exception: it has the id of the log's line, and no detail."""
    masked = masked_error(GraphQLError("", original_error=error)).formatted
    is_outage = isinstance(error, StoreFailure)
    return Response(orjson.dumps({"errors": [masked]}), 503 if is_outage else 500, media_type=JSON)


def head_of(scope: Scope) -> Head:
    """The headers of a request or of a socket's handshake."""
    head: dict[bytes, bytes] = dict(scope["headers"])
    if len(head) < len(scope["headers"]):
        head = {}
        for name, value in scope["headers"]:
            separator = b"; " if name == b"cookie" else b", "
            head[name] = head[name] + separator + value if name in head else value
    return head


async def refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the handshake of a socket, with a response."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
