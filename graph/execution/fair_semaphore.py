"""A semaphore for which clients queue in turn, so that one with many requests delays each other client by one."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from graphql import GraphQLError

__all__ = ["FairSemaphore"]


class FairSemaphore:
    """A weighted semaphore: waiting clients take turns (round robin), the requests of one client are first come first
    served. The next in turn is never overtaken, so that a large request is not starved by small ones.
    """

    def __init__(self, permits: int, max_waiting: int | None = None) -> None:
        """`max_waiting`: requests of one client that may wait at once, each in memory; None for any number."""
        self._permits = permits
        self._max_waiting = max_waiting
        self._free = permits
        self._queues: OrderedDict[Hashable, deque[tuple[int, asyncio.Future[None]]]] = OrderedDict()
        """The requests of each client that waits; the first client is the next in turn."""

    @asynccontextmanager
    async def hold(self, client: Hashable, permits: int = 1) -> AsyncIterator[None]:
        """Hold so many permits, or all where it is more than there are.

        Raises GraphQLError (SERVICE_UNAVAILABLE) where too many requests of the client wait already.
        """
        permits = min(permits, self._permits)
        await self._acquire(client, permits)
        try:
            yield
        finally:
            self._free += permits
            self._grant()

    async def _acquire(self, client: Hashable, permits: int) -> None:
        if not self._queues and permits <= self._free:
            self._free -= permits
            return
        queue = self._queues.setdefault(client, deque())
        if self._max_waiting is not None and len(queue) >= self._max_waiting:
            message = "Too many of your requests are waiting; try again."
            raise GraphQLError(message, extensions={"code": "SERVICE_UNAVAILABLE"})
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append((permits, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # granted just before the cancellation
                self._free += permits
            elif (permits, granted) in queue:  # or it would count as one that waits
                queue.remove((permits, granted))
                if not queue:
                    del self._queues[client]
            self._grant()
            raise

    def _grant(self) -> None:
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            permits, granted = queue[0]
            if not granted.done():  # else it was cancelled
                if permits > self._free:
                    return
                self._free -= permits
                granted.set_result(None)
                self._queues.move_to_end(client)
            queue.popleft()
            if not queue:
                del self._queues[client]
