"""The edge between the store and the database system that keeps it: what differs from one to the next."""

from typing import Any, Protocol

from tortoise.backends.base.client import BaseDBAsyncClient

from models.store.statements import Reader, Timed, Writer

__all__ = ["APP", "CONNECTION", "Backend"]

APP = "models"
"""The name of our app in Tortoise's record of applied migrations."""

CONNECTION = "default"
"""Tortoise's name of the connection to the store."""


class Backend(Protocol):
    """One database system at one address."""

    probe: str
    """A statement that fails where the store cannot be written, and changes nothing."""
    shown: str
    """Where the store is, for people."""
    connection: dict[str, Any]
    """Tortoise's description of the connection, with our defaults beneath what the address says itself."""

    async def check(self) -> None:
        """Return if the store can be opened. Raises StoreError, or what `why_not_opened` explains."""

    async def migrating(self, client: BaseDBAsyncClient) -> BaseDBAsyncClient:
        """Wait, in a transaction, until no other process migrates, and keep others from it until the transaction ends.

        Returns the client that runs scripts inside the transaction.
        """

    def reader(self, client: BaseDBAsyncClient, timed: Timed) -> Reader:
        """The reader of the open store. `timed` is called with the seconds of each query."""

    def writer(self, client: BaseDBAsyncClient) -> Writer:
        """The writer of the open store."""

    async def place(self, reader: Reader) -> str:
        """An identifier of this physical store; copies of it have another. Raises StoreFailure."""

    def why_not_opened(self, error: Exception) -> str:
        """One line for people: what went wrong, and what to do."""
