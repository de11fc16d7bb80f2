"""What happened on the live streams of a process, counted."""

from dataclasses import dataclass

__all__ = ["LiveCounts"]


@dataclass(slots=True)
class LiveCounts:
    """Numbers that only grow."""

    delivered: int = 0
    """Points given to watchers: one for each point and watcher."""
    overflows: int = 0
    """Times that a watcher, or who follows jobs, fell behind the buffer and went on from the store."""
    gaps: int = 0
    """Times that news which the feed had not brought was found in the store."""
