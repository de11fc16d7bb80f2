"""The rule: who is let in, and as whom."""

from html import escape
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from graph.admission.caller import BEARER, HOW, Caller, unknown
from graph.admission.exposure import is_for_this_machine_alone
from graph.admission.gate import Head
from graph.admission.refusal import Refusal
from graph.admission.tokens import TokenCache
from graph.settings import Settings
from graph.telemetry.call import call_in, current_call

__all__ = ["COOKIE", "SIGN_IN", "Access", "cookie_in", "own_path"]

COOKIE = "training_monitor_session"
SIGN_IN = "/sign-in"
PUBLIC = frozenset({"/healthz", "/readyz", SIGN_IN, "/sign-out", "/favicon.svg"})
"""What everyone may ask for: whether the server is well, and what the page to sign in is made of."""
PUBLIC_FOLDER = "/assets/"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


class Access:
    """Who is let in: everyone while there was never a token and only this machine can ask, or else who has one.

    Where reads are open nobody else may do more, whether there was ever a token or not.
    """

    def __init__(self, settings: Settings, tokens: TokenCache) -> None:
        self._tokens = tokens
        self.root_path = settings.root_path
        is_meant_for_all = settings.insecure or is_for_this_machine_alone(settings)
        self._is_open_at_first = is_meant_for_all and not settings.open_reads
        self._reader = Caller(may_write=False) if settings.open_reads else None
        """Who anybody is, where reads are open."""

    @property
    def is_open(self) -> bool:
        """Whether everyone may do everything. Not again once there was a token, whatever became of it."""
        return self._is_open_at_first and not self._tokens.ever_made

    async def check(self, scope: Scope, head: Head) -> None:
        """Leave who asks as the scope's "caller", None where that is not known yet. Raises Refusal.

        A socket may still say who it is in its first message.
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
        """Who opens a socket, by the payload of its first message where that has a token; None where nobody is let in.

        Raises Refusal.
        """
        names = {"authorization", "token"}
        said = next((value for name, value in payload.items() if name.lower() in names and value), None)
        if said is not None:
            secret = str(said)
            caller = await self._tokens.of_token(_bearer(secret) or secret)  # also where all is open: maybe the first
            if caller and (call := current_call()):
                call.token_id = caller.token_id
            if caller is not None or not self.is_open:
                return caller
        return None if by_handshake is None or by_handshake.ended else by_handshake

    async def signed_in(self, head: Head) -> Caller | None:
        """Who a cookie says it is. Raises Refusal."""
        secret = cookie_in(head)
        return await self._tokens.of_session(secret) if secret else None

    async def _caller(self, scope: Scope, head: Head) -> Caller | None:
        secret = _bearer(head.get(b"authorization", b"").decode("latin-1"))
        if secret is not None:
            caller = await self._tokens.of_token(secret)  # nothing else counts: who sends a token means it
        else:
            caller = await self.signed_in(head) or self._reader
        if caller is None and scope["type"] == "http":
            if _is_for_a_person(scope, head):
                raise _SignInFirst(scope, head, self.root_path)
            raise unknown() if secret else Refusal(401, "UNAUTHENTICATED", f"This takes a token. {HOW}", BEARER)
        return caller


class _SignInFirst(Refusal):
    """A person comes without a token, and is led to where it can be given.

    Who follows a link of another site may have one: a browser sends no cookie then, but it does from a page of ours.
    """

    def __init__(self, scope: Scope, head: Head, root_path: str) -> None:
        super().__init__(303, "UNAUTHENTICATED", "Sign in first.")
        self._by_a_link = head.get(b"sec-fetch-site") in {b"cross-site", b"same-site"}
        asked = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self._root_path = root_path
        self._next = own_path(root_path + asked.decode("latin-1"), root_path)

    def response(self) -> Response:
        """The way there, and back."""
        if self._by_a_link:
            once_more = f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(self._next)}">'
            return HTMLResponse(once_more, headers=HEADERS)
        where = f"{self._root_path}{SIGN_IN}?next={quote(self._next, safe='/')}"
        return RedirectResponse(where, self.status, HEADERS)


def own_path(text: str, root_path: str) -> str:
    """The text where it is a path of this server, else that of the first page: nobody is led elsewhere from here.

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
