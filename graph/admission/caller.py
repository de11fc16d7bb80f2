"""The caller of a request, and what is refused to it."""

from collections.abc import Callable, Mapping

import orjson
from starlette.responses import Response

from graph.media import JSON

__all__ = ["BEARER", "HOW", "Caller", "Refusal", "unknown"]

BEARER = {"WWW-Authenticate": "Bearer"}
"""The challenge to a client without a token: RFC 6750, 3."""
HOW = "Send one as `Authorization: Bearer tm_…`."


class Refusal(Exception):
    """A request that is not served. The message is for the client."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """`status`: of HTTP; `code`: for programs, as `extensions.code` in the answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers

    def response(self) -> Response:
        """The answer over HTTP."""
        body = {"errors": [{"message": str(self), "extensions": {"code": self.code}}]}
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(orjson.dumps(body), self.status, headers, media_type=JSON)


def unknown() -> Refusal:
    """The refusal of a token that is not valid."""
    message = f"The token is not known here, or was revoked. {HOW}"
    return Refusal(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Caller:
    """What the holder of a token may do, until the token is revoked. All may read."""

    __slots__ = ("_followers", "ended", "may_write", "token_id")

    def __init__(self, *, may_write: bool, token_id: int | None = None) -> None:
        """`token_id`: None for a caller that needs no token. Requests with the same token have the same caller."""
        self.may_write = may_write
        self.token_id = token_id
        self.ended = False
        self._followers: set[Callable[[], object]] = set()

    @property
    def followers(self) -> int:
        """How many sockets and streams are open for it."""
        return len(self._followers)

    def follow(self, on_end: Callable[[], object]) -> None:
        """Call `on_end` when the caller ends, at once where it has ended."""
        if self.ended:
            on_end()
        else:
            self._followers.add(on_end)

    def unfollow(self, on_end: Callable[[], object]) -> None:
        """Do not call it any more."""
        self._followers.discard(on_end)

    def end(self) -> None:
        """Close what it has open."""
        self.ended = True
        followers, self._followers = self._followers, set()
        for on_end in followers:
            on_end()

    def refusal(self) -> Refusal:
        """The refusal of a mutation where it may only read."""
        if self.token_id is not None:
            message = "This token may only read: to change anything takes one with the scope write."
            return Refusal(403, "FORBIDDEN", message, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
        message = "Without a token you may only read: to change anything takes one with the scope write."
        return Refusal(401, "UNAUTHENTICATED", message, BEARER)
