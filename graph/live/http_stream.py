"""A stream as the body of a response: its results, a sign of life while there are none, and its end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

__all__ = ["with_signs_of_life"]

Result = TypeVar("Result")


async def with_signs_of_life(
    results: AsyncIterator[Result], interval: float, stops: "set[asyncio.Task[Any]]"
) -> AsyncGenerator[Result | None, None]:
    """The results, and None after `interval` seconds without one; ends with them, or when one of `stops` is done.

    Raises what `results` raises.
    """
    coming: asyncio.Future[Result] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(anext(results))
            done, _ = await asyncio.wait({coming, *stops}, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
            if coming in done:
                try:
                    result = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                yield result
            elif done:
                return
            else:
                yield None
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
