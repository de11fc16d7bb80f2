"""The newest changes of jobs in one sequence, whatever order they are heard in."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from models.deletions import Deletion
from models.job import Job

__all__ = ["ChangeLog", "Entry"]

Entry = Job | Deletion
"""A job as it is after a change, or that one was deleted. Both have their number, `change`."""
EARLY = 1_000
"""Changes that wait for one before them: beyond these they are read from the store."""


class ChangeLog:
    """Changes are numbered without a gap, in the order of their commits; they are taken in the order of the numbers.

    One that is heard before its turn waits for those that are missing, until it is read from the store with them. What
    the store has is complete, but has only the last change of each job: a number that is skipped there is outdated.
    """

    def __init__(self, buffer: int) -> None:
        """`buffer`: newest entries that are kept."""
        self.count = 0
        """Entries taken so far: a reader's place."""
        self.reached = 0
        """The number up to which all changes were taken."""
        self._is_begun = False
        self._recent: deque[Entry] = deque(maxlen=buffer)
        self._early: dict[int, Entry] = {}

    @property
    def has_gap(self) -> bool:
        """Whether a change is known that waits for one before it."""
        return bool(self._early)

    def begin(self, reached: int) -> list[Entry]:
        """Take it that changes are wanted from this number on; gives what has its turn by that."""
        self._is_begun = True
        return self.read((), reached)

    def hear(self, entry: Entry) -> list[Entry]:
        """Take what an event says; gives what has its turn by that: none, or also some that waited for it."""
        number = entry.change
        if number <= self.reached and self._is_begun:
            return []
        known = self._early.get(number)
        if known is None and len(self._early) >= EARLY:
            return []
        if not (isinstance(known, Job) and isinstance(entry, Job) and known.metric_count > entry.metric_count):
            self._early[number] = entry
        return self._continued()

    def read(self, entries: Iterable[Entry], reached: int) -> list[Entry]:
        """Take what the store has, complete up to a number; gives what has its turn by that."""
        taken = []
        for entry in entries:
            if entry.change > self.reached:
                self._take(entry)
                taken.append(entry)
        self.reached = max(self.reached, reached)
        self._early = {number: entry for number, entry in self._early.items() if number > self.reached}
        return taken + self._continued()

    def after(self, place: int) -> list[Entry] | None:
        """The entries behind a place; None where some of them are no longer kept."""
        missed = self.count - place
        if place < 0 or missed > len(self._recent):
            return None
        return [*islice(self._recent, len(self._recent) - missed, None)]

    def _continued(self) -> list[Entry]:
        taken: list[Entry] = []
        while self._is_begun and (entry := self._early.pop(self.reached + 1, None)):
            self._take(entry)
            taken.append(entry)
        return taken

    def _take(self, entry: Entry) -> None:
        self._recent.append(entry)
        self.count += 1
        self.reached = entry.change
