"""Where people give their token, and take it back: the browser keeps it as a cookie that no script can read."""

import html
import math
from http import HTTPStatus
from urllib.parse import parse_qs

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from graph import http
from graph.access.access import COOKIE, SIGN_IN, Access
from graph.access.attempts import Attempts
from graph.access.keyring import Keyring
from graph.addresses import client_key, networks_in
from graph.gate import head_of
from graph.pages import STATIC
from graph.rates import client_of
from graph.settings import Settings

__all__ = ["SignIn"]

COOKIE_SECONDS = 30 * 24 * 3600
"""How long a browser keeps the token; it can be revoked at any time."""
MAX_FORM_BYTES = 16 * 2**10
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # not none: a form's Origin would then be null, and it could not be told whose
    "X-Frame-Options": "DENY",
}


class SignIn:
    """The page to sign in, and what its forms are sent to."""

    def __init__(self, settings: Settings, access: Access, keyring: Keyring) -> None:
        self._access = access
        self._keyring = keyring
        self._proxies = networks_in(settings.trusted_proxies)
        self._attempts = Attempts()
        self._page = (STATIC / "sign-in.html").read_text()

    @property
    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route(SIGN_IN, self._show, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/session", self._session, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        after = _own_path(request.query_params.get("next", "/"))
        if self._access.is_open:
            return _on_to(after)  # nobody needs to
        return self._shown(200, after)

    async def _sign_in(self, request: Request) -> Response:
        client = self._client(request)
        if wait := self._attempts.wait(client):
            retry = str(math.ceil(wait))
            return self._shown(429, "/", "Too many wrong tokens; wait a moment.", {"Retry-After": retry})
        try:
            body = await http.body_of(request.receive, MAX_FORM_BYTES)
        except HTTPException as refusal:
            return self._shown(refusal.status_code, "/", refusal.reason)
        except ClientDisconnect:
            return Response(status_code=400)
        form = parse_qs(body.decode(errors="replace"))
        secret, after = form.get("token", [""])[0].strip(), _own_path(form.get("next", ["/"])[0])
        if await self._keyring.caller(secret) is None:
            self._attempts.was_wrong(client)
            return self._shown(401, after, "This token is not known here, or was revoked.")
        response = _on_to(after)
        secure = _came_by_https(request)
        response.set_cookie(COOKIE, secret, COOKIE_SECONDS, secure=secure, httponly=True, samesite="strict")
        return response

    async def _sign_out(self, request: Request) -> Response:
        response = _on_to(SIGN_IN)
        response.delete_cookie(COOKIE, secure=_came_by_https(request), httponly=True, samesite="strict")
        return response

    async def _session(self, request: Request) -> Response:
        """What the page shows at its top. OPEN: nobody has to sign in."""
        if self._access.is_open:
            state = "OPEN"
        else:
            state = "SIGNED_IN" if await self._access.signed_in(head_of(request.scope)) else "SIGNED_OUT"
        return Response(orjson.dumps({"session": state}), headers={"Cache-Control": "no-store"}, media_type=http.JSON)

    def _shown(self, status: int, after: str, message: str = "", headers: dict[str, str] | None = None) -> Response:
        page = self._page.replace("{{next}}", html.escape(after)).replace("{{message}}", html.escape(message))
        return Response(page, HTTPStatus(status), HEADERS | (headers or {}), media_type="text/html")

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        return client_key(client_of(peer, head_of(request.scope), self._proxies))


def _on_to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def _own_path(text: str) -> str:
    """The text where it is a path of this site, else the first page: nobody is led elsewhere from here.

    Browsers take a backslash for a slash and pass over control characters, and two slashes begin another site.
    """
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_own else "/"


def _came_by_https(request: Request) -> bool:
    # Whoever writes this header themselves loses no more than their own cookie.
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").strip().lower() == "https"
