"""Copies of a store in SQLite, whole ones, and the way back.

Whatever happens on the way, a store and what has a backup's name are whole. What is half written is in a folder of its
own, see `models.backup.partial`, or beside a store in what SQLite undoes it with.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.backup.copying import Progress, connected, copy_pages, snapshot
from models.backup.damage import damage_in
from models.backup.partial import is_taken, leftovers_of, partial_beside, publish
from models.backup.replaced import Replaced, held, keep_out
from models.store.backend import StoreError
from models.store.contents import count_jobs, has_tokens_table, migrations_in
from models.store.database import known_migrations
from models.store.sqlite_errors import is_full_disk

__all__ = ["Restored", "backup", "restore"]


@dataclass(frozen=True, slots=True)
class Restored:
    """A store was made what a backup is."""

    jobs: int
    tokens: int
    """All that it knows, with those of the replaced store: while there is none, it is open to everyone."""
    valid: int
    """Those that let someone in; all of them are of the backup."""
    was_damaged: bool
    """Whether the replaced store could not be read, so that nobody knows which tokens were revoked in it."""


def backup(store: Path, copy: Path, progress: Progress) -> int:
    """Copy a store as it is at one moment, while others read and write it, and give how many jobs it has.

    The copy appears once it is whole, and checked. Raises StoreError where there is no store or no room, where the
    store is damaged, or where `copy`, or something that SQLite would take for a part of it, is there already.
    """
    with _failing(f"Cannot back up {store} to {copy}", copy):
        if copy.is_dir():
            raise StoreError(f"{copy} is a folder. Name a file in it, which is not there yet.")
        taken = [copy] if is_taken(copy) else leftovers_of(copy)
        if taken:
            raise _taken(taken[0])
        with partial_beside(copy) as partial:
            with snapshot(store) as source:
                if not migrations_in(source):
                    raise StoreError(f"{store} is no database of training-monitor.")
                _copy(source, partial, progress)
            with connected(partial) as copied:  # where it keeps no writer of the store from clearing up
                damage = damage_in(copied, progress)
                if damage:
                    raise StoreError(
                        f"The database {store} is damaged, so that no copy of it could be restored: {_line(damage)}. "
                        "Restore an earlier backup with --replace."
                    )
                jobs = count_jobs(copied)
            try:
                publish(partial, copy)
            except FileExistsError as error:
                raise _taken(copy) from error
            return jobs


def restore(copy: Path, store: Path, progress: Progress, *, replace: bool = False) -> Restored:
    """Make a store what a backup is, all of it or nothing.

    `replace`: although that loses jobs or tokens, or what is left of a damaged store. Raises StoreError where the
    backup is damaged, none of ours or of a newer version, or where the store is in use.
    """
    with _failing(f"Cannot restore {store} from {copy}", store):
        if copy.exists() and store.exists() and copy.samefile(store):
            raise StoreError(f"{copy} is the database itself, and no backup of it.")
        with snapshot(copy) as source:
            _check(source, copy, progress)
            with held(store) as replaced:
                if not replace:
                    _check_nothing_is_lost(replaced, store)
                if replaced.tokens and not has_tokens_table(source):
                    raise StoreError(
                        f"The backup {copy} is from before there were tokens, and {store} has some to remember. Bring "
                        f"the backup up to date first: training-monitor migrate --database-url sqlite://{copy}"
                    )
                with partial_beside(replaced.file) as partial:
                    _copy(source, partial, progress)
                    restored = _remembering(partial, replaced)
                    replaced.become(partial, progress)
    return restored


def _check(source: sqlite3.Connection, copy: Path, progress: Progress) -> None:
    damage = damage_in(source, progress)
    if damage:
        raise StoreError(f"The backup {copy} is damaged: {_line(damage)}.")
    migrations = migrations_in(source)
    if not migrations:
        raise StoreError(f"{copy} is no backup of training-monitor.")
    newer = migrations - known_migrations()
    if newer:
        raise StoreError(
            f"The backup {copy} is of a newer version of training-monitor (it has {max(newer)}): upgrade "
            "training-monitor first."
        )


def _check_nothing_is_lost(replaced: Replaced, store: Path) -> None:
    if replaced.is_damaged:
        raise StoreError(f"The database {store} is damaged, or a part of it is missing. Replace it with --replace.")
    counts = ((replaced.jobs, "job"), (len(replaced.tokens), "token"))
    lost = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts if count]
    if lost:
        raise StoreError(f"The database {store} has {' and '.join(lost)}, which would be lost. Say so with --replace.")


def _copy(source: sqlite3.Connection, partial: Path, progress: Progress) -> None:
    with connected(partial) as target:
        copy_pages(source, target, "Copying", progress)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _remembering(partial: Path, replaced: Replaced) -> Restored:
    with connected(partial) as connection:
        tokens = valid = 0
        if has_tokens_table(connection):
            keep_out(connection, replaced)
            tokens, valid = connection.execute("SELECT count(*), count(*) - count(revoked_at) FROM token").fetchone()
        return Restored(count_jobs(connection), tokens, valid, was_damaged=replaced.is_damaged)


def _taken(file: Path) -> StoreError:
    return StoreError(f"There is a file {file} already. Name one that is not there: no backup is written over.")


@contextlib.contextmanager
def _failing(what: str, written: Path) -> Iterator[None]:
    """Inside, what the disk and SQLite refuse is told in one line."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError) as error:  # errors of SQLite may quote what is damaged
        reason = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
        if is_full_disk(error, written):
            reason = f"the disk of {written} is full. Make room there"
        raise StoreError(f"{what}: {_line(reason)}.") from error


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
