"""The browser's doors: which names this server goes by, whose pages may call it, and in what a body may come.

A browser lends its user's place in the network, and their cookies, to every page. So a page of another site must not
reach this server: by a name of its own that suddenly leads here (DNS rebinding: Host), or by a request that needs no
leave (CSRF, sockets: Origin; images, scripts, frames and the like, for which none is sent: Sec-Fetch-Site). What is
left to it are links to pages. Programs send neither header, and pass.

Browsers send Sec-Fetch-Site by https and to their own machine only. By plain http from elsewhere a page of another site
can have a query executed, which changes nothing, and whose answer it cannot read.
"""

import functools
import re
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.addresses import address_in, listed
from graph.admission.gate import Head
from graph.admission.refusal import Refusal
from graph.media import GRAPHQL
from graph.settings import Settings

__all__ = ["Cors", "Doors"]

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?", re.IGNORECASE | re.ASCII)
DEFAULT_PORTS = {"http": "80", "https": "443"}
FOREIGN = {b"cross-site", b"same-site"}
DATA = {"/metrics", "/session"}
"""Addresses that no link leads to; the API's own is the playground's too."""
SHOWN = 100
"""Characters of a header that a refusal repeats."""


class Doors:
    """Checks Host, Origin, Sec-Fetch-Site and Content-Encoding of each request and each socket's handshake."""

    def __init__(self, settings: Settings) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", settings.host.lower(), *listed(settings.allowed_hosts)}
        self._origins = {*listed(settings.allowed_origins)}
        # Pure functions of what few clients say in many ways.
        self._fault_of_host = functools.lru_cache(maxsize=256)(self._look_at_host)
        self._is_welcome = functools.lru_cache(maxsize=256)(self._look_at_origin)

    async def check(self, scope: Scope, head: Head) -> None:
        """Raise Refusal for a request that is not meant for this server, or that another site's page has sent."""
        host = head.get(b"host", b"")
        if fault := self._fault_of_host(host[:1000]):
            raise Refusal(*fault)
        if b"origin" in head:
            if not self._is_welcome(head[b"origin"][:1000], host):
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

    def _look_at_origin(self, origin: bytes, host: bytes) -> bool:
        said = origin.decode("latin-1").lower()
        scheme, _, place = said.partition("://")
        own = host.decode("latin-1").lower()
        port = DEFAULT_PORTS.get(scheme)  # which browsers leave out
        return said in self._origins or (port is not None and place == own.removesuffix(f":{port}"))


class Cors:
    """Lets pages of the origins that are set read what they are answered: https://fetch.spec.whatwg.org/#cors-protocol

    Around everything else, so that they can also read why they are refused.
    """

    def __init__(self, settings: Settings) -> None:
        self._origins = {*listed(settings.allowed_origins)}

    async def check(self, scope: Scope, head: Head) -> Response | None:
        """The answer to a browser that asks whether a page may ask, which it does without any credentials."""
        is_asked = scope.get("method") == "OPTIONS" and b"access-control-request-method" in head
        origin = head.get(b"origin", b"").decode("latin-1").lower()
        return Response(None, 204, PREFLIGHT) if is_asked and origin in self._origins else None

    def around(self, inner: ASGIApp) -> ASGIApp:
        """An app whose answers say who may read them."""

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


PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "content-type, authorization, accept, x-request-id",
    "Access-Control-Max-Age": "600",
}


def _leads_to_a_page(scope: Scope, head: Head) -> bool:
    """Whether somebody follows a link to what is there to be looked at, not to what programs ask for."""
    is_followed = head.get(b"sec-fetch-mode") == b"navigate" and head.get(b"sec-fetch-dest") == b"document"
    is_asking = scope["path"] in DATA or (scope["path"] == GRAPHQL and scope["query_string"])
    return scope.get("method") in {"GET", "HEAD"} and is_followed and not is_asking


def _shown(header: bytes) -> str:
    return repr(header.decode("latin-1")[:SHOWN])
