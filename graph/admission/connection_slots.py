"""Slots for connections that stay open: sockets, and requests whose answers stream."""

import asyncio
from typing import TypeAlias

from starlette.types import Scope

from graph.admission.caller import Refusal

__all__ = ["SLOT", "UNAUTHENTICATED_SHARE", "ConnectionSlots", "Slot"]

SLOT = "training_monitor.slot"
"""The key in the scope of a connection that has one."""
UNAUTHENTICATED_SHARE = 10
"""For so many slots there is one for a socket that has not authenticated yet."""

Slot: TypeAlias = asyncio.Future[None]
"""The slot of one socket or stream. An unauthenticated socket may lose its slot to another: it is done then."""


class ConnectionSlots:
    """The slots of one app.

    Unauthenticated sockets have slots of their own, so that they take none from the others. When these are all taken,
    the oldest loses its slot: an honest client authenticates in a moment, a hostile one stays.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_unauthenticated = max(1, most // UNAUTHENTICATED_SHARE)
        self._unauthenticated: dict[Slot, None] = {}
        """The oldest first."""
        self._sockets: set[Slot] = set()
        self._streams: set[Slot] = set()

    def take(self, scope: Scope) -> None:
        """Give a socket or a request a slot until `leave`. Raises Refusal where all are taken."""
        self._check()
        slot = scope[SLOT] = asyncio.get_running_loop().create_future()
        if scope["caller"] is None:
            if len(self._unauthenticated) >= self._most_unauthenticated:
                oldest = next(iter(self._unauthenticated))
                del self._unauthenticated[oldest]
                oldest.set_result(None)
            self._unauthenticated[slot] = None
        else:
            (self._sockets if scope["type"] == "websocket" else self._streams).add(slot)

    def authenticate(self, slot: Slot) -> None:
        """Move a socket that has authenticated to the slots of sockets. Raises Refusal where all are taken."""
        if slot not in self._sockets:
            self._check()
            self._unauthenticated.pop(slot, None)
            self._sockets.add(slot)

    def leave(self, scope: Scope) -> None:
        """Take the slot back, where the connection has one."""
        if slot := scope.pop(SLOT, None):
            self._unauthenticated.pop(slot, None)
            self._sockets.discard(slot)
            self._streams.discard(slot)

    @property
    def sockets(self) -> int:
        """Sockets that are open now."""
        return len(self._sockets) + len(self._unauthenticated)

    @property
    def streams(self) -> int:
        """Answers over HTTP that stream now."""
        return len(self._streams)

    def _check(self) -> None:
        if len(self._sockets) + len(self._streams) >= self._most:
            raise Refusal(503, "NO_PLACE", "Too many sockets and streams are open.", {"Retry-After": "10"})
