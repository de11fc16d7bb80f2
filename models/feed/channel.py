"""Who hears of what changed.

The store is the truth and the feed a doorbell that carries the news along: whoever listens must be able to miss any of
it, hear it twice or out of order, and find out from the store.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from models.job import Job
from models.metric import Recorded

__all__ = ["Event", "Feed", "FeedError", "JobChanged", "Listener", "MetricsRecorded"]


@dataclass(frozen=True, slots=True)
class MetricsRecorded:
    """Points were stored: the job as it then was, and the points in the order of their seq."""

    job: Job
    metrics: Sequence[Recorded]
    simulated: bool = field(default=False, compare=False)
    """Whether they were made here; who hears of them from another process is not told."""


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job took on a status: it was created, started, completed or failed."""

    job: Job


Event = MetricsRecorded | JobChanged
Listener = Callable[[Event], None]


class FeedError(Exception):
    """The feed cannot be used as it is. The message says why, in one line, and what to do."""


class Feed:
    """The feed within one process: a listener is called with each event as it is published.

    Listeners are called one after another in the publisher's own turn, so they must only take note and return.
    """

    def __init__(self) -> None:
        self._by_job: dict[int, set[Listener]] = {}
        self._all: set[Listener] = set()
        self._overhearing: set[Listener] = set()

    def publish(self, event: Event) -> None:
        """Tell whoever listens to the event's job, or to all jobs."""
        self._tell(event)
        for listener in self._overhearing:
            listener(event)

    def _tell(self, event: Event) -> None:
        for listener in (*self._by_job.get(event.job.id, ()), *self._all):
            listener(event)

    @contextlib.contextmanager
    def overhearing(self, listener: Listener) -> Iterator[None]:
        """Inside, `listener` hears what this process itself publishes: for work that one of them is to do."""
        self._overhearing.add(listener)
        try:
            yield
        finally:
            self._overhearing.discard(listener)

    @contextlib.contextmanager
    def listening(self, listener: Listener, job_id: int | None = None) -> Iterator[None]:
        """Inside, `listener` hears of one job, or of all; leaving forgets it."""
        listeners = self._all if job_id is None else self._by_job.setdefault(job_id, set())
        listeners.add(listener)
        try:
            yield
        finally:
            listeners.discard(listener)
            if job_id is not None and not listeners and self._by_job.get(job_id) is listeners:
                del self._by_job[job_id]

    def is_heard(self, job_id: int) -> bool:
        """Whether somebody listens to that job, or to all."""
        return bool(self._all) or job_id in self._by_job

    @contextlib.asynccontextmanager
    async def open(self, store: str) -> AsyncIterator[None]:  # noqa: ARG002  # for feeds between processes
        """Inside, whoever uses the same store hears each other: here all are in one process, and always do."""
        yield

    async def check(self) -> None:
        """Return if the feed works. Raises FeedError."""

    async def close(self) -> None:
        """Let go of what `check` has taken; what is open closes itself."""

    @property
    def connected(self) -> bool:
        """Whether all who should hear each other now do."""
        return True

    @property
    def listener_count(self) -> int:
        """How many listen now, to one job or to all."""
        return len(self._all) + sum(len(listeners) for listeners in self._by_job.values())
