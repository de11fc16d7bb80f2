"""The page to sign in: a token begins a session, which the browser keeps as a cookie that no script can read."""

import html
import logging
from http import HTTPStatus
from urllib.parse import parse_qs

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from graph.admission.access import COOKIE, SIGN_IN, Access, cookie_in, own_path
from graph.admission.caller import BEARER, Caller
from graph.admission.gate import head_of
from graph.admission.tokens import TokenCache
from graph.execution.body import Body
from graph.media import JSON
from graph.pages import Pages
from models.store.errors import StoreFailure
from models.tokens import SESSION_LASTS

__all__ = ["SignIn"]

log = logging.getLogger(__name__)

MAX_FORM_BYTES = 16 * 2**10
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # not none: a form's Origin would then be null, as of another site's
    "X-Frame-Options": "DENY",
}


class SignIn:
    """The page to sign in, and the addresses of its forms."""

    def __init__(self, access: Access, tokens: TokenCache, pages: Pages) -> None:
        self._access = access
        self._tokens = tokens
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
        if request.method == "POST":
            return await self._sign_in(request)
        after = self._path_of(request.query_params.get("next", ""))
        return _on_to(after) if self._access.is_open else self._shown(200, after)

    async def _sign_in(self, request: Request) -> Response:
        try:
            body = await Body(request.receive, MAX_FORM_BYTES).read()
        except HTTPException as refusal:
            return self._shown(refusal.status_code, self._path_of(""), refusal.reason)
        except ClientDisconnect:
            return Response(status_code=400)
        form = parse_qs(body.decode(errors="replace"))
        secret, after = form.get("token", [""])[0].strip(), self._path_of(form.get("next", [""])[0])
        caller = await self._tokens.of_token(secret)
        if caller is None or caller.token_id is None:
            return self._shown(401, after, "This token is not known here, or was revoked.", BEARER)
        try:
            session = await self._tokens.stored.begin_session(caller.token_id)
        except StoreFailure as error:
            return self._unavailable(after, error)
        return self._with_cookie(request, after, session, int(SESSION_LASTS.total_seconds()))

    async def _sign_out(self, request: Request) -> Response:
        if secret := cookie_in(head_of(request.scope)):
            try:
                await self._tokens.stored.end_session(secret)
            except StoreFailure as error:
                return self._unavailable(self._path_of(""), error)
            await self._tokens.refresh()
        return self._with_cookie(request, self._access.root_path + SIGN_IN, "", 0)  # which removes it

    async def _session(self, request: Request) -> Response:
        """The state that the page shows. OPEN: every client may do everything."""
        caller: Caller = request.scope["caller"]
        if self._access.is_open:
            state = "OPEN"
        else:
            state = "SIGNED_IN" if await self._access.signed_in(head_of(request.scope)) else "SIGNED_OUT"
        body = orjson.dumps({"session": state, "mayWrite": caller.may_write})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=JSON)

    def _unavailable(self, after: str, error: Exception) -> Response:
        log.warning("a session cannot be written: %s", error)
        return self._shown(503, after, "The store is out of reach; try again.")

    def _path_of(self, text: str) -> str:
        return own_path(text, self._access.root_path)

    def _with_cookie(self, request: Request, path: str, value: str, seconds: int) -> Response:
        response = _on_to(path)
        secure, below = _came_by_https(request), self._access.root_path or "/"
        response.set_cookie(COOKIE, value, seconds, path=below, secure=secure, httponly=True, samesite="strict")
        return response

    def _shown(self, status: int, after: str, message: str = "", headers: dict[str, str] | None = None) -> Response:
        page = self._page.replace("{{next}}", html.escape(after)).replace("{{message}}", html.escape(message))
        return Response(page, HTTPStatus(status), HEADERS | (headers or {}), media_type="text/html")


def _on_to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def _came_by_https(request: Request) -> bool:
    # Of a chain of proxies the first one has the client's connection. A client that writes this header itself loses
    # no more than its own cookie.
    first = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return "https" in {request.url.scheme, first}
