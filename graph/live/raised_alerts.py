"""Alerts as a stream from the store, with the feed as its doorbell.

Alerts are numbered without a gap in the order of the commits, so one that is missing shows, and is read from the store.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator

from graph.live.retries import patiently, regularly
from graph.live.wakeups import A_TURN, Signal, Wakeups
from models.alerts.alerts import alerts_after
from models.alerts.place import last_alert
from models.feed.channel import AlertRaised, Event, Feed
from models.job_reads import jobs_by_id
from models.store.database import Database

PAGE = 500
"""Alerts that are read from the store at once."""


class RaisedAlerts:
    """The newest alerts, shared by all followers: each keeps its place, and reads the store where it falls behind."""

    def __init__(self, database: Database, feed: Feed, buffer: int, check_seconds: float, wakeups: Wakeups) -> None:
        """`buffer`: newest alerts that are kept; `check_seconds`: between two checks of the store."""
        self._database = database
        self._feed = feed
        self._check_seconds = check_seconds
        self._wakeups = wakeups
        self._recent: deque[AlertRaised] = deque(maxlen=buffer)
        self._forgotten = 0
        """The id up to which alerts are not in the buffer."""
        self._last = 0
        """The id up to which all alerts are known."""
        self._ready, self._doubt = asyncio.Event(), asyncio.Event()
        self._changed = Signal(wakeups)
        self._open = contextlib.ExitStack()
        self.followers = 0

    async def follow(self, job_id: int | None, project: str | None) -> AsyncGenerator[AlertRaised, None]:
        """Each alert once, as it is raised from now on, of all jobs, or of one, or of those in a project."""
        with self._following():
            await self._ready.wait()
            last = self._last
            while True:
                while last >= self._last:
                    await self._changed.wait()
                events = await self._after(last)
                last = events[-1].alert.id if events else self._last
                for number, event in enumerate(events, start=1):
                    if job_id in (None, event.job.id) and project in (None, event.job.project):
                        yield event
                    if number % A_TURN == 0:
                        await self._wakeups.turn()

    def hear(self, event: Event) -> None:
        """Receive an event of the feed; doubled and late ones do no harm."""
        if not isinstance(event, AlertRaised):
            return
        if self._ready.is_set() and event.alert.id == self._last + 1:
            self._take([event])
        elif not self._ready.is_set() or event.alert.id > self._last:
            self._doubt.set()

    async def _after(self, last: int) -> list[AlertRaised]:
        if last >= self._forgotten:
            return [event for event in self._recent if event.alert.id > last]
        return await patiently(lambda: self._read(last), self._check_seconds)

    async def _read(self, last: int) -> list[AlertRaised]:
        alerts = await alerts_after(self._database.reader, last, PAGE)
        jobs = await jobs_by_id(self._database.reader, {alert.job_id for alert in alerts}) if alerts else {}
        return [AlertRaised(jobs[alert.job_id], alert) for alert in alerts if alert.job_id in jobs]

    def _take(self, events: Iterable[AlertRaised]) -> None:
        for event in events:
            if event.alert.id > self._last:  # it may have been heard while the store was read
                if len(self._recent) == self._recent.maxlen:
                    self._forgotten = self._recent[0].alert.id
                self._recent.append(event)
                self._last = event.alert.id
        self._changed.wake()

    @contextlib.contextmanager
    def _following(self) -> Iterator[None]:
        """Inside, alerts are received: begun for the first follower, ended after the last."""
        self.followers += 1
        if self.followers == 1:
            self._open.enter_context(self._feed.listening(self.hear))
            checking = regularly(self._check, "alerts", self._check_seconds, at_once=True, sooner=self._doubt)
            self._open.callback(checking.cancel)
        try:
            yield
        finally:
            self.followers -= 1
            if not self.followers:
                self._open.close()
                self._ready.clear()
                self._recent.clear()

    async def _check(self) -> None:
        """Check the store for alerts that were not heard. The first learns how many there were."""
        self._doubt.clear()
        if not self._ready.is_set():
            self._last = self._forgotten = await last_alert(self._database.reader)
            self._ready.set()
        elif events := await self._read(self._last):
            self._take(events)
            if len(events) == PAGE:
                self._doubt.set()
