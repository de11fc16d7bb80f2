"""Tuning of the cyclic garbage collector."""

import gc

__all__ = ["tune"]

YOUNG, MIDDLE, OLD = 2_000, 50, 10
"""The first generation is collected after so many new objects, the second every 50 times, and the third every 10 times
that: about once in a million objects that stayed.

A collection stops everything, for as long as there are objects. Answers are many objects and no reference cycles:
Python's own thresholds (700, 10, 10) took a third of a replay's time.
"""


def tune() -> None:
    """Begin to collect, for the life of a server; what is there now stays."""
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.enable()
