"""What the connections of a process may hold: unfinished input, unread output, file descriptors."""

import asyncio
import contextlib
import logging
import resource
from collections.abc import Callable

from graph.settings import Settings

__all__ = ["Arriving", "ConnectionLimit", "LimitedConnection", "raise_open_files_limit"]

RESERVED = 64  # descriptors that connections leave to the store and to pages; half of all where there are few

log = logging.getLogger(__name__)


class Arriving:
    """The bytes that each connection holds of what is still incomplete.

    Past the bound the connection that has received nothing for longest is refused: a client that means to finish its
    upload sends on, one that only wants to fill the memory has nothing more to send.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._total = 0
        self._sizes: dict[Callable[[], None], int] = {}
        """By what refuses a connection, in the order in which they last received something."""

    def record(self, refuse: Callable[[], None], size: int) -> None:
        """Record that the connection which `refuse` closes holds `size` bytes, having received some; 0 for none."""
        self._total += size - self._sizes.pop(refuse, 0)
        if size:
            self._sizes[refuse] = size
        while self._total > self._max_bytes:
            refuse_slowest = next(iter(self._sizes))
            self._total -= self._sizes.pop(refuse_slowest)
            refuse_slowest()


class LimitedConnection(asyncio.Protocol):
    """A connection with limits on what its client has begun to send, and on what it does not read.

    It is aborted once more bytes wait to be sent than a transport should hold, and none are read for two pings. They
    are looked at only while there are too many, so a connection whose client reads costs nothing.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    settings: Settings
    arriving: Arriving
    deadline: asyncio.TimerHandle | None = None  # when what is arriving must be complete
    _write_timer: asyncio.TimerHandle | None = None
    is_late: Callable[[], None]  # ends what was not complete at its deadline
    refuse_arriving: Callable[[], None]
    """Closes the connection with an error: of too much that is incomplete, its part is the slowest."""

    def start_deadline(self) -> None:
        """From now on what is arriving has its time."""
        self.deadline = self.loop.call_later(self.settings.request_seconds, self.is_late)

    def stop_waiting(self) -> None:
        """Nothing is arriving any more."""
        self.arriving.record(self.refuse_arriving, 0)
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def pause_writing(self) -> None:
        """Begin to watch whether the client reads."""
        super().pause_writing()
        self._check_later()

    def resume_writing(self) -> None:
        """The client has read nearly everything."""
        super().resume_writing()
        self._cancel_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self.stop_waiting()
        super().connection_lost(exc)
        self._cancel_write_timer()

    def _check_later(self) -> None:
        pending = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(2 * self.settings.ping_seconds, self._check, pending)

    def _check(self, pending_before: int) -> None:
        if self.transport.get_write_buffer_size() < pending_before:
            self._check_later()
        else:
            log.info("closed a connection whose client read nothing for %g seconds", 2 * self.settings.ping_seconds)
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
