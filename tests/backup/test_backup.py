"""Backups: whole, of one moment, taken while points arrive; and the way back, which loses nothing by mistake."""

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import httpx
import pytest

from models.backup import backup as copies
from models.backup.copying import Progress, copy_pages
from models.backup.partial import is_taken, move
from models.store.backend import StoreError
from tests.tools.api import Api
from tests.tools.process import ServerProcess, command, here

pytestmark = pytest.mark.sqlite_alone("a PostgreSQL has its own ways")

PATIENCE = 30
BATCH = 500
MANY_ROWS = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
    INSERT INTO large SELECT hex(randomblob(1000)) FROM n"""
TERMINATED = """
import os, signal, sys

def told(event, arguments):
    if event == "sqlite3.connect" and ".partial/" in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(told)
from graph.commands import main
main()
"""
"""The command line, told to end when its copy has just begun."""
KILLED = """
import os, signal, sys
from pathlib import Path
from models.backup import backup as copies

verb, copy, store, moment, times = sys.argv[1:]
left = int(times)

def told(event, arguments):
    global left
    if event == moment:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(told)
progress = lambda doing, *_: sys.audit(doing)
if verb == "backup":
    copies.backup(Path(store), Path(copy), progress)
else:
    copies.restore(Path(copy), Path(store), progress, replace=True)
