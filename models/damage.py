"""Damage to a database in SQLite: how a whole one is told from it."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait

from models.copying import Progress

__all__ = ["damage_in"]

WHERE = "*** in database main ***\n"
"""What SQLite begins with, though there is no other database."""
LOOK = 0.1
"""Seconds between two looks for a signal, where one came just before the wait began that it should have ended."""


def damage_in(connection: sqlite3.Connection, progress: Progress) -> str | None:
    """What is wrong with a database, in SQLite's words, or None where it is whole. All of it is read for that."""
    progress("Checking", 0, None)
    # In a thread, for it may take minutes: SQLite hears of no signals meanwhile, but does when it is interrupted.
    with ThreadPoolExecutor(1) as thread:
        checked = thread.submit(_check, connection)
        try:
            while not checked.done():
                wait([checked], LOOK)
        except BaseException:
            connection.interrupt()
            raise
    found = checked.result()
    return None if found == "ok" else found.removeprefix(WHERE)


def _check(connection: sqlite3.Connection) -> str:
    found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return found
