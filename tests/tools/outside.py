"""Somebody else at the store: past the product, with a connection of their own."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}
HOLD = {"sqlite": "BEGIN IMMEDIATE", "postgres": "BEGIN; LOCK TABLE job, metric, curve_chunk IN EXCLUSIVE MODE"}
"""What keeps others from writing, and lets them read."""

SAYS = {
    "sqlite": {"gone": "no such table: metric", "locked": "database is locked"},
    "postgres": {"gone": 'relation "metric" does not exist', "locked": "canceling statement due to statement timeout"},
}
"""What a log has of a table that is gone, and of a writer that waited in vain."""


def path_of(url: str) -> str:
    """The file of a store in SQLite."""
    return url.removeprefix("sqlite://").partition("?")[0]


class Outside:
    """A connection to the store at an address; each statement is its own transaction."""

    def __init__(self, url: str) -> None:
        self.system = url.partition("://")[0]
        is_new = self.system == "sqlite" and not Path(path_of(url)).exists()
        self._connection: Any = (
            sqlite3.connect(path_of(url), isolation_level=None)
            if self.system == "sqlite"
            else psycopg.connect(url, autocommit=True)
        )
        if is_new:
            self.execute("PRAGMA user_version = 0")  # a database without tables, not an empty file

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement with a ? for each value, and give its rows."""
        if self.system != "sqlite" and values:
            statement = statement.replace("?", "%s")
        cursor = self._connection.execute(statement, *([values] if values else []))
        return list(cursor.fetchall()) if cursor.description else []

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows with the same columns, in one transaction."""
        columns = ", ".join(f'"{column}"' for column in rows[0])
        place = "?" if self.system == "sqlite" else "%s"
        statement = f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join([place] * len(rows[0]))})'
        self._connection.execute("BEGIN")
        self._connection.cursor().executemany(statement, [[*row.values()] for row in rows])
        self._connection.execute("COMMIT")

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        return [column[0] for column in self._connection.execute(f"SELECT * FROM {table} LIMIT 0").description]

    def says(self, trouble: str) -> str:
        """How this system puts it."""
        return SAYS[self.system][trouble]

    def tables(self) -> set[str]:
        """The names of the tables."""
        return {name for (name,) in self.execute(TABLES[self.system])}

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Inside, whoever else writes to the store must wait."""
        self._connection.execute(HOLD[self.system])
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")
