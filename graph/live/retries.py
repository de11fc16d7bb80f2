"""Reads of streams that outlast a store that is away: tried again until they succeed, or regularly."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar

from models.store.errors import Busy, StoreFailure, Unreachable

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


def regularly(
    check: Callable[[], Awaitable[None]],
    what: str,
    seconds: float,
    *,
    at_once: bool = False,
    sooner: asyncio.Event | None = None,
) -> asyncio.Task[None]:
    """A task, of no request, that checks the store every `seconds`; `what` the check looks for, for the log.

    `sooner`: has the next check be at once; a check clears it.
    """
    sooner = sooner or asyncio.Event()

    async def run() -> None:
        await asyncio.sleep(0 if at_once else seconds)
        while True:
            try:
                await check()
            except Exception as error:  # whatever is wrong, the next check may succeed
                is_bug = not isinstance(error, StoreFailure)
                log.warning("could not check the store for %s: %s", what, error, exc_info=is_bug)
                sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await sooner.wait()

    return asyncio.create_task(run(), context=Context())
