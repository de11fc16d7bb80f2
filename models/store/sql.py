"""SQL as text, for tables and columns that are ours: values are always bound."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import count


def names(columns: Iterable[str]) -> str:
    """The columns, quoted and separated."""
    return ", ".join(f'"{column}"' for column in columns)


def places(values: Collection[object]) -> str:
    """A place for each value, separated."""
    return ", ".join("?" * len(values))


def select(table: str, columns: Iterable[str], rest: str = "") -> str:
    """SELECT; `rest`: what follows the table's name."""
    return f'SELECT {names(columns)} FROM "{table}" {rest}'.rstrip()  # noqa: S608  # names of ours


@lru_cache(64)
def insert(table: str, columns: Sequence[str], *, shared: Sequence[str] = (), rows: int = 1, rest: str = "") -> str:
    """INSERT of several rows; `rest`: what follows the values.

    The values of the `shared` columns are bound once for all rows, before those of the others.
    """
    together = "".join(f"?{number}, " for number in range(1, len(shared) + 1))
    numbers = count(len(shared) + 1)
    values = (f"({together}{', '.join(f'?{next(numbers)}' for _ in columns)})" for _ in range(rows))
    return f'INSERT INTO "{table}" ({names((*shared, *columns))}) VALUES {", ".join(values)} {rest}'.rstrip()  # noqa: S608  # names of ours


def update(table: str, columns: Iterable[str], where: str, returning: Iterable[str] = ()) -> str:
    """UPDATE of the rows for which `where` is true."""
    changes = ", ".join(f'"{column}" = ?' for column in columns)
    given = f" RETURNING {names(returning)}" if returning else ""
    return f'UPDATE "{table}" SET {changes} WHERE {where}{given}'  # noqa: S608  # names of ours
