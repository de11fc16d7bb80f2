"""Restores: all or nothing, of stores only, and no revoked token is accepted again."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from models.backup.restore import restore
from models.store.errors import StoreError
from tests.tools.old_stores import make_store
from tests.tools.process import ServerProcess, command, here
from tests.tools.stores import (
    add_token,
    backed_up,
    damage_table,
    enlarge,
    is_whole,
    job_names,
    names_in,
    refused,
    room_for,
    rows,
    run,
    succeeded,
    token_states,
    umask,
    url_of,
)
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("PostgreSQL has pg_restore")

KILLED = """
import os, signal, sys
from pathlib import Path
from models.backup.restore import restore

copy, store, last, times = sys.argv[1:]
left = int(times)

def step(name):
    global left
    if name == last:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

restore(Path(copy), Path(store), step, replace=True)
"""
"""A restore that is killed at the n-th report of a step."""


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A backup of the store, which has changed since."""
    copy = backed_up(store, tmp_path / "copy.sqlite3")
    run(store, "UPDATE job SET name = 'changed'")
    return copy


@pytest.mark.parametrize("is_there", [False, True], ids=["missing", "empty"])
def test_where_there_is_nothing_a_store_is_made(copy: Path, tmp_path: Path, is_there: bool) -> None:
    elsewhere = tmp_path / "elsewhere.sqlite3"
    if is_there:
        elsewhere.touch(0o600)
    with umask(0):
        said = succeeded("restore", copy, elsewhere)
    assert said == f"restored 2 jobs from {copy}; there never was a token, so everyone is let in\n"
    assert job_names(elsewhere) == ["run", "run"]
    assert elsewhere.stat().st_mode & 0o777 == 0o600


def test_jobs_are_replaced_only_with_replace(copy: Path, store: Path) -> None:
    said = refused("restore", copy, store)
    assert f"The database {store} has 2 jobs, which would be lost. Say so with --replace." in said
    assert job_names(store) == ["changed", "changed"]
    succeeded("restore", copy, store, "--replace")
    assert job_names(store) == ["run", "run"]


