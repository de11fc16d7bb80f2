"""A restore: a store becomes what a backup is, and accepts no token that was revoked since."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from models.backup.file import (
    Step,
    check_is_file,
    companions_of,
    copy_into,
    count_jobs,
    damage_in,
    opened,
    reported,
    temporary_beside,
)
from models.job import now
from models.store.database import known_migrations
from models.store.errors import StoreError, is_of
from models.store.sqlite import migrations_in, tables_in

IN_USE_SECONDS = 1.0
"""How long to wait for another process to close the store."""
PAGES = 1000
"""Pages copied between two chances for Python to handle a signal."""


class Restored(NamedTuple):
    """A store that was restored."""

    jobs: int
    tokens: int
    """All tokens, with those of the replaced store: without any, every client has access."""
    valid: int
    """The tokens that are not revoked; all of them are of the backup."""


class _Replaced(NamedTuple):
    """The store that a restore replaces."""

    connection: sqlite3.Connection
    """Keeps every other process from the store until it is closed."""
    jobs: int = 0
    tokens: Sequence[tuple[str, ...]] = ()
    """(name, scope, digest, created_at, revoked_at) of all that were ever made."""


def restore(copy: Path, store: Path, step: Step, *, replace: bool = False) -> Restored:
    """Make a store what a backup is, all of it or nothing. Raises StoreError.

    `replace`: also where jobs or tokens are lost.
    """
    with reported(f"Cannot restore {store} from {copy}", store):
        check_is_file(copy)
        if store.exists() and copy.samefile(store):
            raise StoreError(f"{copy} is the database itself, not a backup of it.")
        with opened(copy) as source:
            _check_backup(source, copy, step)
            with _held(store) as replaced:
                if not replace:
                    _check_nothing_is_lost(replaced, store)
                if replaced.tokens and "token" not in tables_in(source):
                    raise StoreError(
                        f"The backup {copy} is of a version without tokens, and {store} has tokens. Bring the backup "
                        f"up to date first: training-monitor migrate --database-url sqlite://{copy}"
                    )
                with temporary_beside(Path(os.path.realpath(store))) as temporary:
                    step("Copying")
                    copy_into(temporary, source)
                    with opened(temporary) as restored:
                        result = _revoke_again(restored, replaced.tokens)
                        step("Replacing")
                        # Not by a rename: a process that waits for the lock would go on with the file it has open.
                        restored.backup(replaced.connection, pages=PAGES, progress=lambda *_: step("Replacing"))
    return result


def _check_backup(source: sqlite3.Connection, copy: Path, step: Step) -> None:
    step("Checking")
    if damage := damage_in(source):
        raise StoreError(f"The backup {copy} is damaged: {damage}.")
    migrations = migrations_in(source)
    if not migrations:
        raise StoreError(f"{copy} is not a backup of training-monitor.")
    if newer := migrations - known_migrations():
        version = f"a newer version of training-monitor (it has {max(newer)})"
        raise StoreError(f"The backup {copy} is of {version}: upgrade training-monitor first.")


def _check_nothing_is_lost(replaced: _Replaced, store: Path) -> None:
    counts = ((replaced.jobs, "job"), (len(replaced.tokens), "token"))
    if lost := [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts if count]:
        raise StoreError(f"The database {store} has {' and '.join(lost)}, which would be lost. Say so with --replace.")


@contextlib.contextmanager
def _held(store: Path) -> Iterator[_Replaced]:
    """The store, kept from every other process; made where there is none, and removed again if the restore fails."""
    file = Path(os.path.realpath(store))  # a link to it stays a link
    is_new = not file.exists()
    if is_new or not file.stat().st_size:
        if left := companions_of(file):  # SQLite would write them into what is restored
            raise StoreError(f"{left[0]} is left of another database. Move it away, and restore again.")
        file.touch(0o600)
    else:
        check_is_file(file)
    try:
        with opened(file, IN_USE_SECONDS) as connection:
            yield _read(connection, file)
    except BaseException:
        if is_new:
            file.unlink(missing_ok=True)
        raise


def _read(connection: sqlite3.Connection, file: Path) -> _Replaced:
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # kept until the connection is closed
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("PRAGMA user_version = 0")  # raises here where the file cannot be written
        connection.execute("ROLLBACK")
        if not tables_in(connection):
            return _Replaced(connection)
        if not migrations_in(connection):
            raise StoreError(f"{file} is not a database of training-monitor. Name another one, or move it away.")
        tokens = connection.execute(_TOKENS).fetchall() if "token" in tables_in(connection) else ()
        return _Replaced(connection, count_jobs(connection), tokens)
    except (sqlite3.DatabaseError, UnicodeError) as error:
        if is_of(error, sqlite3.SQLITE_BUSY):
            raise StoreError(f"The database {file} is in use. Stop what serves it, and try again.") from error
        if is_of(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreError(
                f"{file} is damaged, or not a database. Move it away with what is beside it, and restore again."
            ) from error
        raise


def _revoke_again(restored: sqlite3.Connection, tokens: Sequence[tuple[str, ...]]) -> Restored:
    """Leave valid only tokens that the backup and the replaced store have, and neither has revoked.

    All are kept, revoked: a store that ever had a token must not become one without access control.
    """
    if "token" not in tables_in(restored):
        return Restored(count_jobs(restored), 0, 0)
    moment = str(now())
    restored.execute("BEGIN")
    restored.executemany(_REVOKE_AGAIN, [(*token, moment) for token in tokens])
    if "session" in tables_in(restored):  # a browser that signed out since must not be signed in again
        restored.execute("DELETE FROM session")
    restored.execute("COMMIT")
    counts = restored.execute("SELECT count(*), count(*) - count(revoked_at) FROM token").fetchone()
    return Restored(count_jobs(restored), *counts)


_TOKENS = "SELECT name, scope, digest, created_at, revoked_at FROM token ORDER BY id"
_REVOKE_AGAIN = """
INSERT INTO token (name, scope, digest, created_at, revoked_at)
VALUES (?1, ?2, ?3, ?4, COALESCE(?5, ?6))
ON CONFLICT (digest) DO UPDATE SET revoked_at = COALESCE(revoked_at, ?5)
"""
