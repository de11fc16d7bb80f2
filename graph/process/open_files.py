"""File descriptors: as many as the system allows, some of which connections leave to the store and to pages."""

import contextlib
import logging
import resource

__all__ = ["ConnectionLimit", "raise_open_files_limit"]

RESERVED = 64
"""Descriptors that connections leave free; half of all where there are few."""

log = logging.getLogger(__name__)


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
        """Whether so many connections are too many; logged once until there are clearly fewer."""
        if connections > self._most:
            if not self._is_logged:
                log.error(
                    "%d connections are open; refusing new ones, so that file descriptors remain for the store "
                    "(raise the limit of open files: ulimit -n)",
                    self._most,
                )
            self._is_logged = True
            return True
        if connections < self._most * 0.9:
            self._is_logged = False
        return False
