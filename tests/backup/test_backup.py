"""Backups: whole copies of one moment, taken while servers write."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from models.backup.file import opened, reported
from models.store.errors import StoreError
from tests.tools.api import Api
from tests.tools.process import ServerProcess, command, here, on_a_terminal
from tests.tools.stores import (
    backed_up,
    damage_table,
    is_whole,
    job_names,
    names_in,
    refused,
    run,
    succeeded,
    umask,
    url_of,
)
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("PostgreSQL has pg_dump")

BATCH = 500
TERMINATED_WHILE_COPYING = """
import os, signal, sys

def kill(event, arguments):
    if event == "sqlite3.connect" and ".partial" in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(kill)
from graph.commands import main
main()
"""
"""The command line, which is sent SIGTERM when it opens its temporary file."""


async def test_a_backup_under_load_is_of_one_moment_and_a_server_goes_on_from_it(
    migrated: Path, tmp_path: Path
) -> None:
    """It has every point acknowledged before it began, and no gap."""
    path, copy = Path(shutil.copy(migrated, tmp_path / "store.sqlite3")), tmp_path / "copy.sqlite3"
    with ServerProcess(url_of(path)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http, asyncio.timeout(PATIENCE):
            api = Api(http)
            id = await api.started(epochs=100_000)
            acknowledged = 0

            async def log() -> None:
                nonlocal acknowledged
                points = [{"step": step, "loss": 1.0} for step in range(acknowledged, acknowledged + BATCH)]
                assert (await api.log(id, points))["recorded"] == BATCH
                acknowledged += BATCH

            while acknowledged < 5 * BATCH:
                await log()
            before = acknowledged
            backing_up = asyncio.create_task(
                asyncio.to_thread(command, "backup", str(copy), "--database-url", url_of(path))
            )
            while not backing_up.done():
                await log()
            ended = await backing_up
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"backed up 1 job to {copy}\n", "")
    assert acknowledged > before
    assert names_in(tmp_path, but="store") == ["copy.sqlite3"]
    with ServerProcess(url_of(copy)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            api = Api(http)
            count = (await api.job(id, "metricCount"))["metricCount"]
            assert before <= count <= acknowledged
            last = await api.job(id, f"metrics(after: {count - 1}) {{ seq step }}")
            assert last["metrics"] == [{"seq": count, "step": count - 1}]
            assert (await api.log(id, [{"step": count, "loss": 1.0}]))["recorded"] == 1
    assert is_whole(copy)


def test_it_is_for_its_owner_alone(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    with umask(0):
        assert succeeded("backup", copy, store) == f"backed up 2 jobs to {copy}\n"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert job_names(copy) == ["run", "run"]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        *((f"copy.sqlite3{ending}", Path.touch) for ending in ("", "-journal", "-wal", "-shm")),
        ("copy.sqlite3", lambda path: path.symlink_to("gone")),
    ],
)
def test_it_is_not_written_over_a_file_or_beside_one_that_sqlite_takes_for_a_part_of_it(
    store: Path, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / name)
    assert f"{tmp_path / name} already exists." in refused("backup", tmp_path / "copy.sqlite3", store)
    assert names_in(tmp_path) == [name, "store.sqlite3"]


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_one_that_is_terminated_leaves_no_file(verb: str, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    flags = ["--database-url", url_of(store)]
    if verb == "restore":
        backed_up(store, copy)
        run(store, "UPDATE job SET name = 'changed'")
        flags.append("--replace")
    before, names = names_in(tmp_path), job_names(store)
    ended = subprocess.run(
        [sys.executable, "-c", TERMINATED_WHILE_COPYING, verb, str(copy), *flags],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "")
    assert names_in(tmp_path) == before
    assert job_names(store) == names


def test_ctrl_c_interrupts_a_statement_of_sqlite(tmp_path: Path) -> None:
    """The statement has no other end."""
    begun = threading.Lock()
    begun.acquire()

    def interrupt() -> None:
        with begun:
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    endless = "WITH RECURSIVE n(i) AS (SELECT begin() UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
    with opened(tmp_path / "test.sqlite3") as connection:
        connection.create_function("begin", 0, begun.release)  # runs no Python, so no signal is handled in it
        with pytest.raises(KeyboardInterrupt), reported("Cannot do it", tmp_path):
            connection.execute(endless)


def test_a_damaged_store_has_no_backup(store: Path, tmp_path: Path) -> None:
    damage_table(store, "metric")
    assert "malformed" in refused("backup", tmp_path / "copy.sqlite3", store)
    assert names_in(tmp_path) == ["store.sqlite3"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: run(path, "CREATE TABLE post (id INTEGER)"), "is not a database of training-monitor"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda _: None, "There is no file"),
    ],
    ids=["of another program", "empty", "a folder", "missing"],
)
def test_only_a_store_can_be_backed_up(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    other = tmp_path / "other"
    make(other)
    before = names_in(tmp_path)
    with pytest.raises(StoreError, match=message):
        backed_up(other, tmp_path / "copy.sqlite3")
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("verb", ["backup", "restore"])
@pytest.mark.parametrize("kind", ["too long", "folder", "file as folder", "loop", "device"])
def test_a_path_that_cannot_be_used_is_reported_in_one_line(verb: str, kind: str, store: Path, tmp_path: Path) -> None:
    loop, folder = tmp_path / "loop", tmp_path / "folder"
    loop.symlink_to(loop)
    folder.mkdir()
    path = {
        "too long": tmp_path / ("x" * 300),
        "folder": folder,
        "file as folder": store / "x",
        "loop": loop,
        "device": Path(os.devnull),
    }[kind]
    before = names_in(tmp_path)
    refused(verb, path, store)
    copy = backed_up(store, folder / "copy.sqlite3")
    refused(verb, copy, path, *(["--replace"] if verb == "restore" else []))
    assert names_in(tmp_path) == before
    assert names_in(folder) == ["copy.sqlite3"]


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_postgresql_is_left_to_its_own_tools(verb: str, tmp_path: Path) -> None:
    ended = here(verb, str(tmp_path / "copy"), "--database-url", "postgres://user:secret@localhost:1/db")
    assert ended.returncode == 2
    assert "use its own pg_dump and pg_restore" in ended.stderr
    assert "secret" not in ended.stderr


def test_steps_are_shown_on_a_terminal(store: Path, tmp_path: Path) -> None:
    out, shown = on_a_terminal("backup", str(tmp_path / "copy"), "--database-url", url_of(store))
    assert out == f"backed up 2 jobs to {tmp_path / 'copy'}\n"
    assert "Copying" in shown
    assert "Checking" in shown


def test_steps_are_not_shown_in_a_file(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    succeeded("backup", tmp_path / "copy", store)  # which writes nothing to stderr
