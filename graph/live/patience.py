"""Reads of streams, which outlast a store that is away: one that begins then waits for it, as one that is open does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from models.store.errors import Busy, Unreachable

__all__ = ["patiently"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")


async def patiently(read: Callable[[], Awaitable[Result]], seconds: float) -> Result:
    """What a read returns, tried again every `seconds` until the store is within reach."""
    is_logged = False
    while True:
        try:
            return await read()
        except (Busy, Unreachable) as outage:
            if not is_logged:
                log.warning("a stream waits for the store: %s", outage)
            is_logged = True
        await asyncio.sleep(seconds)
