"""How long an operation may take."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from graph.execution.results import TimedOut

__all__ = ["TimeLimit"]

Result = TypeVar("Result")


class TimeLimit:
    """Ends operations that take too long, as asyncio.timeout does, with one timer for all: setting and cancelling one
    for each takes a twentieth of the time of a short operation, and keeps its request until the timer would have fired.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[_Run, float] = {}
        """When each is to end: the oldest first, for all may take equally long."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, operation: Coroutine[Any, Any, Result]) -> "Result | TimedOut":
        """What the operation returns or raises, or TimedOut."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        run = _Run(task)
        self._running[run] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)
        try:
            return await operation
        except asyncio.CancelledError:
            # Where another task has cancelled it too, it ends cancelled.
            if run.is_late and task.uncancel() <= run.cancelling:
                return TimedOut(self._seconds)
            raise
        finally:
            del self._running[run]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for run, end in self._running.items():
            if end > now:
                self._timer = loop.call_at(end, self._look)
                return
            if not run.is_late:
                run.is_late = True
                run.task.cancel()


class _Run:
    """An operation under way."""

    __slots__ = ("cancelling", "is_late", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.cancelling = task.cancelling()
        self.is_late = False
