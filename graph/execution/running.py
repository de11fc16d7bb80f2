"""What bounds operations while they are executed."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from graph.execution.budget import Budget
from graph.execution.deadline import TimeLimit
from graph.execution.limits import Limits
from graph.execution.results import TimedOut
from graph.telemetry.call import current_call

__all__ = ["Operations"]

Result = TypeVar("Result")


class Operations:
    """The operations of one app: each within its time, and all together within what they may ask for."""

    def __init__(self, limits: Limits) -> None:
        self._time = TimeLimit(limits.operation_seconds)
        self._budget = Budget(limits.max_cost)

    async def run(self, operation: Coroutine[Any, Any, Result], cost: int = 0) -> Result | TimedOut:
        """What the operation gives, or that it took too long, which the call takes note of."""
        result = await self._time.run(self._paid(operation, cost) if cost else operation)
        if isinstance(result, TimedOut) and (call := current_call()):
            call.timed_out()
        return result

    async def _paid(self, operation: Coroutine[Any, Any, Result], cost: int) -> Result:
        try:
            async with self._budget.of(cost):
                return await operation
        finally:
            operation.close()  # it may not have begun
