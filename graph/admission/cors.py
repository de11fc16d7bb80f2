"""Which pages of other sites may read answers: https://fetch.spec.whatwg.org/#cors-protocol"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.addresses import listed
from graph.admission.gate import Head
from graph.settings import Settings

__all__ = ["Cors"]

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Max-Age": "600",
}


class Cors:
    """Lets pages of the origins that are set read answers.

    Around everything else, so that they can also read why they are refused.
    """

    def __init__(self, settings: Settings) -> None:
        self._origins = {*listed(settings.allowed_origins)}

    async def check(self, scope: Scope, head: Head) -> Response | None:
        """The answer to a preflight request, which carries no credentials; None for any other request."""
        is_preflight = scope.get("method") == "OPTIONS" and b"access-control-request-method" in head
        origin = head.get(b"origin", b"").decode("latin-1").lower()
        if not is_preflight or origin not in self._origins:
            return None
        # Any header: tracing and clients add their own, and none of them lets in more than its page.
        requested = head.get(b"access-control-request-headers", b"").decode("latin-1")
        return Response(None, 204, {**PREFLIGHT, "Access-Control-Allow-Headers": requested})

    def around(self, inner: ASGIApp) -> ASGIApp:
        """An app whose answers have the headers of CORS."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(inner, scope, receive, send)

        return serve

    async def _serve(self, inner: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin", "").lower()
        is_allowed = origin in self._origins

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.add_vary_header("Origin")
                answered["Cross-Origin-Resource-Policy"] = "cross-origin" if is_allowed else "same-origin"
                if is_allowed:
                    answered["Access-Control-Allow-Origin"] = origin
                    answered["Access-Control-Expose-Headers"] = "retry-after, x-request-id"
            await send(message)

        await inner(scope, receive, send_allowed if scope["type"] == "http" else send)
