"""Events, from verbs to listeners.

The store is the truth and the feed a doorbell: a listener may miss events, or receive them twice or out of order, and
must find out from the store.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from models.alert import Alert
from models.job import Job
from models.metric import Recorded


@dataclass(frozen=True, slots=True)
class MetricsRecorded:
    """Points were stored: the job as it then was, and the points in the order of their seq."""

    job: Job
    metrics: Sequence[Recorded]
    simulated: bool = field(default=False, compare=False)
    """Whether they were simulated; not sent to other processes."""


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job took on a status: it was created, started, completed or failed."""

    job: Job


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """A job was deleted: as it last was, with the place of its deletion among all changes."""

    job: Job


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """An alert was raised: the job as it then was, and the alert."""

    job: Job
    alert: Alert


Event = MetricsRecorded | JobChanged | JobDeleted | AlertRaised
Listener = Callable[[Event], None]


class FeedError(Exception):
    """The feed cannot be used as it is. The message says why, in one line, and what to do."""


class Feed:
    """The feed within one process: a listener is called with each event as it is published.

    Listeners are called one after another in the publisher's own turn, so they must only take note and return.
    """

    def __init__(self) -> None:
        self._listeners: dict[int | None, set[Listener]] = {}
        """By the id of their job; None for those of all jobs."""
        self._overhearing: set[Listener] = set()

    def publish(self, event: Event) -> None:
        """Deliver an event to the listeners of its job, and to those of all jobs."""
        self._deliver(event)
        for listener in self._overhearing:
            listener(event)

    def _deliver(self, event: Event) -> None:
        for listener in (*self._listeners.get(event.job.id, ()), *self._listeners.get(None, ())):
            listener(event)

    @contextlib.contextmanager
    def overhearing(self, listener: Listener) -> Iterator[None]:
        """Inside, `listener` receives what this process itself publishes: for work that one of them is to do."""
        self._overhearing.add(listener)
        try:
            yield
        finally:
            self._overhearing.discard(listener)

    @contextlib.contextmanager
    def listening(self, listener: Listener, job_id: int | None = None) -> Iterator[None]:
        """Inside, `listener` receives the events of one job, or of all."""
        listeners = self._listeners.setdefault(job_id, set())
        listeners.add(listener)
        try:
            yield
        finally:
            listeners.discard(listener)
            if not listeners and self._listeners.get(job_id) is listeners:
                del self._listeners[job_id]

    def has_listeners(self, job_id: int) -> bool:
        """Whether there is a listener of that job, or of all."""
        return None in self._listeners or job_id in self._listeners

    @contextlib.asynccontextmanager
    async def open(self, store: str) -> AsyncIterator[None]:  # noqa: ARG002  # for feeds between processes
        """Inside, processes that use the same store receive each other's events."""
        yield

    async def check(self) -> None:
        """Return if the feed works. Raises FeedError."""

    async def close(self) -> None:
        """Release what `check` has taken; what is open closes itself."""

    @property
    def connected(self) -> bool:
        """Whether events of other processes are received now."""
        return True

    @property
    def listener_count(self) -> int:
        """How many listeners there are, of one job or of all."""
        return sum(map(len, self._listeners.values()))
