"""Whether a database in SQLite is one of ours, and of which version."""

import sqlite3

from models.store.backend import APP

__all__ = ["count_jobs", "has_tokens_table", "migrations_in", "tables_in"]


def tables_in(connection: sqlite3.Connection) -> set[str]:
    """The names of all tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def migrations_in(connection: sqlite3.Connection) -> set[str]:
    """The names of the migrations that made it; none where it is no database of ours."""
    if not tables_in(connection) >= {"tortoise_migrations", "job", "metric"}:
        return set()
    applied = connection.execute("SELECT app, name FROM tortoise_migrations").fetchall()
    is_ours = {app for app, _ in applied} == {APP}  # others use Tortoise too, and name their first migration as we do
    return {name for _, name in applied} if is_ours else set()


def has_tokens_table(connection: sqlite3.Connection) -> bool:
    """Whether it is of a version that knew tokens."""
    return "token" in tables_in(connection)


def count_jobs(connection: sqlite3.Connection) -> int:
    """How many jobs there are."""
    count: int = connection.execute("SELECT count(*) FROM job").fetchone()[0]
    return count
