"""What takes long and waits for nothing is done in a thread, so that others are served meanwhile."""

import asyncio
import itertools
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from graphql import GraphQLError

from graph.execution.limits import Limits
from graph.execution.results import timed_out

__all__ = ["Aside", "aside", "is_long"]

SWITCH_SECONDS = 0.0001
"""For how long the thread keeps the loop from going on: Python's own 5 ms are ten answers'."""
LONG = 500
"""Values, among them lists and objects, that GraphQL looks through in a few milliseconds."""
MAX_WAITING = 200
"""What may wait at once. Beyond, it is refused: those who wait have their requests in memory."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Aside:
    """A thread that does one thing after the other: of those that wait the smallest first.

    In the order in which they come, whoever sends what is large would have all others wait: the largest takes a hundred
    times as long as what most send.
    """

    def __init__(self) -> None:
        self._waiting: queue.PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    async def run(
        self,
        limits: Limits,
        size: int,
        work: Callable[Arguments, Result],
        *args: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """What the function gives, or raises. Raises GraphQLError where too much waits, or it is not done in time."""
        if self._waiting.qsize() >= MAX_WAITING:
            raise GraphQLError("Too much is asked for at once; try again.", extensions={"code": "SERVICE_UNAVAILABLE"})
        try:
            async with asyncio.timeout(limits.operation_seconds):
                return await self.do(size, work, *args, **named)
        except TimeoutError:
            raise timed_out(limits.operation_seconds) from None

    async def do(
        self, size: int, work: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """The same, for what must be done whatever else waits."""
        return await asyncio.wrap_future(self.begin(size, work, *args, **named))

    def begin(
        self, size: int, work: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Result]:
        """The same, for who does not wait, or may cancel what has not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._do_for_ever, name="aside", daemon=True)
            self._thread.start()
        done: Future[Result] = Future()
        self._waiting.put((size, next(self._numbers), done, lambda: work(*args, **named)))
        return done

    def _do_for_ever(self) -> None:
        while True:
            self._do(*self._waiting.get()[2:])

    def _do(self, done: Future[Any], work: Callable[[], Any]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # whoever waits is told
            done.set_exception(error)
        else:
            done.set_result(result)
        finally:
            sys.setswitchinterval(usual)
            del done, work  # an error holds this frame, which would hold the error


def is_long(value: object, most: int = LONG) -> bool:
    """Whether there are more values than that in a value of JSON, looked at no further than to that."""
    waiting, met = [value], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            met += len(one)
            if met > most:
                return True
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return False


aside = Aside()
"""The one of this process: Python does one thing at a time, so a second would only take from the loop."""
