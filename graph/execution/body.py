"""The body of a request."""

from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from graph.execution.turns import WorkerThread

__all__ = ["LONG", "Body", "json_value"]

LONG = 128 * 2**10
"""Bytes of JSON that are parsed in about a millisecond."""


class Body:
    """The body of a request, read and parsed when it is first needed, and once."""

    __slots__ = ("_limit", "_parsed", "_raw", "_receive", "_worker")

    def __init__(self, receive: Receive, limit: int, worker: WorkerThread | None = None) -> None:
        """`worker`: needed for `json`."""
        self._receive = receive
        self._limit = limit
        self._worker = worker
        self._raw: bytes | None = None
        self._parsed: tuple[Any] | None = None

    async def read(self) -> bytes:
        """Its bytes. Raises HTTPException 413 where there are more than the limit, ClientDisconnect."""
        pieces: list[bytes] = []
        length = 0
        while self._raw is None:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            pieces.append(message.get("body", b""))
            length += len(pieces[-1])
            if length > self._limit:
                raise HTTPException(413, f"The body is longer than {self._limit} bytes.")
            if not message.get("more_body", False):
                self._raw = b"".join(pieces)
        return self._raw

    async def json(self) -> Any:
        """Its value as JSON. Raises as `json_value` and `read`."""
        if self._parsed is None:
            assert self._worker is not None
            self._parsed = (await json_value(await self.read(), self._worker),)
        return self._parsed[0]

    def release(self) -> None:
        """Forget it, once the request is answered: a stream would keep it for as long as it is open."""
        self._parsed, self._raw = None, b""
        del self._receive


async def json_value(text: bytes, worker: WorkerThread) -> Any:
    """The value of a text of JSON.

    Raises orjson.JSONDecodeError, also for NaN and lone surrogates; GraphQLError where a long one takes too long.
    """
    return orjson.loads(text) if len(text) <= LONG else await worker.run(orjson.loads, text)
