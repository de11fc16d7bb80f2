"""What the app in this process keeps for those who are connected to it."""

import asyncio
import contextlib
from collections.abc import Mapping

from graph.app import App
from tests.tools.domain import all_has_begun
from tests.tools.waiting import eventually


class Inside:
    """The view of an app, and the tasks of its loop."""

    def __init__(self, app: App) -> None:
        self.view = app.view
        self.services = app.services
        self._tasks = asyncio.all_tasks()

    @property
    def kept(self) -> Mapping[str, int]:
        """How many there are now of each, of which there are any."""
        streams = self.services.streams
        assert self.services.answers is not None
        counts = {
            "sockets": self.view._slots.sockets + self.view._slots.streams,
            "watched": len(streams._watched),
            "watchers": sum(job.watchers for job in streams._watched.values()),
            "followers": streams.changes.followers,
            "listeners": streams._feed.listener_count,
            "parts_in_the_making": len(self.services.answers.parts.making),
        }
        return {name: count for name, count in counts.items() if count}

    async def holds(self, **some: int) -> None:
        """Return once there are so many of these, whatever else is kept. Raises TimeoutError."""
        await eventually(lambda: self.kept.items() >= some.items())

    async def all_have_begun(self, watchers: int, followers: int) -> None:
        """Return once so many watch and follow, and have read what they read first: see `all_has_begun`."""
        await self.holds(watchers=watchers, followers=followers)
        await all_has_begun(self.services.database.reader)

    async def changes_are_heard(self) -> None:
        """Return once each change from now on reaches those who follow."""
        await eventually(self.services.streams.changes._ready.is_set)

    async def comes_to(self, **kept: int) -> None:
        """Return once just this is kept. Raises AssertionError."""
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: self.kept == kept)
        assert self.kept == kept

    async def is_as_before(self) -> None:
        """Return once nothing is kept, and no task is left that was not there at first. Raises AssertionError."""
        await self.comes_to()
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: not self._added())
        assert not self._added()

    def _added(self) -> set[str]:
        return {repr(task.get_coro()) for task in asyncio.all_tasks() - self._tasks - {asyncio.current_task()}}
