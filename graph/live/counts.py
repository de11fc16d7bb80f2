"""What happened on the live streams of a process, counted."""

from dataclasses import dataclass

__all__ = ["LiveCounts"]


@dataclass(slots=True)
class LiveCounts:
    """Numbers that only grow."""

    delivered: int = 0
    """Points delivered to watchers: one for each point and watcher."""
    overflows: int = 0
    """Times that a watcher, or a follower of jobs, fell behind the buffer and went on from the store."""
    gaps: int = 0
    """Times that points or changes were found in the store that the feed had not brought."""
