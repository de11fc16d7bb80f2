"""When Python looks for garbage: for objects in rings, which nothing else finds.

It looks whenever there are so many new objects, and everybody waits meanwhile. A long body is a hundred thousand of
them at once, none in a ring, and all gone when it has been dealt with: looking took longer than reading them.
"""

import gc
from time import monotonic

__all__ = ["look_seldom", "postpone", "tick"]

THRESHOLDS = (2_000, 50, 50)
"""Answers are many objects and no rings: looking as often as Python does by itself took a third of a replay's time."""
LONG_BODY = 32 * 2**10
"""Bytes of JSON that may be thousands of objects."""
POSTPONED_SECONDS = 1.0
"""Within which most bodies have been dealt with."""
MOST_SECONDS = 0.5
"""After which it is looked for in spite of all, at what is new: there may always be another long body."""


class _Search:
    """Python has one a process, and so have we: it does nothing where no server has begun it."""

    is_begun = False
    postponed_until = 0.0
    looked_at = 0.0


def look_seldom() -> None:
    """Begin to look, for the life of a server; what is there now stays."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
    _Search.is_begun = True


def postpone(length: int) -> None:
    """Do not look for a while, where something of so many bytes is about to be read."""
    if length < LONG_BODY or not _Search.is_begun:
        return
    now = monotonic()
    if gc.isenabled():
        gc.disable()
        _Search.looked_at = now
    _Search.postponed_until = now + POSTPONED_SECONDS


def tick() -> None:
    """To be called some times a second: look again, once it was postponed for long enough."""
    if gc.isenabled() or not _Search.is_begun:
        return
    now = monotonic()
    if now > _Search.postponed_until:
        gc.enable()
    elif now - _Search.looked_at > MOST_SECONDS:
        gc.collect(0)
        _Search.looked_at = now
