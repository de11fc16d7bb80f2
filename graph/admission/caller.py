"""Whoever sends a request, as far as it matters."""

from collections.abc import Callable

from graph.admission.refusal import Refusal

__all__ = ["BEARER", "HOW", "Caller", "unknown"]

BEARER = {"WWW-Authenticate": "Bearer"}
"""What a client that is refused for want of a token is told to send: RFC 6750, 3."""
HOW = "Send one as `Authorization: Bearer tm_…`."


def unknown() -> Refusal:
    """What is told to who sends a token that lets nobody in."""
    message = f"The token is not known here, or was revoked. {HOW}"
    return Refusal(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Caller:
    """What someone may do, until it ends: for a token when it is revoked."""

    __slots__ = ("_followers", "ended", "may_write", "token_id")

    def __init__(self, *, may_write: bool, token_id: int | None = None) -> None:
        """All may read. Who sent the same token is the same caller; None for who needs none."""
        self.may_write = may_write
        self.token_id = token_id
        self.ended = False
        self._followers: set[Callable[[], object]] = set()

    @property
    def followers(self) -> int:
        """How many sockets and streams are open for it."""
        return len(self._followers)

    def follow(self, told: Callable[[], object]) -> None:
        """Call `told` when it ends."""
        if self.ended:
            told()
        else:
            self._followers.add(told)

    def unfollow(self, told: Callable[[], object]) -> None:
        """Call it no more."""
        self._followers.discard(told)

    def end(self) -> None:
        """Whatever it has open is to be closed."""
        self.ended = True
        followers, self._followers = self._followers, set()
        for told in followers:
            told()

    def refusal(self) -> Refusal:
        """What it is told where it may only read."""
        if self.token_id is not None:
            message = "This token may only read: to change anything takes one with the scope write."
            return Refusal(403, "FORBIDDEN", message, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
        message = "Without a token you may only read: to change anything takes one with the scope write."
        return Refusal(401, "UNAUTHENTICATED", message, BEARER)
