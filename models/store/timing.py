"""How long statements take, told to whoever wants to know."""

from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.store.reader import Timed

__all__ = ["time_statements"]


def time_statements(client: BaseDBAsyncClient, timed: Timed) -> None:
    """Time what is asked through Tortoise's client: with the wait for a connection, for as long as it is held."""
    acquire: Callable[[], Any] = client.acquire_connection

    def acquire_timed() -> _TimedConnection:
        return _TimedConnection(acquire(), timed)

    client.acquire_connection = acquire_timed  # type: ignore[assignment,method-assign]  # the one place that all statements pass


class _TimedConnection:
    """A connection, held for as long as the context is open."""

    __slots__ = ("_began", "_connection", "_timed")

    def __init__(self, connection: Any, timed: Timed) -> None:
        self._connection = connection
        self._timed = timed

    async def __aenter__(self) -> Any:
        self._began = perf_counter()
        try:
            return await self._connection.__aenter__()
        except BaseException:
            self._timed(perf_counter() - self._began)
            raise

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        try:
            return await self._connection.__aexit__(type, value, traceback)
        finally:
            self._timed(perf_counter() - self._began)
