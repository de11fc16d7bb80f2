"""Authentication: the caller of each request, by token, by session, or open to all."""

from html import escape
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from graph.admission.caller import BEARER, HOW, Caller, Refusal, unknown
from graph.admission.gate import Head
from graph.admission.tokens import TokenCache
from graph.settings import Settings
from graph.telemetry.calls import call_in, current_call

__all__ = ["COOKIE", "SIGN_IN", "Access", "cookie_in", "own_path"]

COOKIE = "training_monitor_session"
SIGN_IN = "/sign-in"
PUBLIC = frozenset({"/healthz", "/readyz", SIGN_IN, "/sign-out", "/favicon.svg"})
"""Paths that need no caller: health, and the page to sign in with its files."""
PUBLIC_FOLDER = "/assets/"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


class Access:
    """Finds the caller: any client's while there was never a token and only this machine connects, else a token's.

    Where reads are open, a client without a token may read and no more, also while there was never a token.
    """

    def __init__(self, settings: Settings, tokens: TokenCache) -> None:
        self._tokens = tokens
        self.root_path = settings.root_path
        is_meant_for_all = settings.insecure or settings.is_for_this_machine_alone
        self._is_open_at_first = is_meant_for_all and not settings.open_reads
        self._reader = Caller(may_write=False) if settings.open_reads else None
        """The caller without a token, where reads are open."""

    @property
    def is_open(self) -> bool:
        """Whether every client may do everything: not any more once there was a token, also where it is revoked."""
        return self._is_open_at_first and not self._tokens.ever_made

    async def check(self, scope: Scope, head: Head) -> None:
        """Set the scope's "caller", None where it is not known: a socket may send its token in its first message.

        Raises Refusal.
        """
        if self.is_open:
            scope["caller"] = self._tokens.everyone
        elif scope["path"] in PUBLIC or scope["path"].startswith(PUBLIC_FOLDER):
            scope["caller"] = None
        else:
            scope["caller"] = caller = await self._caller(scope, head)
            if caller and (call := call_in(scope)):
                call.token_id = caller.token_id

    async def of_socket(self, by_handshake: Caller | None, payload: Any) -> Caller | None:
        """The caller of a socket: by the payload of its first message where that has a token, else its handshake's.

        None where it is not authenticated. Raises Refusal.
        """
        names = {"authorization", "token"}
        secret = next((str(value) for name, value in payload.items() if name.lower() in names and value), None)
        if secret is not None:
            caller = await self._tokens.of_token(_bearer(secret) or secret)  # also where all is open: maybe the first
            if caller and (call := current_call()):
                call.token_id = caller.token_id
            if caller is not None or not self.is_open:
                return caller
        return None if by_handshake is None or by_handshake.ended else by_handshake

    async def signed_in(self, head: Head) -> Caller | None:
        """The caller of the cookie's session. Raises Refusal."""
        secret = cookie_in(head)
        return await self._tokens.of_session(secret) if secret else None

    async def _caller(self, scope: Scope, head: Head) -> Caller | None:
        secret = _bearer(head.get(b"authorization", b"").decode("latin-1"))
        if secret is not None:
            caller = await self._tokens.of_token(secret)  # and no cookie beside it
        else:
            caller = await self.signed_in(head) or self._reader
        if caller is None and scope["type"] == "http":
            if _is_for_a_person(scope, head):
                raise _SignInFirst(scope, head, self.root_path)
            raise unknown() if secret else Refusal(401, "UNAUTHENTICATED", f"This takes a token. {HOW}", BEARER)
        return caller


class _SignInFirst(Refusal):
    """Redirects a browser without a session to the page to sign in.

    After a link of another site it may have one: the browser sends the cookie only when a page of ours requests again.
    """

    def __init__(self, scope: Scope, head: Head, root_path: str) -> None:
        super().__init__(303, "UNAUTHENTICATED", "Sign in first.")
        self._by_a_link = head.get(b"sec-fetch-site") in {b"cross-site", b"same-site"}
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        self._root_path = root_path
        self._next = own_path(root_path + quote(scope["path"]) + query, root_path)

    def response(self) -> Response:
        """The redirect, or a page that requests once more."""
        if self._by_a_link:
            once_more = f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(self._next)}">'
            return HTMLResponse(once_more, headers=HEADERS)
        where = f"{self._root_path}{SIGN_IN}?next={quote(self._next, safe='/')}"
        return RedirectResponse(where, self.status, HEADERS)


def own_path(text: str, root_path: str) -> str:
    """The text where it is a path of this server, else that of the first page: no redirect leads to another site.

    Browsers take a backslash for a slash and pass over control characters, and two slashes begin another site.
    """
    is_own = text.startswith(f"{root_path}/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_own else f"{root_path}/"


def _is_for_a_person(scope: Scope, head: Head) -> bool:
    return scope["method"] in {"GET", "HEAD"} and b"text/html" in head.get(b"accept", b"")


def _bearer(authorization: str) -> str | None:
    """The secret of an Authorization header; None where it is of another kind, as a proxy's own."""
    kind, _, secret = authorization.strip().replace("\t", " ").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def cookie_in(head: Head) -> str | None:
    """The value of our cookie."""
    for part in head.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None
