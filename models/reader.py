"""Reading rows as they are, for those who know which columns they want."""

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Reader", "Row"]

Row = tuple[Any, ...]


class Reader(Protocol):
    """A store that can be read."""

    def version(self) -> int | None:
        """A number that is another after every commit, whoever made it; None where that cannot be told at once.

        What was read since it became this number is still so.
        """

    async def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, with a ? for each parameter. Raises what `models.database.OUTAGES` names."""

    def close(self) -> None:
        """Disconnect."""
