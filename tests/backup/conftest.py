"""A store to back up."""

import shutil
from pathlib import Path

import pytest

from tests.tools.stores import JOB, run


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Path:
    """A store with two jobs."""
    path = Path(shutil.copy(migrated, tmp_path / "store.sqlite3"))
    run(path, JOB, JOB)
    return path
