"""The tasks that wait for events of streams are woken a few at a time, so that no turn of the event loop is long."""

import asyncio
from collections import deque
from collections.abc import Iterable

A_TURN = 16
"""The weight of the tasks that are woken in one turn of the event loop, where most weigh 1; and how many points or jobs
each of them is given before it lets others go on. All together they take a few milliseconds."""

Waiter = asyncio.Future[None]


class Wakeups:
    """The tasks of one process that may go on, in the order in which they were signalled."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Waiter, int]] = deque()
        self._is_running = False

    def queue(self, waiters: Iterable[Waiter], weight: int = 1) -> None:
        """Wake some tasks, each in its turn."""
        self._queue.extend((waiter, weight) for waiter in waiters)
        if not self._is_running:
            self._wake_some()

    async def turn(self, weight: int = 1) -> None:
        """Let the event loop and other tasks go on first. What weighs more than A_TURN is alone in its turn."""
        waiter = asyncio.get_running_loop().create_future()
        self.queue((waiter,), weight)
        await waiter

    def _wake_some(self) -> None:
        self._is_running = bool(self._queue)
        if not self._is_running:
            return
        asyncio.get_running_loop().call_soon(self._wake_some)
        room = A_TURN
        while self._queue and room > 0:
            waiter, weight = self._queue.popleft()
            if not waiter.done():  # else it was cancelled
                waiter.set_result(None)
                room -= weight


class Signal:
    """An event that tasks wait for again and again."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._waiters: dict[Waiter, None] = {}

    async def wait(self) -> None:
        """Return after the next `wake`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            self._waiters.pop(waiter, None)

    def wake(self) -> None:
        """Wake the tasks that wait now; one that comes later waits for the next time."""
        waiters, self._waiters = self._waiters, {}
        self._wakeups.queue(waiters)
