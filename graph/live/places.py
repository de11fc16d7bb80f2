"""The places for what stays open, of which there are so many."""

from cross_web import HTTPException
from starlette.types import Scope

__all__ = ["Places"]

PLACE = "training_monitor.place"
"""In the scope of what has one."""


class Places:
    """Those of one app, for sockets and for requests whose answers stream."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = {"websocket": 0, "http": 0}

    def take(self, scope: Scope) -> None:
        """Give a socket or a request a place, until it is left. Raises HTTPException 503 where all are taken."""
        if self.sockets + self.streams >= self._most:
            raise HTTPException(503, "Too many sockets and streams are open.")
        self._taken[scope["type"]] += 1
        scope[PLACE] = True

    def leave(self, scope: Scope) -> None:
        """Take the place back, where it has one."""
        if scope.pop(PLACE, False):
            self._taken[scope["type"]] -= 1

    @property
    def sockets(self) -> int:
        """Sockets that are open now."""
        return self._taken["websocket"]

    @property
    def streams(self) -> int:
        """Answers over HTTP that stream now."""
        return self._taken["http"]
