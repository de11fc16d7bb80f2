"""One thread for long computations, so that the event loop serves other requests meanwhile."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from graph.execution.deadline import TimeLimit
from graph.execution.fair_semaphore import FairSemaphore
from graph.execution.results import TimedOut, timed_out
from graph.telemetry.call import current_client

__all__ = ["SWITCH_SECONDS", "WorkerThread"]

SWITCH_SECONDS = 0.0001
"""For how long the thread may keep the event loop waiting while it computes: Python's default, 5 ms, is ten answers."""
MAX_WAITING = 100
"""Computations of one client that wait at once: the requests they belong to are in memory, some megabytes long."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class WorkerThread:
    """The worker thread of one app: a second one would compute no faster, for one thread holds the interpreter's lock.

    Clients take turns: what one of them queues delays each other client by one computation.
    """

    def __init__(self, time: TimeLimit) -> None:
        """`time`: how long a computation may take, its time in the queue included."""
        self._time = time
        self._turn = FairSemaphore(1, MAX_WAITING)
        self._executor = ThreadPoolExecutor(1, "worker")
        self._usual_switch_seconds = sys.getswitchinterval()

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs) -> Result:
        """What the function returns or raises.

        Raises GraphQLError where it is not done in time, or too much of the client waits already.
        """
        result = await self._time.run(self._run(lambda: work(*args, **named)))
        if isinstance(result, TimedOut):
            raise timed_out(result.seconds)
        return result

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
