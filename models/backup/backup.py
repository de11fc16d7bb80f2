"""A backup: a copy of a store as it is at one moment, taken while servers write."""

import os
import sqlite3
from pathlib import Path

from models.backup.file import (
    Step,
    check_is_file,
    companions_of,
    copy_into,
    count_jobs,
    damage_in,
    opened,
    reported,
    sync,
    temporary_beside,
)
from models.store.errors import StoreError, is_of
from models.store.sqlite import migrations_in, tables_in


def backup(store: Path, copy: Path, step: Step) -> int:
    """Copy a store, check the copy, and return how many jobs it has.

    The copy is written to a temporary file beside its place and renamed when it is whole. Raises StoreError.
    """
    with reported(f"Cannot back up {store} to {copy}", copy):
        check_is_file(store)
        _check_is_free(copy)
        with opened(store) as source, temporary_beside(copy) as temporary:
            if not _can_be_shared(store):
                source.execute("PRAGMA locking_mode = EXCLUSIVE")
            if not migrations_in(source):
                raise StoreError(f"{store} is not a database of training-monitor.")
            step("Copying")
            copy_into(temporary, source)
            step("Checking")
            with opened(temporary) as copied:
                if damage := damage_in(copied):
                    what_to_do = "Move it away, and restore an earlier backup"
                    raise StoreError(f"The database {store} is damaged: {damage}. {what_to_do}.")
                jobs = count_jobs(copied)
            _check_is_free(copy)  # another backup may have taken the name meanwhile
            temporary.replace(copy)
            sync(copy.absolute().parent)
            return jobs


def _can_be_shared(store: Path) -> bool:
    """Whether there is room on the disk for the memory that processes share; a process that is alone needs none."""
    with opened(store) as connection:
        try:
            tables_in(connection)
        except sqlite3.OperationalError as error:
            if not is_of(error, sqlite3.SQLITE_IOERR):
                raise
            return False
    return True


def _check_is_free(copy: Path) -> None:
    taken = [copy] if os.path.lexists(copy) else companions_of(copy)
    if taken:
        raise StoreError(f"{taken[0]} already exists. Name a file that does not: no backup is written over.")
