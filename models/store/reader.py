"""Reading rows as they are, for those who know which columns they want."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Query", "Reader", "Row", "Timed"]

Row = tuple[Any, ...]
Timed = Callable[[float], object]
"""Is told the seconds that something took."""


class Query(NamedTuple):
    """A statement, with a ? for each parameter.

    What changes from one to the next is a parameter: the texts are few, so stores plan them once; and PostgreSQL keeps
    the plan of one without parameters for good, whatever its tables grow to.
    """

    sql: str
    parameters: Sequence[Any] = ()


class Reader(Protocol):
    """A store that can be read."""

    def version(self) -> int | None:
        """A number that is another after every commit, whoever made it; None where that cannot be told at once.

        What was read since it became this number is still so.
        """

    async def rows(self, query: Query) -> list[Row]:
        """The rows of a query. Raises what `models.store.database.OUTAGES` names."""

    def close(self) -> None:
        """Disconnect."""
