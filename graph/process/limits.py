"""What the connections of a process may hold: unfinished input, unread output, file descriptors."""

import asyncio
import contextlib
import logging
import resource
from typing import Protocol

__all__ = ["Arriving", "ConnectionLimit", "Sender", "WriteTimeout", "raise_open_files_limit"]

RESERVED = 64
"""Descriptors that connections leave to the store and to pages; half of all where there are few."""

log = logging.getLogger(__name__)


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


class WriteTimeout(asyncio.Protocol):
    """Aborts a connection once more bytes wait to be sent than a transport should hold, and none are read.

    They are looked at every `write_seconds` while there are too many: a connection whose client reads costs nothing.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    write_seconds: float
    _write_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to watch whether the client reads."""
        super().pause_writing()
        self._check_later()

    def resume_writing(self) -> None:
        """The client has read nearly everything."""
        super().resume_writing()
        self._cancel_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        super().connection_lost(exc)
        self._cancel_write_timer()

    def _check_later(self) -> None:
        pending = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.write_seconds, self._check, pending)

    def _check(self, pending_before: int) -> None:
        if self.transport.get_write_buffer_size() < pending_before:
            self._check_later()
        else:
            log.info("closed a connection whose client read nothing for %g seconds", self.write_seconds)
            self.transport.abort()

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def raise_open_files_limit() -> None:
    """Have the system allow this process as many open files as it may have; most begin with a thousand."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems have a lower limit than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class ConnectionLimit:
    """How many connections a process may have open."""

    def __init__(self) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = soft - min(RESERVED, soft // 2)
        self._is_logged = False

    def is_exceeded(self, connections: int) -> bool:
        """Whether so many connections are too many; logged the first time."""
        if connections > self._most and not self._is_logged:
            self._is_logged = True
            log.error(
                "%d connections are open; refusing new ones, so that file descriptors remain for the store "
                "(raise the limit of open files: ulimit -n)",
                self._most,
            )
        return connections > self._most
