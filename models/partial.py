"""Files that appear whole: they are written beside their place, under a name of their own, and put there in the end."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

__all__ = ["is_taken", "leftovers_of", "move", "partial_beside", "publish", "put_over"]


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
    """A new file in the same folder, which nobody but its owner may read. What is not published is gone in the end."""
    descriptor, name = tempfile.mkstemp(".partial", "training-monitor-", file.parent)
    partial = Path(name)
    try:
        os.close(descriptor)
        yield partial
    finally:
        for own in (partial, *_companions(partial)):
            own.unlink(missing_ok=True)


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
    """As `publish`, where a file can have one name only."""
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


def _companions(file: Path) -> list[Path]:
    return [Path(f"{file}{ending}") for ending in ("-journal", "-wal", "-shm")]


def _settle(path: Path) -> None:
    """Return once the file, or the folder's list of files, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
