"""How much the operations that are under way ask for together: what they hold in memory until they are answered."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Budget"]

SMALL = 10_000
"""Values of an operation that is not counted: a page of jobs with their last points, and some two megabytes."""


class Budget:
    """Lets operations begin as long as those under way ask for no more than one of them may; others wait their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._spent = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, cost: int) -> AsyncIterator[None]:
        """Inside, there is room for an operation that asks for so many values."""
        if cost <= SMALL:
            yield
            return
        cost = min(cost, self._most)
        await self._room(cost)
        try:
            yield
        finally:
            self._spent -= cost
            self._let_in()

    async def _room(self, cost: int) -> None:
        if not self._waiting and self._spent + cost <= self._most:
            self._spent += cost
            return
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost, let_in))
        try:
            await let_in
        except asyncio.CancelledError:
            if let_in.done() and not let_in.cancelled():  # it was let in just then
                self._spent -= cost
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            cost, let_in = self._waiting[0]
            if not let_in.done():  # else it has left
                if self._spent + cost > self._most:
                    return
                self._spent += cost
                let_in.set_result(None)
            self._waiting.popleft()
