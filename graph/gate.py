"""What every request and socket passes before anything else reads it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from graph.http import JSON

__all__ = ["Check", "Gate", "Head", "Refusal"]

Head = Mapping[bytes, bytes]
"""The headers of a request, their names in lower case; of one that came several times the values, with commas."""
Check = Callable[[Scope, Head], Awaitable[None]]
"""Raises Refusal where a request or a socket is not to go on."""


class Refusal(Exception):
    """A request that is not served. The message is for whoever sent it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """`status`: of HTTP; `code`: for programs, as `extensions.code` in the answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers

    def response(self) -> Response:
        """The answer that tells of it."""
        body = {"errors": [{"message": str(self), "extensions": {"code": self.code}}]}
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(orjson.dumps(body), self.status, headers, media_type=JSON)


class Gate:
    """Serves what passes all of the checks, in their order, and refuses the rest: also sockets, by an HTTP answer."""

    def __init__(self, checks: Sequence[Check], inner: ASGIApp) -> None:
        self._checks = checks
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request or a socket."""
        head = head_of(scope)
        try:
            for check in self._checks:
                await check(scope, head)
        except Refusal as refusal:
            await refuse(refusal.response(), scope, receive, send)
        else:
            await self._inner(scope, receive, send)


def head_of(scope: Scope) -> Head:
    """The headers of a request or of a socket's handshake."""
    head: dict[bytes, bytes] = dict(scope["headers"])
    if len(head) < len(scope["headers"]):
        head = {}
        for name, value in scope["headers"]:
            head[name] = head[name] + b", " + value if name in head else value
    return head


async def refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the handshake of a socket, with a response."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
