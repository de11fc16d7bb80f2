"""The file of a store: who may read it, and what is not taken for a new one."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from models.store.database import Database
from models.store.errors import StoreError
from models.token import Scope
from models.tokens import Tokens
from tests.tools.process import here
from tests.tools.stores import run, umask, url_of

pytestmark = pytest.mark.sqlite_alone("PostgreSQL's files are its own")


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Path:
    """A store with a token."""
    path = tmp_path / "store.sqlite3"
    path.write_bytes(migrated.read_bytes())
    run(path, "INSERT INTO token (name, scope, digest, created_at) VALUES ('a', 'READ', 'x', '2026-01-01')")
    return path


def modes_in(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


async def test_a_new_store_and_what_is_beside_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    with umask(0):
        async with Database(url_of(tmp_path / "store.sqlite3")) as database:
            await Tokens(database).create("a", Scope.READ)
            modes = modes_in(tmp_path)
    assert modes == dict.fromkeys(["store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"], 0o600)


async def test_the_mode_of_a_store_that_is_there_is_left_to_its_owner(store: Path) -> None:
    store.chmod(0o640)  # noqa: ASYNC240  # takes no time
    async with Database(url_of(store)):
        assert modes_in(store.parent)["store.sqlite3-wal"] == 0o640


@pytest.mark.parametrize("arguments", [["serve", "--port", "0"], ["migrate"], ["token", "list"]], ids=" ".join)
def test_an_empty_file_is_not_a_new_store(store: Path, arguments: list[str]) -> None:
    """Or else a store that was truncated would be served again, open to everyone."""
    store.write_bytes(b"")
    beside = store.with_name("store.sqlite3-wal")
    beside.write_bytes(b"of the store")
    ended = here(*arguments, "--database-url", url_of(store))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"training-monitor: The database {store} is an empty file. Restore a backup of it, or remove the file to begin "
        "with a new one.\n"
    )
    assert (store.stat().st_size, beside.read_bytes()) == (0, b"of the store")


@pytest.mark.parametrize(
    "left",
    [lambda size: 1, lambda size: 4096, lambda size: size - 4096],
    ids=["a byte", "a page", "all but a page"],
)
def test_a_truncated_store_is_refused(store: Path, left: Callable[[int], int]) -> None:
    os.truncate(store, left(store.stat().st_size))
    with pytest.raises(StoreError, match="Restore a backup"):
        asyncio.run(Database(url_of(store)).open())
