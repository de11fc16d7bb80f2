"""How tests wait: for an event, and so long that only a fault lets the time run out."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 60
"""Seconds after which something that should have happened has not; no test asserts that something takes less."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds, where there is no event to wait for. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # as said
            await asyncio.sleep(0.005)


def wait_until(condition: Callable[[], bool]) -> None:
    """The same where no event loop runs."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)