"""
"""A backup or restore that is killed when it is just about to do something for the so manieth time."""


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
    assert ended.stdout == f"backed up 1 job to {copy}\n"
    assert acknowledged > before
    assert names_of_files(tmp_path, but="store") == ["copy.sqlite3"]
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
        told: list[tuple[int, int | None]] = []

        def write(doing: str, copied: int, pages: int | None) -> None:
            if doing == "Copying":
                told.append((copied, pages))
                other.execute("INSERT INTO large VALUES ('later')")
                assert len(told) < 100

        copies.backup(store, copy, write)
    assert len(told) > 1
    assert [copied for copied, _ in told] == sorted(copied for copied, _ in told)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM large WHERE text = 'later'").fetchone() == (0,)


class TestBackup:
    def test_is_for_its_owner_alone(self, store: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite3"
        with anything_allowed():
            backed_up(store, copy)
        assert copy.stat().st_mode & 0o777 == 0o600

    def test_writes_over_no_file(self, store: Path, tmp_path: Path) -> None:
        copy = tmp_path / "notes.txt"
        copy.write_text("mine")
        with pytest.raises(StoreError, match="already"):
            backed_up(store, copy)
        assert copy.read_text() == "mine"

    def test_writes_over_no_link_though_it_leads_nowhere(self, store: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite3"
        copy.symlink_to(tmp_path / "gone")
        with pytest.raises(StoreError, match="already"):
            backed_up(store, copy)
        assert copy.is_symlink()
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
    def test_is_not_put_beside_what_sqlite_would_take_for_a_part_of_it(
        self, store: Path, tmp_path: Path, ending: str
    ) -> None:
        left = tmp_path / f"copy.sqlite3{ending}"
        left.write_text("of another database")
        with pytest.raises(StoreError, match=f"{ending} already"):
            backed_up(store, tmp_path / "copy.sqlite3")
        assert left.read_text() == "of another database"

    def test_removes_no_files_of_others(self, store: Path, tmp_path: Path) -> None:
        others = [tmp_path / f"copy.sqlite3.partial{ending}" for ending in ("", "-journal", "-wal", "-shm")]
        for other in others:
            other.write_text("mine")
        backed_up(store, tmp_path / "copy.sqlite3")
        assert [other.read_text() for other in others] == ["mine"] * 4

    def test_of_two_to_one_file_one_is_refused_and_the_other_is_whole(self, store: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite3"
        enlarge(store)

        def back_up_meanwhile(*_: object) -> None:
            if not copy.exists():
                backed_up(store, copy)

        with pytest.raises(StoreError, match="already"):
            copies.backup(store, copy, back_up_meanwhile)
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM large").fetchone() == (4000,)

    def test_takes_no_name_that_is_taken_where_files_have_one_name_only(self, tmp_path: Path) -> None:
        partial, file, taken = tmp_path / "partial", tmp_path / "file", tmp_path / "taken"
        partial.write_text("whole")
        taken.write_text("mine")
        with pytest.raises(FileExistsError):
            move(partial, taken)
        assert taken.read_text() == "mine"
        move(partial, file)
        assert file.read_text() == "whole"
        assert not partial.exists()

    @pytest.mark.parametrize("doing", ["Copying", "Checking"])
    def test_that_is_broken_off_leaves_no_file(self, store: Path, tmp_path: Path, doing: str) -> None:
        with pytest.raises(KeyboardInterrupt):
            copies.backup(store, tmp_path / "copy.sqlite3", broken_off_while(doing))
        assert names_of_files(tmp_path) == ["store.sqlite3"]

    def test_of_a_damaged_store_is_none_for_it_could_not_be_restored(self, store: Path, tmp_path: Path) -> None:
        damage_table(store, "metric")
        said = refused("backup", tmp_path / "copy.sqlite3", store)
        assert re.fullmatch(
            f"training-monitor: The database {store} is damaged, so that no copy of it could be restored: .*. "
            "Restore an earlier backup with --replace.\n",
            said,
        )
        assert names_of_files(tmp_path) == ["store.sqlite3"]

    def test_of_somebody_elses_database_is_none(self, tmp_path: Path) -> None:
        blog = tmp_path / "blog.sqlite3"
        run(blog, "CREATE TABLE post (id INTEGER)")
        said = refused("backup", tmp_path / "copy.sqlite3", blog)
        assert said == f"training-monitor: {blog} is no database of training-monitor.\n"
        assert names_of_files(tmp_path) == ["blog.sqlite3"]

    def test_makes_no_store_that_is_not_there(self, tmp_path: Path) -> None:
        refused("backup", tmp_path / "copy", tmp_path / "none.sqlite3")
        assert names_of_files(tmp_path) == []

    def test_may_have_as_long_a_name_as_a_file_can(self, store: Path, tmp_path: Path) -> None:
        longest = tmp_path / ("x" * 250)
        ended = here("backup", str(longest), "--database-url", url_of(store))
        assert ended.returncode == 0, ended.stderr
        assert names_in(longest) == ["run", "run"]


class TestRestore:
    def test_where_there_is_nothing_makes_a_store_for_its_owner_alone(self, store: Path, tmp_path: Path) -> None:
        copy, elsewhere = tmp_path / "copy.sqlite3", tmp_path / "elsewhere.sqlite3"
        ended = here("backup", str(copy), "--database-url", url_of(store))
        assert ended.stdout == f"backed up 2 jobs to {copy}\n"
        with anything_allowed():
            said = restored(copy, elsewhere)
        assert said == f"restored 2 jobs from {copy}; there never was a token, so everyone is let in\n"
        assert names_in(elsewhere) == ["run", "run"]
        assert elsewhere.stat().st_mode & 0o777 == 0o600

    def test_of_an_empty_store_loses_nothing(self, store: Path, tmp_path: Path) -> None:
        copy, empty = backed_up(store, tmp_path / "copy.sqlite3"), tmp_path / "empty.sqlite3"
        empty.touch()
        restored(copy, empty)
        assert names_in(empty) == ["run", "run"]

    def test_replaces_jobs_only_where_that_is_said(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE job SET name = 'changed'")
        said = refused("restore", copy, store)
        assert f"The database {store} has 2 jobs, which would be lost. Say so with --replace." in said
        assert names_in(store) == ["changed", "changed"]
        restored(copy, store, "--replace")
        assert names_in(store) == ["run", "run"]

    def test_keeps_a_link_to_the_store_and_who_may_read_it(self, store: Path, tmp_path: Path) -> None:
        copy, link = backed_up(store, tmp_path / "copy.sqlite3"), tmp_path / "link.sqlite3"
        link.symlink_to(store)
        store.chmod(0o640)
        for is_damaged in (False, True):
            if is_damaged:
                damage_table(store, "tortoise_migrations")
            restored(copy, link, "--replace")
            assert link.is_symlink()
            assert store.stat().st_mode & 0o777 == 0o640
            assert names_in(store) == ["run", "run"]

    def test_of_a_store_that_a_server_uses_is_refused(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        with ServerProcess(url_of(store)):
            said = refused("restore", copy, store, "--replace")
        assert f"The database {store} is in use. Stop what serves it, and try again." in said
        assert names_in(store) == ["run", "run"]

    @pytest.mark.parametrize("linked", [Path.hardlink_to, Path.symlink_to, None], ids=["hard", "symbolic", "itself"])
    def test_of_a_store_from_itself_is_refused(
        self, store: Path, tmp_path: Path, linked: Callable[[Path, Path], None] | None
    ) -> None:
        same = tmp_path / "same.sqlite3" if linked else store
        if linked:
            linked(same, store)
        assert f"{same} is the database itself, and no backup of it." in refused("restore", same, store, "--replace")
        assert names_in(store) == ["run", "run"]

    def test_does_not_wait_for_ever_for_a_lock(self, store: Path, tmp_path: Path) -> None:
        target = tmp_path / "target.sqlite3"
        run(target, "CREATE TABLE there (text)")
        with (
            closing(sqlite3.connect(store)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as other,
            closing(sqlite3.connect(target, 0, isolation_level=None)) as connection,
        ):
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="stays locked"):
                copy_pages(source, connection, "Copying", lambda *_: None)

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (lambda path: path.write_text("no database at all, but some text"), "file is not a database"),
            (lambda path: path.write_bytes(b""), "is no backup of training-monitor"),
            (lambda path: path.write_bytes(path.read_bytes()[:-4096]), "malformed|damaged"),
            (
                lambda path: path.write_bytes(path.read_bytes()[:-4096] + b"\xff" * 4096),
                "is damaged: [^\n]*Page [^\n]*$",
            ),
            (lambda path: path.unlink(), "There is no file"),
            (
                lambda path: run(
                    path, "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', '9999_new', 'now')"
                ),
                "of a newer version of training-monitor .it has 9999_new.: upgrade",
            ),
            (lambda path: run(path, "UPDATE tortoise_migrations SET app = 'blog'"), "is no backup of training-monitor"),
            (lambda path: run(path, "DROP TABLE job"), "is no backup of training-monitor"),
        ],
        ids=["text", "empty", "cut off", "torn", "missing", "newer", "of another app", "without jobs"],
    )
    def test_from_what_is_no_backup_changes_nothing(
        self, store: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
    ) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        damage(copy)
        with pytest.raises(StoreError, match=said):
            copies.restore(copy, store, lambda *_: None, replace=True)
        assert names_in(store) == ["run", "run"]
        assert names_of_files(tmp_path, but="copy") == ["store.sqlite3"]

    def test_of_somebody_elses_database_is_refused(self, store: Path, tmp_path: Path) -> None:
        copy, blog = backed_up(store, tmp_path / "copy.sqlite3"), tmp_path / "blog.sqlite3"
        run(blog, "CREATE TABLE post (id INTEGER)")
        assert f"{blog} is no database of training-monitor." in refused("restore", copy, blog, "--replace")
        run(blog, "INSERT INTO post VALUES (1)")

    @pytest.mark.parametrize("doing", ["Checking", "Copying", "Replacing"])
    def test_that_is_broken_off_changes_nothing(self, store: Path, tmp_path: Path, doing: str) -> None:
        enlarge(store)
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE job SET name = 'changed'")
        with pytest.raises(KeyboardInterrupt):
            copies.restore(copy, store, broken_off_while(doing), replace=True)
        assert names_in(store) == ["changed", "changed"]
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize(
        ("is_there", "more"),
        [(False, -4096), (True, -4096), (True, 4096)],
        ids=["the first", "while it is prepared", "while it is put in place"],
    )
    def test_on_a_full_disk_changes_nothing(self, store: Path, tmp_path: Path, is_there: bool, more: int) -> None:
        enlarge(store)
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        target = store if is_there else tmp_path / "elsewhere.sqlite3"
        before = names_of_files(tmp_path)
        with (
            room_for(copy.stat().st_size + more),
            pytest.raises(StoreError, match=f"Cannot restore {target} from {copy}: "),
        ):
            copies.restore(copy, target, lambda *_: None, replace=True)
        assert names_of_files(tmp_path) == before
        assert names_in(store) == ["run", "run"]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: write_at(path, 0, b"\xff" * 4096),
            lambda path: path.write_bytes(path.read_bytes()[:-4096]),
            lambda path: write_at(path, 4096, bytes(path.stat().st_size - 4096)),
            lambda path: write_at(path, 18, b"\3"),
            lambda path: path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE T\xafBLE")),
        ],
        ids=["first page", "cut off", "blank", "said to be only for reading", "no longer text"],
    )
    def test_replaces_a_damaged_store_only_where_that_is_said(
        self, store: Path, tmp_path: Path, damage: Callable[[Path], object]
    ) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        damage(store)
        left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert "Replace it with --replace." in refused("restore", copy, store)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left
        for ending in ("-journal", "-wal", "-shm"):
            store.with_name(f"{store.name}{ending}").write_text("of the damaged one")
        said = restored(copy, store, "--replace")
        assert "could not tell which tokens were revoked in it" in said
        assert names_in(store) == ["run", "run"]
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize(
        "content",
        [b"\\chapter{All that I know}\n" * 1000, b"\n" * 8192, bytes(8192), b"ab", bytes(range(256)) * 64],
        ids=["text", "lines", "blank", "short", "bytes"],
    )
    def test_of_a_file_that_never_was_a_database_is_refused(self, store: Path, tmp_path: Path, content: bytes) -> None:
        copy, thesis = backed_up(store, tmp_path / "copy.sqlite3"), tmp_path / "thesis.tex"
        thesis.write_bytes(content)
        for flags in ([], ["--replace"]):
            said = refused("restore", copy, thesis, *flags)
            assert f"{thesis} is no database: " in said
            assert said.endswith(" Name another one, or remove it yourself.\n")
        assert thesis.read_bytes() == content
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3", "thesis.tex"]

    @pytest.mark.parametrize("ending", ["-wal", "-journal"])
    def test_replaces_what_is_no_longer_like_a_database_where_a_part_of_one_is_beside_it(
        self, store: Path, tmp_path: Path, ending: str
    ) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        store.write_bytes(bytes(8192))
        store.with_name(f"{store.name}{ending}").write_text("of the damaged one")
        restored(copy, store, "--replace")
        assert names_in(store) == ["run", "run"]
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize("ending", ["-wal", "-journal"])
    def test_is_not_changed_by_what_is_left_of_a_store_that_is_gone(
        self, store: Path, tmp_path: Path, ending: str
    ) -> None:
        """SQLite writes it into any store of that name: what was committed from one, what was not from the other."""
        copy, left = backed_up(store, tmp_path / "copy.sqlite3"), tmp_path / f"store.sqlite3{ending}"
        run(copy, "UPDATE job SET name = 'of the backup'")
        with closing(sqlite3.connect(store, isolation_level=None)) as connection:
            if ending == "-journal":
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("PRAGMA cache_size = 1")
                connection.execute("BEGIN")
                connection.execute("CREATE TABLE large (text)")
                connection.execute(MANY_ROWS)
            connection.execute("UPDATE job SET name = 'of the one that is gone'")
            kept = left.read_bytes()
        for path in tmp_path.glob("store*"):
            path.unlink()
        left.write_bytes(kept)
        assert "Replace it with --replace." in refused("restore", copy, store)
        restored(copy, store, "--replace")
        assert names_in(store) == ["of the backup"] * 2
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]


class TestTokens:
    @pytest.fixture
    def backup_with_tokens(self, store: Path, tmp_path: Path) -> Path:
        """A backup of a store with the tokens 1 and 2, in which 2 is revoked since, and 3 is new."""
        for digest in ("one", "two"):
            make_token(store, digest)
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE token SET revoked_at = '2026-02-02' WHERE digest = 'two'")
        make_token(store, "three")
        return copy

    def test_that_were_revoked_since_stay_so_and_those_made_since_open_nothing(
        self, store: Path, backup_with_tokens: Path
    ) -> None:
        said = restored(backup_with_tokens, store, "--replace")
        assert said.endswith(f"restored 2 jobs from {backup_with_tokens}; 1 of its tokens lets someone in\n")
        assert tokens_in(store) == [("one", False), ("two", True), ("three", True)]
        with closing(sqlite3.connect(store)) as connection:
            moments = connection.execute("SELECT revoked_at FROM token ORDER BY id").fetchall()
        assert moments[:2] == [(None,), ("2026-02-02",)]
        assert datetime.now(UTC) - datetime.fromisoformat(moments[2][0]) < timedelta(seconds=PATIENCE)

    def test_that_were_revoked_in_the_backup_stay_so(self, store: Path, tmp_path: Path) -> None:
        make_token(store, "one")
        run(store, "UPDATE token SET revoked_at = '2026-02-02'")
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE token SET revoked_at = NULL")
        assert "; none of its tokens lets anyone in" in restored(copy, store, "--replace")
        assert tokens_in(store) == [("one", True)]

    def test_of_a_backup_are_as_they_were_where_there_is_nothing(self, backup_with_tokens: Path) -> None:
        elsewhere = backup_with_tokens.with_name("elsewhere.sqlite3")
        assert "; 2 of its tokens let someone in" in restored(backup_with_tokens, elsewhere)
        assert tokens_in(elsewhere) == [("one", False), ("two", False)]

    def test_are_lost_only_where_that_is_said(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "DELETE FROM job")
        make_token(store, "one")
        assert f"The database {store} has 1 token, which would be lost." in refused("restore", copy, store)
        assert tokens_in(store) == [("one", False)]

    async def test_that_there_were_keep_a_restored_store_closed(self, store: Path, tmp_path: Path) -> None:
        """Though the backup is from before the first."""
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        made = command("token", "create", "--name", "a", "--scope", "write", "--database-url", url_of(store))
        secret = made.stdout.splitlines()[-1]
        assert "; none of its tokens lets anyone in" in restored(copy, store, "--replace")
        with ServerProcess(url_of(store)) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
                for headers in ({}, {"Authorization": f"Bearer {secret}"}):
                    answer = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
                    assert answer.status_code == 401

    def test_are_not_forgotten_for_a_backup_from_before_there_were_any(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(copy, "DROP TABLE token")
        run(copy, "DELETE FROM tortoise_migrations WHERE name = '0003_tokens'")
        assert "there never was a token" in restored(copy, store, "--replace")
        assert command("migrate", "--database-url", url_of(store)).returncode == 0
        make_token(store, "one")
        said = refused("restore", copy, store, "--replace")
        assert f"training-monitor migrate --database-url {url_of(copy)}" in said
        assert command("migrate", "--database-url", url_of(copy)).returncode == 0
        restored(copy, store, "--replace")
        assert tokens_in(store) == [("one", True)]


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_sigterm_ends_it_as_cleanly_as_ctrl_c(verb: str, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    arguments = [verb, str(copy), "--database-url", url_of(store)]
    if verb == "restore":
        backed_up(store, copy)
        run(store, "UPDATE job SET name = 'changed'")
        arguments.append("--replace")
    before = names_of_files(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", TERMINATED, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")
    assert names_of_files(tmp_path) == before
    assert names_in(store) == (["run", "run"] if verb == "backup" else ["changed", "changed"])


class TestKilled:
    """Whoever is killed can tidy nothing up: the next one does."""

    @pytest.mark.parametrize(
        ("moment", "times", "left"),
        [
            ("Checking", 1, "changed"),
            ("tempfile.mkdtemp", 1, "changed"),
            ("fcntl.flock", 1, "changed"),
            ("Copying", 1, "changed"),
            ("Copying", 3, "changed"),
            ("Replacing", 1, "changed"),
            ("Replacing", 2, "changed"),
            ("Replacing", 3, "run"),
            ("os.remove", 1, "run"),
            ("os.rmdir", 1, "run"),
        ],
    )
    def test_in_a_restore_it_leaves_the_store_as_it_was_or_as_it_was_to_be(
        self, store: Path, tmp_path: Path, moment: str, times: int, left: str
    ) -> None:
        enlarge(store)
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        run(store, "UPDATE job SET name = 'changed'")
        killed("restore", copy, store, moment, times)
        assert is_whole(store)
        assert names_in(store) == [left, left]
        restored(copy, store, "--replace")
        assert names_in(store) == ["run", "run"]
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize("moment", ["Copying", "os.chmod", "os.rename"])
    def test_in_a_restore_over_a_damaged_store_it_leaves_one_that_can_be_restored(
        self, store: Path, tmp_path: Path, moment: str
    ) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        damage_table(store, "tortoise_migrations")
        killed("restore", copy, store, moment)
        restored(copy, store, "--replace")
        assert names_in(store) == ["run", "run"]
        assert names_of_files(tmp_path) == ["copy.sqlite3", "store.sqlite3"]

    @pytest.mark.parametrize("moment", ["fcntl.flock", "Copying", "Checking", "os.link", "os.remove", "os.rmdir"])
    def test_in_a_backup_it_leaves_a_whole_one_or_none(self, store: Path, tmp_path: Path, moment: str) -> None:
        copy, next_one = tmp_path / "copy.sqlite3", tmp_path / "next.sqlite3"
        killed("backup", copy, store, moment)
        assert is_taken(copy) == (moment in {"os.remove", "os.rmdir"})
        backed_up(store, next_one)
        whole = [copy, next_one] if is_taken(copy) else [next_one]
        assert all(is_whole(each) and names_in(each) == ["run", "run"] for each in whole)
        assert names_of_files(tmp_path) == [*(each.name for each in whole), "store.sqlite3"]

    def test_leaves_what_is_in_use_to_who_uses_it(self, store: Path, tmp_path: Path) -> None:
        """Also to another process."""
        copy, other = tmp_path / "copy.sqlite3", tmp_path / "other.sqlite3"
        enlarge(store)

        def back_up_meanwhile(*_: object) -> None:
            if not other.exists():
                ended = command("backup", str(other), "--database-url", url_of(store))
                assert ended.returncode == 0, ended.stderr

        copies.backup(store, copy, back_up_meanwhile)
        assert is_whole(copy)
        assert names_of_files(tmp_path) == ["copy.sqlite3", "other.sqlite3", "store.sqlite3"]

    def test_leaves_what_only_looks_like_a_leftover(self, store: Path, tmp_path: Path) -> None:
        """A file, a folder with something else in it, a link to one of ours."""
        elsewhere, beside = tmp_path / "elsewhere", tmp_path / "beside"
        elsewhere.mkdir()
        killed("backup", elsewhere / "copy.sqlite3", store, "Copying")
        (left,) = elsewhere.iterdir()
        beside.mkdir()
        (beside / "training-monitor-link.partial").symlink_to(left)
        (beside / "training-monitor-file.partial").write_text("mine")
        (beside / "training-monitor-folder.partial").mkdir()
        (beside / "training-monitor-folder.partial" / "database").write_text("mine")
        backed_up(store, beside / "copy.sqlite3")
        assert (left / "database").exists()
        assert (beside / "training-monitor-file.partial").read_text() == "mine"
        assert (beside / "training-monitor-folder.partial" / "database").read_text() == "mine"


@pytest.mark.parametrize("verb", ["backup", "restore"])
@pytest.mark.parametrize("in_the_way", ["too long", "folder", "file as folder", "loop"])
def test_what_the_file_system_refuses_is_told_in_one_line(
    verb: str, in_the_way: str, store: Path, tmp_path: Path
) -> None:
    loop, folder = tmp_path / "loop", tmp_path / "folder"
    loop.symlink_to(loop)
    folder.mkdir()
    path = {
        "too long": tmp_path / ("x" * 300),
        "folder": folder,
        "file as folder": store / "x",
        "loop": loop,
    }[in_the_way]
    before = names_of_files(tmp_path)
    refused(verb, path, store)
    copy = backed_up(store, folder / "copy.sqlite3")
    refused(verb, copy, path, *(["--replace"] if verb == "restore" else []))
    assert names_of_files(tmp_path) == before
    assert names_of_files(folder) == ["copy.sqlite3"]


class TestProgress:
    def test_is_shown_on_a_terminal_alone_and_is_gone_in_the_end(self, store: Path, tmp_path: Path) -> None:
        status, said, shown = on_a_terminal("backup", tmp_path / "copy.sqlite3", store)
        assert (status, said) == (0, f"backed up 2 jobs to {tmp_path / 'copy.sqlite3'}\n")
        assert all(f"{doing} " in shown for doing in ("Copying", "Checking"))
        assert left_on_terminal(shown) == ""

    def test_that_ends_in_a_failure_leaves_the_line_that_tells_of_it(self, store: Path, tmp_path: Path) -> None:
        copy = backed_up(store, tmp_path / "copy.sqlite3")
        copy.write_bytes(copy.read_bytes()[:-4096] + b"\xff" * 4096)
        status, said, shown = on_a_terminal("restore", copy, store)
        assert (status, said) == (2, "")
        assert "Checking" in shown
        assert re.fullmatch(r"training-monitor: The backup \S+ is damaged: .*\.\r\n", left_on_terminal(shown))

    def test_that_is_forced_to_have_colours_is_not_shown_in_a_file_either(self, store: Path, tmp_path: Path) -> None:
        ended = command("backup", str(tmp_path / "copy"), "--database-url", url_of(store), FORCE_COLOR="1")
        assert (ended.returncode, ended.stderr) == (0, "")


class TestWhatIsNoFile:
    """It is called what it is."""

    def test_as_a_backup(self, store: Path, tmp_path: Path) -> None:
        for name in (Path(), tmp_path):
            assert f": {name} is a folder. Name a file in it." in refused("restore", name, store)
        null = Path(os.devnull)
        assert f": {null} is not a file that can hold a database." in refused("restore", null, store)
        assert f": There is no file {tmp_path / 'none'}." in refused("restore", tmp_path / "none", store)

    def test_as_the_place_of_a_backup(self, store: Path, tmp_path: Path) -> None:
        ended = here("backup", "", "--database-url", url_of(store))
        assert ended.stderr == "training-monitor: . is a folder. Name a file in it, which is not there yet.\n"
        assert f": {tmp_path} is a folder. Name a file in it, which" in refused("backup", tmp_path, store)
        assert f": There is a file {os.devnull} already." in refused("backup", Path(os.devnull), store)

    def test_as_a_store(self, store: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite3"
        assert f": {tmp_path} is a folder. Name a file in it." in refused("backup", copy, tmp_path)
        assert f": {os.devnull} is not a file" in refused("backup", copy, Path(os.devnull))
        backed_up(store, copy)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        for flags in ([], ["--replace"]):
            assert f": {tmp_path} is a folder. Name a file in it." in refused("restore", copy, tmp_path, *flags)
            assert f": {pipe} is not a file that can hold a database." in refused("restore", copy, pipe, *flags)


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_postgresql_is_left_to_its_own_tools(verb: str, tmp_path: Path) -> None:
    ended = here(verb, str(tmp_path / "copy"), "--database-url", "postgres://user:secret@localhost:1/db")
    assert ended.returncode == 2
    assert "use its own pg_dump and pg_restore" in ended.stderr
    assert "secret" not in ended.stderr


def backed_up(store: Path, copy: Path) -> Path:
    """A backup."""
    copies.backup(store, copy, lambda *_: None)
    return copy


def restored(copy: Path, store: Path, *flags: str) -> str:
    """What is said of a restore that succeeds."""
    ended = here("restore", str(copy), *flags, "--database-url", url_of(store))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def killed(verb: str, copy: Path, store: Path, moment: str, times: int = 1) -> None:
    """Do it in a process that is killed in the middle."""
    arguments = [verb, str(copy), str(store), moment, str(times)]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        whole: bool = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return whole


def refused(verb: str, copy: Path, store: Path, *flags: str) -> str:
    """What is said, in one line, of what is refused."""
    ended = here(verb, str(copy), *flags, "--database-url", url_of(store))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    return ended.stderr


def on_a_terminal(verb: str, copy: Path, store: Path) -> tuple[int, str, str]:
    """The exit status of a command, what it writes, and all that comes to a terminal that is its stderr."""
    ours, its = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "graph", verb, str(copy), "--database-url", url_of(store)],
            stdout=subprocess.PIPE,
            stderr=its,
            text=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "300"},
        )
        os.close(its)
        shown = b""
        too_late = Timer(PATIENCE, process.kill)
        too_late.start()
        with process:
            with contextlib.suppress(OSError):  # which is how a terminal ends
                while piece := screen.read(4096):
                    shown += piece
            assert process.stdout
            said = process.stdout.read()
        too_late.cancel()
    return process.returncode, said, shown.decode()


def left_on_terminal(shown: str) -> str:
    """What is there in the end, without lines that were erased."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.rpartition("\x1b[2K")[2])


def broken_off_while(wanted: str) -> Progress:
    """What breaks off when it is told of that."""

    def tell(doing: str, *_: object) -> None:
        if doing == wanted:
            raise KeyboardInterrupt

    return tell


def names_of_files(folder: Path, but: str = "nothing") -> list[str]:
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith(but))


@contextmanager
def anything_allowed() -> Iterator[None]:
    """Inside, files are for everyone, unless whoever makes them says otherwise."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def room_for(bytes: int) -> Iterator[None]:
    """Inside, no file can grow beyond that, which is what SQLite meets as a full disk too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def damage_table(path: Path, table: str) -> None:
    """As a disk does: a page is lost."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()
    write_at(path, (page - 1) * size, b"\xff" * size)


def write_at(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as opened:
        opened.seek(place)
        opened.write(content)


def make_token(path: Path, digest: str) -> None:
    values = f"'{digest}', 'READ', '{digest}', '2026-01-01'"
    run(path, f"INSERT INTO token (name, scope, digest, created_at) VALUES ({values})")


def tokens_in(path: Path) -> list[tuple[str, bool]]:
    """The digest of each, and whether it is revoked."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT digest, revoked_at IS NOT NULL FROM token ORDER BY id")
        return [(digest, bool(is_revoked)) for digest, is_revoked in rows]


def enlarge(path: Path) -> None:
    """So that copying it takes several pieces."""
    run(path, "CREATE TABLE large (text)")
    run(path, MANY_ROWS)


def run(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
