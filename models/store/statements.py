"""What is asked of a store, free of I/O: statements, the work of a verb made of them, and what reads rows."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from models.store.errors import Damaged

Row = tuple[Any, ...]
Timed = Callable[[float], object]
"""Is called with the seconds that something took."""


class Query(NamedTuple):
    """A statement, with a ? for each parameter.

    What changes is a parameter, for stores plan each text once, and PostgreSQL one without parameters for good.
    """

    sql: str
    parameters: Sequence[Any] = ()
    locks: bool = False
    """Whether no other transaction may change the rows until this one ends. Of a SELECT, in the work of a verb."""


class Insert(NamedTuple):
    """Rows for a table. It returns no rows."""

    table: str
    shared: Mapping[str, Any]
    """The columns that have one value in all of the rows."""
    columns: tuple[str, ...]
    rows: Sequence[Row]
    """The values of the other columns."""
    rest: str = ""
    """What follows the values."""


Statement = Query | Insert
Result = TypeVar("Result")
Work = Generator[Statement | None, list[Row], Result]
"""Yields statements, is sent their rows, and returns a result. What it raises undoes all of them.

None is a break, in which others on the event loop have a turn.
"""


class Reader(Protocol):
    """A store that can be read."""

    damage: Damaged | None
    """The last damage that a query met."""

    def version(self) -> int | None:
        """A number that is another after every commit of any process; None where only a query could say.

        What was read since it became this number is still so. Raises StoreFailure.
        """

    async def rows(self, query: Query, *, in_thread: bool = False) -> list[Row]:
        """The rows of a query. Raises StoreFailure.

        `in_thread`: for a query that reads much; SQLite runs any other on the event loop, where it takes microseconds.
        """

    async def close(self) -> None:
        """Disconnect."""


async def run(work: Work[Result], ask: Callable[[Statement], Awaitable[list[Row]]]) -> Result:
    """What the work returns when it is given the rows that `ask` returns."""
    try:
        statement = next(work)
        while True:
            if statement is None:
                await asyncio.sleep(0)
            statement = work.send(await ask(statement) if statement else [])
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()
