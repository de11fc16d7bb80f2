"""How long an operation may take."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from graph.execution.results import TimedOut

__all__ = ["TimeLimit"]

Result = TypeVar("Result")


class TimeLimit:
    """Ends operations that take too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def run(self, operation: Coroutine[Any, Any, Result]) -> Result | TimedOut:
        """What the operation returns or raises, or TimedOut."""
        try:
            async with asyncio.timeout(self._seconds) as limit:
                return await operation
        except TimeoutError:
            if limit.expired():
                return TimedOut(self._seconds)
            raise
