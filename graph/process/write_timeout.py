"""Closes connections whose clients read nothing of what is sent to them."""

import asyncio
import logging

__all__ = ["WriteTimeout"]

log = logging.getLogger(__name__)


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
