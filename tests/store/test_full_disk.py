"""A disk that is full: writes fail, reads go on, nothing is torn, and writes go on once there is room."""

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands.test_commands import complaint
from tests.tools.api import Api
from tests.tools.process import ServerProcess, here
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE

MIB = 2**20
ROOM = 2 * MIB
BATCH = 500
LOG = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) {
    __typename ... on LogMetricsSuccess { recorded } } }"""


def is_mounted(folder: Path, size: int) -> bool:
    """Make it a disk of its own, and return whether that is allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return os.geteuid() == 0 and not subprocess.run(mount, capture_output=True, check=False).returncode


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[ServerProcess], object]]:
    """Inside, a folder has little room; what is given makes plenty for a server, which needs as much as is stored.

    A file system of its own where that is allowed, as to root; elsewhere a limit on the length of the server's files.
    """
    if is_mounted(folder, 3 * ROOM):
        try:
            ballast = folder / "ballast"
            ballast.write_bytes(bytes(2 * ROOM))
            yield lambda _: ballast.unlink()
        finally:
            unmount(folder)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))  # the server inherits it
        try:
            yield lambda server: resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.sqlite_alone("a PostgreSQL has a disk of its own")
async def test_a_full_disk_stops_writes_alone_and_tears_nothing_and_they_go_on_once_it_has_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "store.sqlite3"
    # Not forked: it would inherit no limit of this process.
    with small_disk(folder) as make_room, ServerProcess(f"sqlite://{path}", is_forked=False) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http, asyncio.timeout(PATIENCE):
            api = Api(http)
            id = await api.started(epochs=100_000)
            acknowledged = 0

            async def answer_to_a_batch() -> dict[str, Any]:
                points = [{"step": step, "loss": 1.0} for step in range(acknowledged, acknowledged + BATCH)]
                return await api.post(LOG, {"id": id, "metrics": points})

            while "errors" not in (answer := await answer_to_a_batch()):
                acknowledged += BATCH
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["SERVICE_UNAVAILABLE"]
            assert acknowledged > BATCH

            job = await api.job(id, "metricCount status latestMetrics(count: 1) { seq }")
            assert job == {"metricCount": acknowledged, "status": "RUNNING", "latestMetrics": [{"seq": acknowledged}]}
            async with opened(websocket_url(server.url)) as socket:
                watched = socket.metrics(id, after=acknowledged - 1, fields="seq")
                assert await anext(watched) == {"seq": acknowledged}

                make_room(server)
                while "errors" in (answer := await answer_to_a_batch()):  # as a client that tries again
                    assert [error["extensions"]["code"] for error in answer["errors"]] == ["SERVICE_UNAVAILABLE"]
                assert answer["data"]["logMetrics"] == {"__typename": "LogMetricsSuccess", "recorded": BATCH}
                assert [await anext(watched) for _ in range(BATCH)] == [
                    {"seq": seq} for seq in range(acknowledged + 1, acknowledged + BATCH + 1)
                ]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            counted = connection.execute("SELECT count(*), max(seq) FROM metric").fetchone()
            assert counted == (acknowledged + BATCH, acknowledged + BATCH)


@pytest.mark.sqlite_alone("a PostgreSQL has a disk of its own")
class TestWithTheServerStopped:
    """Nothing of SQLite's is beside the store then, and there is no room for it."""

    @pytest.fixture
    def store(self, migrated: Path, tmp_path: Path) -> Iterator[Path]:
        disk = tmp_path / "disk"
        disk.mkdir()
        if not is_mounted(disk, MIB):
            pytest.fail("This test mounts a small disk: run it as root, where a tmpfs may be mounted.")
        try:
            store = disk / "store.sqlite3"
            shutil.copy(migrated, store)
            with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while ballast.write(bytes(4096)):
                    pass
            yield store
        finally:
            unmount(disk)

    def test_what_opens_or_makes_a_store_reports_that_the_disk_is_full(self, store: Path) -> None:
        new = store.with_name("new.sqlite3")
        for path, *arguments in ((store, "serve", "--port", "0"), (store, "token", "list"), (new, "migrate")):
            said = complaint(here(*map(str, arguments), "--database-url", f"sqlite://{path}"))
            assert f"Cannot open the database {path}: its disk is full. Make room there, or" in said

    def test_a_backup_to_another_disk_is_made(self, store: Path, tmp_path: Path) -> None:
        copy, elsewhere = tmp_path / "copy.sqlite3", tmp_path / "elsewhere.sqlite3"
        before = store.read_bytes()
        ended = here("backup", str(copy), "--database-url", f"sqlite://{store}")
        assert (ended.returncode, ended.stdout) == (0, f"backed up 0 jobs to {copy}\n"), ended.stderr
        assert store.read_bytes() == before
        assert here("restore", str(copy), "--database-url", f"sqlite://{elsewhere}").returncode == 0

    def test_a_backup_or_restore_to_the_same_disk_is_refused_and_leaves_nothing(
        self, store: Path, tmp_path: Path
    ) -> None:
        copy, same = tmp_path / "copy.sqlite3", store.with_name("copy.sqlite3")
        assert here("backup", str(copy), "--database-url", f"sqlite://{store}").returncode == 0
        before = store.read_bytes()
        said = complaint(here("backup", str(same), "--database-url", f"sqlite://{store}"))
        assert said.endswith(f"Cannot back up {store} to {same}: the disk of {same} is full. Make room there.\n")
        said = complaint(here("restore", str(copy), "--replace", "--database-url", f"sqlite://{store}"))
        assert said.endswith(f"Cannot restore {store} from {copy}: the disk of {store} is full. Make room there.\n")
        assert store.read_bytes() == before
        assert not same.exists()
        assert list(store.parent.glob("*.partial")) == []
