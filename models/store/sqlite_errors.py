"""Why SQLite failed: result codes, and the full disk that it does not always report as such."""

import os
import sqlite3
from errno import EDQUOT, ENOSPC
from pathlib import Path

__all__ = ["is_full_disk", "is_of"]

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


def is_of(error: BaseException, *codes: int) -> bool:
    """Whether SQLite gave one of the codes as the reason. Python gives none where it cannot decode what it got."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in codes
