"""Damage to a database in SQLite: how it is told from a whole one, and from what never was one."""

import os
import sqlite3
import struct
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Thread

from models.backup.copying import Progress
from models.backup.partial import leftovers_of
from models.store.sqlite_errors import is_of

__all__ = ["damage_in", "is_damage", "was_database"]

DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What SQLite says of a damaged file; the last where its table of contents is what suffered."""
BEGINNING = b"SQLite format 3\0"
PAGE = 4096
"""Bytes, in every store of ours."""

WHERE = "*** in database main ***\n"
"""What SQLite begins with, though there is no other database."""
LOOK = 0.1
"""Seconds between two looks for a signal, where one came just before the wait began that it should have ended."""


def damage_in(connection: sqlite3.Connection, progress: Progress) -> str | None:
    """What is wrong with a database, in SQLite's words, or None where it is whole. All of it is read for that."""
    progress("Checking", 0, None)
    checked: Future[str] = Future()
    # In a thread, for it may take minutes: SQLite hears of no signals meanwhile, but does when it is interrupted.
    thread = Thread(target=_check, args=(connection, checked), daemon=True)
    try:
        thread.start()
        while not checked.done():
            wait([checked], LOOK)
    except BaseException:  # perhaps before the thread has begun
        while thread.ident and not checked.done():
            connection.interrupt()  # of which what has only just begun hears nothing
            wait([checked], LOOK)
        raise
    found = checked.result()
    return None if found == "ok" else found.removeprefix(WHERE)


def is_damage(error: Exception, file: Path) -> bool:
    """Whether what SQLite says of a file is that it is damaged."""
    # Its beginning also says whether it can be written: where that is what suffered, the file system knows better.
    is_closed = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY and os.access(file, os.W_OK)
    return is_closed or is_of(error, *DAMAGE)


def was_database(file: Path) -> bool:
    """Whether a file is a database, or what is left of one, and not something else.

    Either it is empty, or begins as they all do; or a part of one is beside it, which SQLite may mend it with; or its
    first page is lost, but the second looks like one of SQLite's: in our stores it is the root of a table or an index.
    To be asked before SQLite is, which may remove what is beside it.
    """
    with file.open("rb") as opened:
        first, second = opened.read(PAGE), opened.read(PAGE)
    return not first or first.startswith(BEGINNING) or bool(leftovers_of(file)) or _is_tree(second)


def _is_tree(page: bytes) -> bool:
    """Whether a page begins as those of b-trees do: a kind, and what is where, all of it within the page.

    Of what is not made to look so, one in millions does; and no text, which has greater numbers there.
    """
    if len(page) < PAGE:
        return False
    kind, first_gap, cells, their_start, scraps = struct.unpack_from(">BHHHB", page)
    return kind in {2, 5, 10, 13} and first_gap < PAGE and 8 + 2 * cells <= their_start <= PAGE and scraps <= 60


def _check(connection: sqlite3.Connection, checked: Future[str]) -> None:
    try:
        checked.set_result(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except Exception as error:  # noqa: BLE001  # whoever asked is told
        checked.set_exception(error)
