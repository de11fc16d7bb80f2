"""How operations share one process: clients take turns, each computation has its time, long ones a thread."""

import asyncio
import sys
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from graphql import GraphQLError

from graph.execution.results import TimedOut
from graph.telemetry.calls import current_client

__all__ = ["MAX_WAITING", "SWITCH_SECONDS", "FairSemaphore", "WorkerThread", "within"]

SWITCH_SECONDS = 0.0001
"""For how long the thread may keep the event loop waiting while it computes: Python's default, 5 ms, is ten answers."""
MAX_WAITING = 100
"""Operations, or computations, of one client that wait at once: the requests they belong to are in memory."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def within(seconds: float, operation: Coroutine[Any, Any, Result]) -> Result:
    """What the operation returns or raises. Raises TimedOut where it takes longer than that."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await operation
    except TimeoutError:
        if limit.expired():
            raise TimedOut(seconds) from None
        raise


class FairSemaphore:
    """A weighted semaphore: waiting clients take turns, the requests of one are first come first served.

    The next in turn is never overtaken, or small requests would starve a large one.
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


class WorkerThread:
    """One thread for long computations, while the event loop serves other requests. Clients take turns.

    A second one would compute no faster, for one thread holds the interpreter's lock.
    """

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long a computation may take, its time in the queue included."""
        self._seconds = seconds
        self._turn = FairSemaphore(1, MAX_WAITING)
        self._executor = ThreadPoolExecutor(1, "worker")
        self._usual_switch_seconds = sys.getswitchinterval()

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs) -> Result:
        """What the function returns or raises. Raises GraphQLError where it takes too long, or too many wait."""
        try:
            return await within(self._seconds, self._run(lambda: work(*args, **named)))
        except TimedOut as error:  # the request was refused, and not begun
            raise GraphQLError(error.message, extensions=error.extensions) from None

    async def _run(self, work: Callable[[], Result]) -> Result:
        async with self._turn.hold(current_client()):
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._yielding, work)

    def _yielding(self, work: Callable[[], Result]) -> Result:
        """What the function returns or raises; the interpreter switches threads often meanwhile."""
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            return work()
        finally:
            sys.setswitchinterval(self._usual_switch_seconds)  # not as it was before: another app's may compute too
