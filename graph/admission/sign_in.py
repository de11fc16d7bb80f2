"""Where people give their token, and take it back: the browser keeps it as a cookie that no script can read."""

import html
from http import HTTPStatus
from urllib.parse import parse_qs

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from graph.admission.access import COOKIE, SIGN_IN, Access, own_path
from graph.admission.caller import BEARER, Caller
from graph.admission.gate import head_of
from graph.admission.tokens import Keyring
from graph.execution.body import Body
from graph.media import JSON
from graph.pages import Pages

__all__ = ["SignIn"]

COOKIE_SECONDS = 30 * 24 * 3600
"""How long a browser keeps the token; it can be revoked at any time."""
MAX_FORM_BYTES = 16 * 2**10
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # not none: a form's Origin would then be null, and it could not be told whose
    "X-Frame-Options": "DENY",
}


class SignIn:
    """The page to sign in, and what its forms are sent to."""

    def __init__(self, access: Access, keyring: Keyring, pages: Pages) -> None:
        self._access = access
        self._keyring = keyring
        self._page = pages.sign_in

    @property
    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route(SIGN_IN, self._serve, methods=["GET", "POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/session", self._session, methods=["GET"]),
        ]

    async def _serve(self, request: Request) -> Response:
        return await (self._sign_in(request) if request.method == "POST" else self._show(request))

    async def _show(self, request: Request) -> Response:
        after = self._path_of(request.query_params.get("next", ""))
        if self._access.is_open:
            return _on_to(after)  # nobody needs to
        return self._shown(200, after)

    async def _sign_in(self, request: Request) -> Response:
        try:
            body = await Body(request.receive, MAX_FORM_BYTES).read()
        except HTTPException as refusal:
            return self._shown(refusal.status_code, self._path_of(""), refusal.reason)
        except ClientDisconnect:
            return Response(status_code=400)
        form = parse_qs(body.decode(errors="replace"))
        secret, after = form.get("token", [""])[0].strip(), self._path_of(form.get("next", [""])[0])
        if await self._keyring.caller(secret) is None:
            return self._shown(401, after, "This token is not known here, or was revoked.", BEARER)
        response = _on_to(after)
        secure = _came_by_https(request)
        response.set_cookie(
            COOKIE, secret, COOKIE_SECONDS, path=self._cookie_path, secure=secure, httponly=True, samesite="strict"
        )
        return response

    async def _sign_out(self, request: Request) -> Response:
        response = _on_to(self._access.root_path + SIGN_IN)
        secure = _came_by_https(request)
        response.delete_cookie(COOKIE, path=self._cookie_path, secure=secure, httponly=True, samesite="strict")
        return response

    async def _session(self, request: Request) -> Response:
        """What the page shows, and lets one do. OPEN: nobody has to sign in."""
        caller: Caller = request.scope["caller"]
        if self._access.is_open:
            state = "OPEN"
        else:
            state = "SIGNED_IN" if await self._access.signed_in(head_of(request.scope)) else "SIGNED_OUT"
        said = orjson.dumps({"session": state, "mayWrite": caller.may_write})
        return Response(said, headers={"Cache-Control": "no-store"}, media_type=JSON)

    def _path_of(self, text: str) -> str:
        return own_path(text, self._access.root_path)

    @property
    def _cookie_path(self) -> str:
        return self._access.root_path or "/"

    def _shown(self, status: int, after: str, message: str = "", headers: dict[str, str] | None = None) -> Response:
        page = self._page.replace("{{next}}", html.escape(after)).replace("{{message}}", html.escape(message))
        return Response(page, HTTPStatus(status), HEADERS | (headers or {}), media_type="text/html")


def _on_to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def _came_by_https(request: Request) -> bool:
    # Of a chain of proxies the first is the one that was asked. Whoever writes this header themselves loses no more
    # than their own cookie.
    asked_by = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return request.url.scheme == "https" or asked_by == "https"
