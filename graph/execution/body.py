"""The body of a request."""

from typing import Any

from cross_web import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from graph.execution.long_json import Loaded, loaded

__all__ = ["Body"]


class Body:
    """The body of a request, and what it says: read when it is asked for, and once, for a long one takes its time."""

    __slots__ = ("_limit", "_raw", "_receive", "_said")

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._raw: bytes | None = None
        self._said: Loaded | None = None

    async def read(self) -> bytes:
        """Its bytes. Raises HTTPException 413 where there are more than the limit, ClientDisconnect."""
        if self._raw is None:
            self._raw = await _received(self._receive, self._limit)
        return self._raw

    async def said(self) -> Any:
        """What it says in JSON; strictly: no NaN, no lone surrogates. Raises orjson.JSONDecodeError, and as `read`."""
        if self._said is None:
            self._said = await loaded(await self.read())
        return self._said.value

    def let_go(self) -> None:
        """Forget it, for when the request is answered: a stream would keep it for as long as it is open."""
        said, self._said, self._raw = self._said, None, b""
        del self._receive  # which leads back here, by the request
        if said is not None:
            said.let_go()


async def _received(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > limit:
            raise HTTPException(413, f"The body is longer than {limit} bytes.")
        if not message.get("more_body", False):
            return b"".join(pieces)
