"""What the app in this process keeps for those who are connected to it."""

import asyncio
from dataclasses import astuple, dataclass

from graph.app import App
from tests.tools.domain import all_has_begun
from tests.tools.waiting import eventually

__all__ = ["Inside", "Kept"]


@dataclass(frozen=True)
class Kept:
    """How many there are of each."""

    sockets: int = 0
    watched: int = 0
    watchers: int = 0
    followers: int = 0
    listeners: int = 0
    parts_in_the_making: int = 0


class Inside:
    """The view of an app, and the tasks of its loop."""

    def __init__(self, app: App) -> None:
        self.view = app.view
        self.services = app.services
        self._tasks = asyncio.all_tasks()

    @property
    def kept(self) -> Kept:
        """What is kept now."""
        streams = self.services.streams
        return Kept(
            sockets=self.view._slots.sockets + self.view._slots.streams,
            watched=len(streams._watched),
            watchers=sum(job.watchers for job in streams._watched.values()),
            followers=streams.changes.followers,
            listeners=streams._feed.listener_count,
            parts_in_the_making=self._parts_in_the_making,
        )

    @property
    def _parts_in_the_making(self) -> int:
        assert self.services.answers is not None
        return len(self.services.answers.parts.making)

    async def all_have_begun(self, watchers: int = 0, followers: int = 0) -> None:
        """Return once so many watch and follow, and have read what they read first: see `all_has_begun`."""
        await eventually(lambda: (self.kept.watchers, self.kept.followers) == (watchers, followers))
        await all_has_begun(self.services.database.reader)

    async def changes_are_heard(self) -> None:
        """Return once each change from now on reaches those who follow."""
        await eventually(self.services.streams.changes._ready.is_set)

    async def has_a_listener(self) -> None:
        """Return once somebody watches or follows."""
        await eventually(lambda: self.kept.listeners == 1)

    async def watchers_are(self, count: int) -> None:
        """Return once so many watch a job's points."""
        await eventually(lambda: self.kept.watchers == count)

    async def comes_to(self, **kept: int) -> None:
        """Return once just this is kept. Raises AssertionError."""
        try:
            await eventually(lambda: self.kept == Kept(**kept))
        except TimeoutError:
            assert self.kept == Kept(**kept)

    async def is_as_before(self) -> None:
        """Return once nothing is kept, and no task is left that was not there at first. Raises AssertionError."""
        await self.comes_to()
        assert not any(astuple(self.kept))
        try:
            await eventually(lambda: not self._added())
        except TimeoutError:
            assert not self._added()

    def _added(self) -> set[str]:
        return {repr(task.get_coro()) for task in asyncio.all_tasks() - self._tasks - {asyncio.current_task()}}
