"""Backups: whole, of one moment, taken while points arrive; and the way back, which loses nothing by mistake."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from models import backup as copies
from models.backend import StoreError
from tests.api import Api
from tests.process import ServerProcess, command

pytestmark = pytest.mark.sqlite_alone("a PostgreSQL has its own ways")

PATIENCE = 30
BATCH = 500


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two jobs."""
    path = tmp_path_factory.mktemp("made") / "store.sqlite3"
    url = url_of(path)
    assert command("migrate", "--database-url", url).returncode == 0
    with closing(sqlite3.connect(path)) as connection, connection:
        for id in (1, 2):
            connection.execute(
                "INSERT INTO job (id, name, model_name, searchable, status, epochs, steps_per_epoch, learning_rate,"
                " scenario, schedule, seed, batch_size, metric_count, furthest_step, created_at, updated_at,"
                " status_changed_at) VALUES (?, 'run', 'm', 'run', 'QUEUED', 1, 1, 1, 'HEALTHY', 'CONSTANT',"
                " 1, 1, 0, 0, '2026-01-01', '2026-01-01', '2026-01-01')",
                [id],
            )
    return path


@pytest.fixture
def store(made_once: Path, tmp_path: Path) -> Path:
    """A store with two jobs, of the test's own."""
    return Path(shutil.copy(made_once, tmp_path))


def url_of(path: Path) -> str:
    return f"sqlite://{path}"


def names_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM job ORDER BY id")]


async def test_a_backup_under_load_is_of_one_moment_and_a_server_goes_on_from_it(tmp_path: Path) -> None:
    """Every point acknowledged before it began is in it, none has a gap, and the writer never had to wait for long."""
    path, copy = tmp_path / "store.sqlite3", tmp_path / "copy.sqlite3"
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

            while acknowledged < 40 * BATCH:
                await log()
            before = acknowledged
            backing_up = asyncio.create_task(
                asyncio.to_thread(command, "backup", str(copy), "--database-url", url_of(path))
            )
            while not backing_up.done():
                await log()
            ended = await backing_up
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(f"backed up 1 job to {copy}\n")
    assert acknowledged > before
    assert files_of_the_copy(tmp_path) == ["copy.sqlite3"]
    with ServerProcess(url_of(copy)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            api = Api(http)
            count = (await api.job(id, "metricCount"))["metricCount"]
            assert before <= count <= acknowledged
            last = await api.job(id, f"metrics(after: {count - 1}) {{ seq step }}")
            assert last["metrics"] == [{"seq": count, "step": count - 1}]
            assert (await api.log(id, [{"step": count, "loss": 1.0}]))["recorded"] == 1
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_is_not_begun_anew_by_whoever_writes_meanwhile(store: Path, tmp_path: Path) -> None:
    """Told of each piece, another connection writes: the copy still ends, and has nothing of that."""
    copy = tmp_path / "copy.sqlite3"
    enlarge(store)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        told: list[tuple[int, int]] = []

        def write(copied: int, pages: int) -> None:
            told.append((copied, pages))
            other.execute("INSERT INTO large VALUES ('later')")
            assert len(told) < 100

        copies.backup(store, copy, write)
    assert len(told) > 1
    assert [copied for copied, _ in told] == sorted(copied for copied, _ in told)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM large WHERE text = 'later'").fetchone() == (0,)


def test_a_backup_is_restored_where_there_is_nothing(store: Path, tmp_path: Path) -> None:
    copy, elsewhere = tmp_path / "copy.sqlite3", tmp_path / "elsewhere.sqlite3"
    assert command("backup", str(copy), "--database-url", url_of(store)).returncode == 0
    ended = command("restore", str(copy), "--database-url", url_of(elsewhere))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(f"restored 2 jobs from {copy}\n")
    assert names_in(elsewhere) == ["run", "run"]


def test_jobs_are_replaced_only_where_that_is_said(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    copies.backup(store, copy, lambda *_: None)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE job SET name = 'changed'")
    refused = command("restore", str(copy), "--database-url", url_of(store))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"The database {store} has 2 jobs, which would be lost. Say so with --replace." in refused.stderr
    assert names_in(store) == ["changed", "changed"]
    assert command("restore", str(copy), "--replace", "--database-url", url_of(store)).returncode == 0
    assert names_in(store) == ["run", "run"]


def test_a_store_that_a_server_uses_is_not_restored(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    copies.backup(store, copy, lambda *_: None)
    with ServerProcess(url_of(store)):
        refused = command("restore", str(copy), "--replace", "--database-url", url_of(store))
    assert refused.returncode == 2
    assert f"The database {store} is in use. Stop what serves it, and try again." in refused.stderr
    assert names_in(store) == ["run", "run"]


def test_no_file_is_written_over_by_a_backup(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "notes.txt"
    copy.write_text("mine")
    with pytest.raises(StoreError, match="already"):
        copies.backup(store, copy, lambda *_: None)
    assert copy.read_text() == "mine"


def test_what_is_broken_off_leaves_no_file(store: Path, tmp_path: Path) -> None:
    def break_off(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copies.backup(store, tmp_path / "copy.sqlite3", break_off)
    assert files_of_the_copy(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text("no database at all, but some text"), "file is not a database"),
        (lambda path: path.write_bytes(b""), "is no backup of training-monitor"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4096]), "malformed|damaged"),
        (lambda path: path.unlink(), "There is no file"),
        (
            lambda path: run(
                path, "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', '9999_new', 'now')"
            ),
            "of a newer version of training-monitor .it has 9999_new.: upgrade",
        ),
    ],
    ids=["text", "empty", "cut off", "missing", "newer"],
)
def test_what_is_no_backup_changes_nothing(store: Path, tmp_path: Path, damage: object, said: str) -> None:
    copy = tmp_path / "copy.sqlite3"
    copies.backup(store, copy, lambda *_: None)
    assert callable(damage)
    damage(copy)
    with closing(sqlite3.connect(store)) as connection:
        known = {name for (name,) in connection.execute("SELECT name FROM tortoise_migrations")}
    with pytest.raises(StoreError, match=said):
        copies.restore(copy, store, known, lambda *_: None)
    assert names_in(store) == ["run", "run"]


def test_a_restore_that_is_broken_off_changes_nothing(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        known = {name for (name,) in connection.execute("SELECT name FROM tortoise_migrations")}
    enlarge(store)
    copies.backup(store, copy, lambda *_: None)
    run(store, "UPDATE job SET name = 'changed'")

    def break_off(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copies.restore(copy, store, known, break_off)
    assert names_in(store) == ["changed", "changed"]


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_postgresql_is_left_to_its_own_tools(verb: str, tmp_path: Path) -> None:
    ended = command(verb, str(tmp_path / "copy"), "--database-url", "postgres://user:secret@localhost:1/db")
    assert ended.returncode == 2
    assert "use its own pg_dump and pg_restore" in ended.stderr
    assert "secret" not in ended.stderr


def test_a_store_that_is_not_there_is_not_made_by_backing_it_up(tmp_path: Path) -> None:
    ended = command("backup", str(tmp_path / "copy"), "--database-url", url_of(tmp_path / "none.sqlite3"))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def files_of_the_copy(folder: Path) -> list[str]:
    return [each.name for each in folder.glob("copy*")]


def enlarge(path: Path) -> None:
    """So that copying it takes several pieces."""
    run(path, "CREATE TABLE large (text)")
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
    run(path, f"{rows} INSERT INTO large SELECT hex(randomblob(1000)) FROM n")


def run(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
