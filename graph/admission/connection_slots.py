"""The places for what stays open, of which there are so many."""

from collections.abc import Callable

from starlette.types import Scope

from graph.admission.refusal import Refusal

__all__ = ["PLACE", "WAITING_SHARE", "Place", "Places"]

PLACE = "training_monitor.place"
"""In the scope of what has one."""
WAITING_SHARE = 10
"""For so many places there is one to wait on, for a socket that has not said yet who it is: that takes no time."""


class Place:
    """That of one socket or stream. A socket may lose one that it only waits on."""

    __slots__ = ("_is_lost", "_told")

    def __init__(self) -> None:
        self._is_lost = False
        self._told: Callable[[], object] | None = None

    def follow(self, told: Callable[[], object]) -> None:
        """Call `told` when it is lost."""
        if self._is_lost:
            told()
        else:
            self._told = told

    def lose(self) -> None:
        """It is another's now."""
        self._is_lost = True
        if self._told:
            self._told()


class Places:
    """Those of one app, for sockets and for requests whose answers stream.

    Who has not said who they are wait on places of their own, so that they take none from those who have. Of these the
    first gives way to one too many: who means to come in waits for a moment, who means to be in the way for long.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_waiting = max(1, most // WAITING_SHARE)
        self._waiting: dict[Place, None] = {}
        """The first first."""
        self._sockets: set[Place] = set()
        self._streams: set[Place] = set()

    def take(self, scope: Scope) -> None:
        """Give a socket or a request a place, until it leaves; for now one to wait on where nobody knows whose it is.

        Raises Refusal where all are taken.
        """
        self._check()
        place = scope[PLACE] = Place()
        if scope["caller"] is None:
            if len(self._waiting) >= self._most_waiting:
                first = next(iter(self._waiting))
                del self._waiting[first]
                first.lose()
            self._waiting[place] = None
        else:
            (self._sockets if scope["type"] == "websocket" else self._streams).add(place)

    def let_in(self, place: Place) -> None:
        """Let a socket that has said who it is wait no longer. Raises Refusal where all places are taken."""
        if place not in self._sockets:
            self._check()
            self._waiting.pop(place, None)
            self._sockets.add(place)

    def leave(self, scope: Scope) -> None:
        """Take the place back, where it has one."""
        if place := scope.pop(PLACE, None):
            self._waiting.pop(place, None)
            self._sockets.discard(place)
            self._streams.discard(place)

    @property
    def sockets(self) -> int:
        """Sockets that are open now."""
        return len(self._sockets) + len(self._waiting)

    @property
    def streams(self) -> int:
        """Answers over HTTP that stream now."""
        return len(self._streams)

    def _check(self) -> None:
        if len(self._sockets) + len(self._streams) >= self._most:
            raise Refusal(503, "NO_PLACE", "Too many sockets and streams are open.", {"Retry-After": "10"})
