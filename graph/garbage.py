"""Objects in rings, which stay until Python looks for them: when it looks, and what need not be one."""

import gc

__all__ = ["forget_frames", "look_seldom"]

NEW, LOOKS, LONG_LOOKS = 2_000, 500, 50
"""Each time that there are so many new objects more, those are looked at; every 500th time also those that were there
the last 500 times.

Everybody waits meanwhile, and a look takes as long as there are objects. Answers are many objects and no rings: looking
as often as Python does by itself took a third of a replay's time. A long body is a hundred thousand of them at once,
and no ring either, and gone when it has been dealt with: looked at 2,000 by 2,000 when they are new, it costs nothing.
"""


def look_seldom() -> None:
    """Begin to look, for the life of a server; what is there now stays."""
    gc.freeze()
    gc.set_threshold(NEW, LOOKS, LONG_LOOKS)
    gc.enable()


def forget_frames(error: BaseException) -> None:
    """Have an error that was dealt with let go of the frames that it passed: one of them mostly holds it."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None:
            waiting += (each.__context__, each.__cause__, getattr(each, "original_error", None))
            each.__traceback__ = each.__context__ = each.__cause__ = None
