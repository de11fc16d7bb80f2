"""Disks that are full: SQLite says so where a store is written, but not where it is only to be opened."""

import os
import sqlite3
from errno import EDQUOT, ENOSPC
from pathlib import Path

from models.copying import is_of

__all__ = ["is_full_disk"]

NEEDED = 64 * 1024
"""Bytes that SQLite needs beside a store to open it, and some to spare."""


def is_full_disk(error: BaseException, file: Path) -> bool:
    """Whether an error is that there is no room left for a file, or for what is kept beside it."""
    if isinstance(error, OSError):
        return error.errno in {ENOSPC, EDQUOT}
    return is_of(error, sqlite3.SQLITE_FULL) or (is_of(error, sqlite3.SQLITE_IOERR) and _room_beside(file) < NEEDED)


def _room_beside(file: Path) -> int:
    disk = os.statvfs(file.absolute().parent)
    return disk.f_bavail * disk.f_frsize
