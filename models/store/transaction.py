"""What a verb asks of the store, free of I/O: statements, and what follows from their rows.

A verb's work is written once, as a generator; each kind of store runs it its own way, in a transaction.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from models.store.reader import Query, Row

__all__ = ["Insert", "Statement", "Work", "Writer", "run"]


class Insert(NamedTuple):
    """Rows for a table. It has no rows for an answer."""

    table: str
    shared: Mapping[str, Any]
    """The columns that have one value in all of the rows."""
    columns: tuple[str, ...]
    rows: Sequence[Row]
    """The values of the other columns."""


Statement = Query | Insert
Result = TypeVar("Result")
Work = Generator[Statement, list[Row], Result]
"""Yields statements, is sent their rows, and returns a result. What it raises undoes all of them."""


class Writer(Protocol):
    """Runs the work of verbs, each in a transaction, or in what is as good as one."""

    async def write(self, begin: Callable[[], Work[Result]], committed: Callable[[Result], None]) -> Result:
        """What the work that `begin` begins returns, once it is committed; `committed` is called with it first.

        It is called in the order of the commits. A work may be begun again where a transaction was lost through no
        fault of its own. Raises what the work raises, and StoreFailure.
        """

    async def close(self) -> None:
        """Let the works under way finish, then disconnect."""


async def run(work: Work[Result], ask: Callable[[Statement], Awaitable[list[Row]]]) -> Result:
    """What the work returns when it is given the rows that `ask` returns."""
    try:
        statement = next(work)
        while True:
            statement = work.send(await ask(statement))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()
