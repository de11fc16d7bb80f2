"""Long answers, which are in memory until their readers have taken them."""

import logging
from collections.abc import Callable
from contextvars import copy_context

__all__ = ["LONG", "Held", "Unread"]

LONG = 64 * 1024
"""Bytes of an answer from which on it is counted, and sent a piece at a time: what a connection may hold anyway."""

log = logging.getLogger(__name__)


class Held:
    """A long answer, or message, of which a reader has not taken all yet."""

    __slots__ = ("context", "cut", "size")

    def __init__(self, size: int, cut: Callable[[], object]) -> None:
        """`cut` hangs up on its reader."""
        self.size = size
        self.cut = cut
        self.context = copy_context()  # the log tells whose answer it was


class Unread:
    """All that a process holds, within bounds: past them, who has taken nothing for longest is cut off. What is sent
    over a socket is taken once all of it is.

    Readers who take nothing at all the system gives up by itself, though only after TCP_USER_TIMEOUT; and
    whoever takes a little now and then could have the server keep long answers for hours.
    """

    def __init__(self, most: int) -> None:
        """`most`: bytes of all together; a single answer may be longer."""
        self._most = most
        self._bytes = 0
        self._held: dict[Held, None] = {}
        """In the order in which their readers took something last."""

    def hold(self, size: int, cut: Callable[[], object]) -> Held:
        """Count an answer that is about to be sent. Others may be cut off for it."""
        new = Held(size, cut)
        self._held[new] = None
        self._bytes += size
        while self._bytes > self._most and (oldest := next(iter(self._held))) is not new:
            oldest.context.run(
                log.warning,
                "cut off a client that did not read an answer of %d bytes: long answers that wait to be read have come "
                "to more than %d bytes (--max-unread-bytes)",
                oldest.size,
                self._most,
            )
            for held in [held for held in self._held if held.cut == oldest.cut]:  # all of that connection
                self.let_go(held)
            oldest.cut()
        return new

    def moved(self, held: Held) -> None:
        """Take note that its reader has just taken some of it."""
        if held in self._held:
            del self._held[held]
            self._held[held] = None

    def let_go(self, held: Held) -> None:
        """It is read, or its reader is gone: it is not in memory any more."""
        if held in self._held:
            del self._held[held]
            self._bytes -= held.size
