"""Reading rows: the one way to what the store has."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from models.store.errors import Damaged

__all__ = ["Query", "Reader", "Row", "Timed"]

Row = tuple[Any, ...]
Timed = Callable[[float], object]
"""Is called with the seconds that something took."""


class Query(NamedTuple):
    """A statement, with a ? for each parameter.

    What changes from one to the next is a parameter: the texts are few, so stores plan them once; and PostgreSQL keeps
    the plan of one without parameters for good, whatever its tables grow to.
    """

    sql: str
    parameters: Sequence[Any] = ()
    locks: bool = False
    """Whether no other transaction may change the rows until this one ends. Of a SELECT, in the work of a verb."""


class Reader(Protocol):
    """A store that can be read."""

    damage: Damaged | None
    """The last damage that a query met."""

    def version(self) -> int | None:
        """A number that is another after every commit, whoever made it; None where only a query could say.

        What was read since it became this number is still so. Raises StoreFailure.
        """

    async def rows(self, query: Query, *, in_thread: bool = False) -> list[Row]:
        """The rows of a query. Raises StoreFailure.

        `in_thread`: for a query that reads much. On SQLite it is then run in a thread; any other is run at once, on the
        event loop, where it takes microseconds. On PostgreSQL no query holds up the event loop, and it makes no
        difference.
        """

    async def close(self) -> None:
        """Disconnect."""
