"""Files that appear whole: they are written beside their place, in a folder of their own, and put there in the end.

Whoever is killed meanwhile leaves the folder behind. The next one who writes beside it removes it, and knows by a lock
those that are in use. The lock is on a file of its own: on some network file systems one on the database would keep
SQLite out of it.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE, S_ISDIR
from typing import IO

__all__ = ["is_taken", "leftovers_of", "move", "partial_beside", "publish", "put_over"]

BEGINNING, ENDING = "training-monitor-", ".partial"
"""Of the names of the folders."""
DATABASE = "database"
LOCK = "in-use"


def is_taken(file: Path) -> bool:
    """Whether the name is, if only by a link that leads nowhere. Raises OSError where none can have it."""
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    return True


def leftovers_of(file: Path) -> list[Path]:
    """What SQLite keeps beside a database, and would take for a part of it, as far as it is there."""
    return [beside for beside in _companions(file) if os.path.lexists(beside)]


@contextlib.contextmanager
def partial_beside(file: Path) -> Iterator[Path]:
    """A new file on the same disk, which nobody but its owner may read. What is not published is gone in the end."""
    _sweep(file.parent)
    folder, lock = _own_folder(file.parent)
    try:
        partial = folder / DATABASE
        partial.touch(0o600)
        yield partial
    finally:
        _remove(folder, lock)


def publish(partial: Path, file: Path) -> None:
    """Give it its name. Raises FileExistsError where that is taken, if only since a moment ago."""
    _settle(partial)
    try:
        file.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # mostly: this file system has no hard links
        move(partial, file)
    _settle(file.parent)


def move(partial: Path, file: Path) -> None:
    """As `publish`, where a file can have one name only. Whoever is killed in between leaves an empty one."""
    file.touch(0o600, exist_ok=False)  # whoever else wants the name finds it taken
    try:
        partial.replace(file)
    except OSError:
        file.unlink()
        raise


def put_over(partial: Path, file: Path) -> None:
    """Put it in the place of a damaged database, or of what is left of one."""
    if file.exists():  # who could use it still can, though another restores it
        before = file.stat()
        with contextlib.suppress(PermissionError):
            os.chown(partial, before.st_uid, before.st_gid)
        partial.chmod(S_IMODE(before.st_mode))
    _settle(partial)
    for leftover in leftovers_of(file):  # first: SQLite would write them into what comes
        leftover.unlink()
    partial.replace(file)
    _settle(file.parent)


def _own_folder(beside: Path) -> tuple[Path, IO[bytes]]:
    """A new folder, and the lock that tells that it is in use until it is closed."""
    while True:
        folder = Path(tempfile.mkdtemp(ENDING, BEGINNING, beside))
        with contextlib.suppress(FileNotFoundError):  # swept, before anything told that it is in use
            lock = (folder / LOCK).open("xb")
            with contextlib.suppress(OSError):  # where nothing can be locked, nothing is swept either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / LOCK).exists():
                return folder, lock
            lock.close()


def _sweep(beside: Path) -> None:
    """Remove what those have left who were killed."""
    for folder in beside.glob(f"{BEGINNING}*{ENDING}"):
        with contextlib.suppress(OSError):  # in use, or removed by another meanwhile
            about = folder.lstat()
            if not S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():  # others could lead us elsewhere
                continue
            try:
                lock = (folder / LOCK).open("r+b")
            except FileNotFoundError:  # it is empty then
                folder.rmdir()
                continue
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder, lock)


def _remove(folder: Path, lock: IO[bytes]) -> None:
    with lock:
        database = folder / DATABASE
        for own in (database, *_companions(database), folder / LOCK):  # the lock last: without one it must be empty
            own.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another sweeps it
        folder.rmdir()


def _companions(file: Path) -> list[Path]:
    return [Path(f"{file}{ending}") for ending in ("-journal", "-wal", "-shm")]


def _settle(path: Path) -> None:
    """Return once the file, or the folder's list of files, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
