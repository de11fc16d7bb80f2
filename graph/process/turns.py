"""Connections take turns: one whose peer sends much at once is read a piece at a time, and others come between."""

from asyncio import AbstractEventLoop, Transport
from collections import deque

__all__ = ["TakesTurns"]


class TakesTurns:
    """What a protocol of asyncio puts before its own reading of what has come."""

    turn_bytes: int
    """What is read in one turn. A quarter of a megabyte, as one read brings, can be 40,000 frames or chunks."""
    loop: AbstractEventLoop
    transport: Transport
    _ahead: deque[bytes] | None = None
    """What has come and is still to be read; None where nothing ever waited, as on most of many connections."""

    def data_received(self, data: bytes) -> None:
        """Read it now, or what is more than a turn's piece by piece; nothing more comes from the socket meanwhile."""
        if self._ahead:
            self._ahead.extend(self._pieces_of(data))
        elif len(data) > self.turn_bytes:
            self._ahead = deque(self._pieces_of(data))
            self._take_turn()
        else:
            self.read(data)

    def read(self, data: bytes) -> None:
        """Take in what has come."""
        raise NotImplementedError

    def forget_what_is_ahead(self) -> None:
        """Read no more of what has come already."""
        if self._ahead:
            self._ahead.clear()

    def is_reading_paused(self) -> bool:
        """Whether more must not come now for another reason."""
        raise NotImplementedError

    def _take_turn(self) -> None:
        if self._ahead:
            self.read(self._ahead.popleft())
        if self._ahead:
            self.transport.pause_reading()
            self.loop.call_soon(self._take_turn)
        elif not self.is_reading_paused() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _pieces_of(self, data: bytes) -> list[bytes]:
        return [data[start : start + self.turn_bytes] for start in range(0, len(data), self.turn_bytes)]
