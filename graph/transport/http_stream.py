"""A stream as the body of a response: its results, a sign of life while there are none, and its end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

from starlette.requests import Request
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import HTTPStreamTransport
from strawberry.types import ExecutionResult, SubscriptionExecutionResult

from graph.admission.caller import Caller
from graph.execution.results import json_of
from graph.transport.multipart import MultipartTransport
from graph.transport.sse import SSETransport

__all__ = ["TRANSPORTS", "HTTPStreams", "with_signs_of_life"]

TRANSPORTS: Mapping[str, HTTPStreamTransport] = {each.protocol: each for each in (SSETransport(), MultipartTransport())}
"""By the names of their protocols; of several that a client accepts, the first is taken."""

Result = TypeVar("Result")


class HTTPStreams:
    """Those of one app, which end with its server."""

    def __init__(self, ping_seconds: float) -> None:
        """`ping_seconds`: after so long without a result a stream shows that it is alive."""
        self._ping_seconds = ping_seconds
        self._ending = asyncio.Event()

    @property
    def are_ending(self) -> bool:
        """Whether the server is about to end."""
        return self._ending.is_set()

    def end(self) -> None:
        """Let all of them end: the server is about to."""
        self._ending.set()

    async def body(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncGenerator[str, None]:
        """The body of a response that streams: with a sign of life now and then, forgotten when its client is gone.

        A server that ends closes the response without saying that the operation is complete: it is not, and a client
        that knows it will ask again.
        """
        caller: Caller = request.scope["caller"]
        revoked = asyncio.Event()
        caller.follow(revoked.set)
        stops = {asyncio.create_task(one) for one in (self._ending.wait(), _gone(request), revoked.wait())}
        try:
            async with aclosing(with_signs_of_life(result, self._ping_seconds, stops)) as results:
                if isinstance(transport, MultipartTransport):
                    yield transport.beginning
                async for value in results:
                    if value is None:
                        yield transport.heartbeat_message(_encoded)
                    else:
                        yield transport.encode_next(cast("GraphQLHTTPResponse", value), _encoded)
                if not any(stop.done() for stop in stops):
                    yield transport.encode_complete()
        finally:
            caller.unfollow(revoked.set)
            for stop in stops:
                stop.cancel()
            await cast("AsyncGenerator[ExecutionResult, None]", result).aclose()


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


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _encoded(result: object) -> str:
    return json_of(cast("ExecutionResult", result))
