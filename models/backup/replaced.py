"""What a restore replaces: a store, what is left of one, or nothing. And what of it must not be forgotten."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.backup.copying import Progress, check_is_file, connected, copy_pages
from models.backup.damage import is_damage, was_database
from models.backup.partial import is_taken, leftovers_of, publish, put_over
from models.job import now
from models.store.backend import StoreError
from models.store.contents import count_jobs, has_tokens_table, migrations_in, tables_in
from models.store.sqlite_errors import is_of

__all__ = ["Replaced", "held", "keep_out"]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What is in the place of a store."""

    file: Path
    connection: sqlite3.Connection | None
    """The only one that has it, until it is closed; None where there is no database that can be read."""
    is_damaged: bool = False
    """Whether something is there, but no database that can be read."""
    jobs: int = 0
    tokens: tuple[dict[str, str], ...] = ()
    """Their columns, of all that were ever made."""

    def become(self, partial: Path, progress: Progress) -> None:
        """Put a whole store in its place: all of it, or, where anything goes wrong, nothing."""
        if self.connection is not None:
            # Not by another file: whoever opened this one meanwhile, and waits, would write to what is there no more.
            with connected(partial) as source:
                copy_pages(source, self.connection, "Replacing", progress)
        elif self.is_damaged:
            put_over(partial, self.file)
        else:
            publish(partial, self.file)


@contextlib.contextmanager
def held(store: Path) -> Iterator[Replaced]:
    """What is in the place of a store, kept from others. Raises StoreError where it is in use, or somebody else's."""
    file = Path(os.path.realpath(store))  # where it is a link, that stays one
    with contextlib.ExitStack() as stack:
        if not is_taken(file):
            replaced = Replaced(file, None, is_damaged=bool(leftovers_of(file)))
        else:
            check_is_file(file)
            if not was_database(file):
                raise StoreError(
                    f"{file} is no database: it does not begin like one of SQLite's, and nothing in or beside it tells "
                    "that it was one. Name another one, or remove it yourself."
                )
            try:
                replaced = _read(file, stack.enter_context(connected(file)))
            except (sqlite3.DatabaseError, UnicodeError) as error:
                stack.close()
                if is_of(error, sqlite3.SQLITE_BUSY):
                    message = f"The database {store} is in use. Stop what serves it, and try again."
                    raise StoreError(message) from error
                if not is_damage(error, file):
                    raise
                replaced = Replaced(file, None, is_damaged=True)
        yield replaced


def _read(file: Path, connection: sqlite3.Connection) -> Replaced:
    # What servers remember of it would be wrong. The lock is kept until the connection is closed, and what was written
    # is undone by whoever opens it next, unless it is all there.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("PRAGMA user_version = 0")  # where it cannot be written, the lock is none
    connection.execute("ROLLBACK")
    if not tables_in(connection):
        return Replaced(file, connection)
    if not migrations_in(connection):
        raise StoreError(f"{file} is no database of training-monitor. Name another one, or remove it yourself.")
    tokens: list[dict[str, str]] = []
    if has_tokens_table(connection):
        cursor = connection.execute("SELECT name, scope, digest, created_at, revoked_at FROM token ORDER BY id")
        names = [name for name, *_ in cursor.description]
        tokens = [dict(zip(names, row, strict=True)) for row in cursor]
    return Replaced(file, connection, jobs=count_jobs(connection), tokens=tuple(tokens))


def keep_out(connection: sqlite3.Connection, replaced: Replaced) -> None:
    """Let the tokens of a replaced store open the restored one only where both have them, and neither has revoked them.

    All are kept, revoked: a store that ever had a token must not become one that is open to everyone.
    """
    moment = str(now())
    connection.execute("BEGIN")
    for token in replaced.tokens:
        connection.execute(_KEEP_OUT, {**token, "now": moment})
    connection.execute("COMMIT")


_KEEP_OUT = """
INSERT INTO token (name, scope, digest, created_at, revoked_at)
VALUES (:name, :scope, :digest, :created_at, COALESCE(:revoked_at, :now))
ON CONFLICT (digest) DO UPDATE SET revoked_at = COALESCE(revoked_at, :revoked_at)
"""
