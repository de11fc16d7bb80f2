"""Unfinished requests and messages, of which all connections of a process together may hold so many bytes."""

from typing import Protocol

__all__ = ["Arriving", "Sender"]


class Sender(Protocol):
    """A connection on which a request or a message is arriving."""

    def refuse_arriving(self) -> None:
        """Drop what has arrived, and close the connection with an error."""


class Arriving:
    """The bytes that each connection holds of what is still incomplete.

    Past the bound the connection that has received nothing for longest is refused: a client that means to finish its
    upload sends on, one that only wants to fill the memory has nothing more to send.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._total = 0
        self._sizes: dict[Sender, int] = {}
        """In the order in which they last received something."""

    def record(self, sender: Sender, size: int) -> None:
        """Record that a connection holds `size` bytes now, having received some; 0 once it holds none."""
        self._total += size - self._sizes.pop(sender, 0)
        if size:
            self._sizes[sender] = size
        while self._total > self._max_bytes:
            slowest = next(iter(self._sizes))
            self._total -= self._sizes.pop(slowest)
            slowest.refuse_arriving()