def test_a_link_to_the_store_and_its_mode_are_kept(copy: Path, store: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite3"
    link.symlink_to(store)
    store.chmod(0o640)
    succeeded("restore", copy, link, "--replace")
    assert link.is_symlink()
    assert store.stat().st_mode & 0o777 == 0o640
    assert job_names(store) == ["run", "run"]


def test_a_store_that_a_server_uses_is_refused(copy: Path, store: Path) -> None:
    with ServerProcess(url_of(store)):
        said = refused("restore", copy, store, "--replace")
    assert f"The database {store} is in use. Stop what serves it, and try again." in said
    assert job_names(store) == ["changed", "changed"]


@pytest.mark.parametrize("linked", [Path.hardlink_to, Path.symlink_to], ids=["hard", "symbolic"])
def test_a_store_is_not_restored_from_itself(store: Path, tmp_path: Path, linked: Callable[[Path, Path], None]) -> None:
    linked(same := tmp_path / "same.sqlite3", store)
    assert f"{same} is the database itself, not a backup of it." in refused("restore", same, store, "--replace")
    assert job_names(store) == ["run", "run"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_text("no database at all, but some text"), "file is not a database"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4096] + b"\xff" * 4096), "is damaged: [^\n]*$"),
        (lambda path: path.unlink(), "There is no file"),
        (
            lambda path: run(path, "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', 'z', 0)"),
            "of a newer version of training-monitor .it has z.: upgrade",
        ),
        (lambda path: run(path, "UPDATE tortoise_migrations SET app = 'blog'"), "is not a backup of training-monitor"),
        (lambda path: run(path, "DROP TABLE job"), "is not a backup of training-monitor"),
    ],
    ids=["text", "empty", "torn", "missing", "newer", "of another program", "without jobs"],
)
def test_what_is_not_a_backup_changes_nothing(
    copy: Path, store: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(copy)
    with pytest.raises(StoreError, match=message):
        restore(copy, store, lambda _: None, replace=True)
    assert job_names(store) == ["changed", "changed"]
    assert names_in(tmp_path, but="copy") == ["store.sqlite3"]


@pytest.mark.parametrize(
    "content",
    [lambda _: bytes(8192), lambda store: store[: len(store) // 2], lambda store: b"\xff" * 4096 + store[4096:]],
    ids=["zeros", "a truncated store", "a store without its first page"],
)
def test_a_file_that_cannot_be_read_as_a_store_is_left_as_it_is(
    copy: Path, store: Path, tmp_path: Path, content: Callable[[bytes], bytes]
) -> None:
    store.write_bytes(found := content(store.read_bytes()))
    assert "is damaged, or not a database. Move it away" in refused("restore", copy, store, "--replace")
    assert store.read_bytes() == found
    assert names_in(tmp_path) == ["copy.sqlite3", "store.sqlite3"]


def test_a_database_of_another_program_is_left_as_it_is(copy: Path, tmp_path: Path) -> None:
    blog = tmp_path / "blog.sqlite3"
    run(blog, "CREATE TABLE post (id INTEGER)")
    assert f"{blog} is not a database of training-monitor." in refused("restore", copy, blog, "--replace")
    run(blog, "INSERT INTO post VALUES (1)")


def test_a_store_whose_points_are_damaged_can_be_replaced(copy: Path, store: Path) -> None:
    damage_table(store, "metric")
    succeeded("restore", copy, store, "--replace")
    assert is_whole(store)
    assert job_names(store) == ["run", "run"]


@pytest.mark.parametrize(("ending", "is_there"), [("-wal", False), ("-journal", True)])
def test_what_is_left_of_a_store_is_not_mixed_into_another(
    copy: Path, store: Path, tmp_path: Path, ending: str, is_there: bool
) -> None:
    """SQLite would write a journal or a log into any database of its name."""
    store.unlink()
    if is_there:
        store.touch()
    left = tmp_path / f"store.sqlite3{ending}"
    left.write_text("of the other one")
    assert f"{left} is left of another database. Move it away" in refused("restore", copy, store, "--replace")
    assert left.read_text() == "of the other one"


@pytest.mark.parametrize(
    ("is_there", "more"),
    [(False, -4096), (True, -4096), (True, 4096)],
    ids=["the first", "while it is copied", "while it is put in place"],
)
def test_one_that_cannot_write_changes_nothing(store: Path, tmp_path: Path, is_there: bool, more: int) -> None:
    enlarge(store)
    copy = backed_up(store, tmp_path / "copy.sqlite3")
    target = store if is_there else tmp_path / "elsewhere.sqlite3"
    before = names_in(tmp_path)
    with room_for(copy.stat().st_size + more):
        said = refused("restore", copy, target, "--replace")
    assert f"Cannot restore {target} from {copy}: " in said
    assert names_in(tmp_path) == before
    assert job_names(store) == ["run", "run"]


@pytest.mark.parametrize(
    ("last", "times", "left"),
    [("Replacing", 1, "changed"), ("Replacing", 2, "changed"), ("Replacing", 4, "run")],
)
def test_one_that_is_killed_leaves_the_store_as_it_was_or_as_it_was_to_be(
    store: Path, tmp_path: Path, last: str, times: int, left: str
) -> None:
    """And perhaps a temporary file."""
    enlarge(store)
    copy = backed_up(store, tmp_path / "copy.sqlite3")
    run(store, "UPDATE job SET name = 'changed'")
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(copy), str(store), last, str(times)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert is_whole(store)
    assert job_names(store) == [left, left]
    succeeded("restore", copy, store, "--replace")
    assert job_names(store) == ["run", "run"]


class TestTokens:
    @pytest.fixture
    def copy(self, store: Path, tmp_path: Path) -> Path:
        """A backup with the tokens one and two; in the store, two is revoked since, and three is new."""
        for digest in ("one", "two"):
            add_token(store, digest)
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE token SET revoked_at = '2026-02-02' WHERE digest = 'two'")
        add_token(store, "three")
        return copy

    def test_revoked_since_stay_so_and_those_made_since_are_revoked(self, copy: Path, store: Path) -> None:
        said = succeeded("restore", copy, store, "--replace")
        assert said == f"restored 2 jobs from {copy}; 1 of its tokens lets someone in\n"
        assert token_states(store) == [("one", False), ("two", True), ("three", True)]
        assert rows(store, "SELECT revoked_at FROM token ORDER BY id")[:2] == [(None,), ("2026-02-02",)]

    def test_revoked_in_the_backup_stay_so(self, store: Path, tmp_path: Path) -> None:
        add_token(store, "one")
        run(store, "UPDATE token SET revoked_at = '2026-02-02'")
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE token SET revoked_at = NULL")
        assert "; none of its tokens lets anyone in" in succeeded("restore", copy, store, "--replace")
        assert token_states(store) == [("one", True)]

    def test_of_a_backup_are_as_they_were_where_there_is_nothing(self, copy: Path) -> None:
        elsewhere = copy.with_name("elsewhere.sqlite3")
        assert "; 2 of its tokens let someone in" in succeeded("restore", copy, elsewhere)
        assert token_states(elsewhere) == [("one", False), ("two", False)]

    def test_begin_no_session_again_that_has_ended(self, copy: Path, store: Path) -> None:
        run(copy, "INSERT INTO session (token_id, digest, created_at) VALUES (1, 'signed out since', '2026-01-01')")
        succeeded("restore", copy, store, "--replace")
        assert rows(store, "SELECT * FROM session") == []

    def test_are_lost_only_with_replace(self, copy: Path, store: Path) -> None:
        run(store, "DELETE FROM job")
        assert f"The database {store} has 3 tokens, which would be lost." in refused("restore", copy, store)
        assert token_states(store) == [("one", False), ("two", True), ("three", False)]

    async def test_keep_a_store_closed_though_the_backup_has_none(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        made = command("token", "create", "--name", "a", "--scope", "write", "--database-url", url_of(store))
        secret = made.stdout.splitlines()[-1]
        assert "; none of its tokens lets anyone in" in succeeded("restore", copy, store, "--replace")
        with ServerProcess(url_of(store)) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
                for headers in ({}, {"Authorization": f"Bearer {secret}"}):
                    answer = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
                    assert answer.status_code == 401

    def test_are_not_lost_to_a_backup_of_a_version_without_tokens(
        self, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = tmp_path / "old.sqlite3"
        asyncio.run(make_store(url_of(old), "0002", monkeypatch))
        copy = backed_up(old, tmp_path / "copy.sqlite3")
        assert "there never was a token" in succeeded("restore", copy, store, "--replace")
        assert here("migrate", "--database-url", url_of(store)).returncode == 0
        add_token(store, "one")
        said = refused("restore", copy, store, "--replace")
        assert f"training-monitor migrate --database-url {url_of(copy)}" in said
        assert here("migrate", "--database-url", url_of(copy)).returncode == 0
        succeeded("restore", copy, store, "--replace")
        assert token_states(store) == [("one", True)]
