"""Streams over HTTP, as server-sent events and as multipart: their format, signs of life between results, their end."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Mapping
from typing import cast

from starlette.requests import Request
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import HTTPStreamTransport, JSONEncoder, MultipartSubscriptionTransport, SSETransport
from strawberry.types import ExecutionResult, SubscriptionExecutionResult

from graph.admission.caller import Caller
from graph.execution.results import json_of
from graph.media import media_ranges, media_type_of

__all__ = ["TRANSPORTS", "HTTPStreams"]


class Events(SSETransport):
    """graphql-sse's distinct connections: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md"""

    def accepts(self, accept: str) -> bool:
        """Whether the client takes events."""
        return media_ranges(accept).get("text/event-stream", 0.0) > 0

    def encode_event(self, event: str, data: str | None = None) -> str:
        """One event. With bare line feeds, and nothing after the colon where there is no data: urql knows no others."""
        return f"event: {event}\ndata: {data}\n\n" if data else f"event: {event}\ndata:\n\n"

    def encode_comment(self, comment: str) -> str:
        """A line that clients pass over."""
        return f": {comment}\n\n"


class Parts(MultipartSubscriptionTransport):
    """Apollo's multipart subscriptions, with the delimiters where RFC 2046 has them.

    A part ends with the delimiter of the next, so that a client need not wait for the next to know that it is whole;
    the first delimiter is therefore the stream's beginning, and the last needs only its closing hyphens.
    https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
    """

    beginning = "--graphql"

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of SSE: without them a proxy buffers the stream."""
        return {**SSETransport.headers, **super().headers}

    def accepts(self, accept: str) -> bool:
        """Whether the client takes parts."""
        return any(self.accepts_content_type(*media_type_of(part)) for part in accept.split(","))

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: JSONEncoder) -> str:
        """A result as a part."""
        return self._part(f'{{"payload":{encode_json(response)}}}')

    def heartbeat_message(self, encode_json: JSONEncoder) -> str:  # noqa: ARG002  # Strawberry's signature
        """An empty part, which clients pass over."""
        return self._part("{}")

    def encode_complete(self) -> str:
        """What turns the last delimiter into the end."""
        return "--\r\n"

    def _part(self, body: str) -> str:
        return f"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{body}\r\n{self.beginning}"


TRANSPORTS: Mapping[str, HTTPStreamTransport] = {each.protocol: each for each in (Events(), Parts())}
"""By the names of their protocols; of several that a client accepts, the first is taken."""


class HTTPStreams:
    """Those of one app, which end with its server."""

    def __init__(self, ping_seconds: float) -> None:
        """`ping_seconds`: after so long without a result a stream sends a sign of life."""
        self._ping_seconds = ping_seconds
        self._ending = asyncio.Event()

    @property
    def are_ending(self) -> bool:
        """Whether the server is about to end."""
        return self._ending.is_set()

    def end(self) -> None:
        """End all of them: the server is about to end."""
        self._ending.set()

    async def body(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncGenerator[str, None]:
        """The body of a response that streams.

        A server that ends closes the response without saying that the operation is complete: a client that knows it
        is not will ask again.
        """
        caller: Caller = request.scope["caller"]
        revoked = asyncio.Event()
        caller.follow(revoked.set)
        stops = {asyncio.create_task(one) for one in (self._ending.wait(), _gone(request), revoked.wait())}
        results = cast("AsyncGenerator[ExecutionResult, None]", result)
        coming = asyncio.ensure_future(anext(results))
        try:
            if isinstance(transport, Parts):
                yield transport.beginning
            while True:
                done, _ = await asyncio.wait({coming, *stops}, timeout=self._ping_seconds, return_when=FIRST_COMPLETED)
                if not stops.isdisjoint(done):
                    return
                if coming in done:
                    yield transport.encode_next(cast("GraphQLHTTPResponse", coming.result()), _encoded)
                    coming = asyncio.ensure_future(anext(results))
                else:
                    yield transport.heartbeat_message(_encoded)
        except StopAsyncIteration:
            yield transport.encode_complete()
        finally:
            caller.unfollow(revoked.set)
            for task in (coming, *stops):
                task.cancel()
            try:
                await asyncio.gather(coming, return_exceptions=True)
            finally:  # Starlette cancels each wait of a response whose client is gone
                await results.aclose()


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _encoded(result: object) -> str:
    return json_of(cast("ExecutionResult", result))
