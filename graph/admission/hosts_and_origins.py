"""The hosts that this server serves, and the origins whose pages may call it.

A browser gives every page its user's place in the network and their cookies. So a page of another site must not reach
this server: neither by a name of its own that resolves to here (DNS rebinding: Host), nor by a request that a browser
sends without a preflight (CSRF, sockets: Origin; images, scripts and frames, which have no Origin: Sec-Fetch-Site). It
can only link to pages. Programs send neither header, and pass.

Browsers send Sec-Fetch-Site by https and to their own machine only. By plain http from elsewhere a page of another site
can have a query executed, which changes nothing, and whose answer it cannot read.

Pages of the origins that are set may read answers: https://fetch.spec.whatwg.org/#cors-protocol
"""

import functools
import re
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.addresses import address_in, listed
from graph.admission.caller import Refusal
from graph.admission.gate import Head
from graph.media import GRAPHQL
from graph.settings import Settings

__all__ = ["HostsAndOrigins"]

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?", re.IGNORECASE | re.ASCII)
DEFAULT_PORTS = {"http": "80", "https": "443"}
FOREIGN = {b"cross-site", b"same-site"}
DATA = {"/metrics", "/session"}
"""Addresses that no link leads to; the API's own is the playground's too."""
SHOWN = 100
"""Characters of a header that a refusal repeats."""
PREFLIGHT = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": "600"}


class HostsAndOrigins:
    """Checks Host, Origin, Sec-Fetch-Site and Content-Encoding of each request and each socket's handshake."""

    def __init__(self, settings: Settings) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", settings.host.lower(), *listed(settings.allowed_hosts)}
        self._origins = {*listed(settings.allowed_origins)}
        self._fault_of_host = functools.lru_cache(maxsize=256)(self._look_at_host)  # most requests name the same

    async def check(self, scope: Scope, head: Head) -> Response | None:
        """Raise Refusal for a request that is not meant for this server, or that another site's page has sent.

        Returns the answer to a preflight request, which carries no credentials.
        """
        is_preflight = scope.get("method") == "OPTIONS" and b"access-control-request-method" in head
        if is_preflight and head.get(b"origin", b"").decode("latin-1").lower() in self._origins:
            # Any header: tracing and clients add their own, and none of them admits more than its page.
            requested = head.get(b"access-control-request-headers", b"").decode("latin-1")
            return Response(None, 204, {**PREFLIGHT, "Access-Control-Allow-Headers": requested})
        host = head.get(b"host", b"")
        if fault := self._fault_of_host(host[:1000]):
            raise Refusal(*fault)
        if b"origin" in head:
            if not self._is_welcome(head[b"origin"], host):
                raise Refusal(
                    403,
                    "FOREIGN_ORIGIN",
                    f"A page of {_shown(head[b'origin'])} may not call this server. Its operator can allow that with "
                    "--allowed-origins; a proxy in front must pass Host on.",
                )
        elif head.get(b"sec-fetch-site") in FOREIGN and not _leads_to_a_page(scope, head):
            raise Refusal(403, "FOREIGN_ORIGIN", "A page of another site may not call this server.")
        if (head.get(b"content-encoding") or b"identity").lower() != b"identity":
            raise Refusal(
                415, "ENCODED_BODY", "The body of a request must not be compressed.", {"Accept-Encoding": "identity"}
            )
        return None

    def with_cors(self, inner: ASGIApp) -> ASGIApp:
        """The app, whose answers and refusals pages of the allowed origins may read."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            origin = Headers(scope=scope).get("origin", "").lower()
            is_allowed = origin in self._origins

            async def send_allowed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    headers.add_vary_header("Origin")
                    headers["Cross-Origin-Resource-Policy"] = "cross-origin" if is_allowed else "same-origin"
                    if is_allowed:
                        headers["Access-Control-Allow-Origin"] = origin
                        headers["Access-Control-Expose-Headers"] = "retry-after, x-request-id"
                await send(message)

            await inner(scope, receive, send_allowed if scope["type"] == "http" else send)

        return serve

    def _look_at_host(self, header: bytes) -> tuple[int, str, str] | None:
        match = HOST.fullmatch(header.decode("latin-1"))
        if match is None:
            return 400, "BAD_HOST", "A request needs one Host header, with a name or an address."
        name = match[1].lower().removesuffix(".")
        if name in self._names or name.endswith(".localhost") or address_in(name.strip("[]")) is not None:
            return None
        message = (
            f"This server does not go by the name {_shown(header)}. Its operator can add one with --allowed-hosts."
        )
        return 421, "UNKNOWN_HOST", message

    def _is_welcome(self, origin: bytes, host: bytes) -> bool:
        name, own = (header.decode("latin-1").lower() for header in (origin, host))
        scheme, _, place = name.partition("://")
        port = DEFAULT_PORTS.get(scheme)  # which browsers leave out
        return name in self._origins or (port is not None and place == own.removesuffix(f":{port}"))


def _leads_to_a_page(scope: Scope, head: Head) -> bool:
    """Whether a person follows a link to a page, not to data for programs."""
    is_followed = head.get(b"sec-fetch-mode") == b"navigate" and head.get(b"sec-fetch-dest") == b"document"
    is_data = scope["path"] in DATA or (scope["path"] == GRAPHQL and scope["query_string"])
    return scope.get("method") in {"GET", "HEAD"} and is_followed and not is_data


def _shown(header: bytes) -> str:
    return repr(header.decode("latin-1")[:SHOWN])
