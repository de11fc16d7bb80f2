"""The edge between the store and the database system that keeps it: what differs from one to the next."""

from typing import Any, Protocol

from tortoise.backends.base.client import BaseDBAsyncClient

from models.store.reader import Reader, Timed
from models.store.transaction import Writer

__all__ = ["APP", "CONNECTION", "Backend", "StoreError"]

APP = "models"
"""What Tortoise calls us, where it notes which migrations were applied."""

CONNECTION = "default"
"""What Tortoise calls the connection to the store."""


class StoreError(Exception):
    """The store cannot be used as it is. The message says why, in one line, and what to do."""


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

    async def migrating(self, connection: BaseDBAsyncClient) -> BaseDBAsyncClient:
        """Wait, in a transaction, until no other process migrates, and keep others from it until the transaction ends.

        Gives the client that runs scripts inside the transaction.
        """

    def reader(self, timed: Timed) -> Reader:
        """The quickest way to rows, once the store is open; whoever asked for it closes it.

        `timed` is told of what it asks past Tortoise's client.
        """

    def writer(self) -> Writer:
        """What runs the work of verbs, once the store is open; whoever asked for it closes it."""

    async def place(self, connection: BaseDBAsyncClient) -> str:
        """Where the store is, in words that no copy of it shares."""

    def why_not_opened(self, error: Exception) -> str:
        """One line for people: what went wrong, and what to do."""
