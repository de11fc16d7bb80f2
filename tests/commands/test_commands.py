"""The command line, as its users meet it.

What touches a store or a socket runs as a process of its own; what only reads its arguments runs here, which is quick.
"""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from socket import create_server

import pytest

from models.store.database import known_migrations
from tests.tools.outside import Outside
from tests.tools.process import command, here
from tests.tools.waiting import PATIENCE

COMMANDS = {"serve", "demo", "simulate", "schema", "migrate", "rebuild-curves", "backup", "restore", "token"}
SCRIPT = Path(sys.executable).with_name("training-monitor")

Ended = subprocess.CompletedProcess[str]
Run = Callable[..., Ended]


def complaint(ended: Ended) -> str:
    """The one line that a command says before it gives up."""
    assert "Traceback" not in ended.stderr, ended.stderr
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    assert ended.stderr.startswith("training-monitor: "), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


class TestHelp:
    @pytest.mark.parametrize("arguments", [["--help"], []])
    def test_lists_every_command_in_a_line_of_its_own(self, arguments: list[str]) -> None:
        ended = here(*arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert all(f" {name} " in ended.stdout for name in COMMANDS)
        assert "..." not in ended.stdout.partition("Commands:")[2]
        assert "..." not in here("token", "--help").stdout.partition("Commands:")[2]

    @pytest.mark.parametrize(
        ("name", "flags"),
        [
            ("serve", ["--host", "--port", "--database-url"]),
            ("demo", ["--host", "--port", "--database-url"]),
            ("simulate", ["JOB", "--steps", "--to-end", "--per-second", "--database-url"]),
            ("schema", []),
            ("migrate", ["--database-url"]),
            ("rebuild-curves", ["JOB", "--database-url"]),
        ],
    )
    def test_of_a_command_names_its_flags_and_is_not_cut_off_at_80_columns(self, name: str, flags: list[str]) -> None:
        ended = here(name, "--help")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert all(f" {flag} " in ended.stdout for flag in flags)
        assert "…" not in ended.stdout, ended.stdout

    def test_has_the_default_and_the_environment_variable_of_each_flag(self) -> None:
        shown = " ".join(here("serve", "--help").stdout.split())
        assert "Default 127.0.0.1; also TRAINING_MONITOR_HOST." in shown
        assert "Default true; also TRAINING_MONITOR_INTROSPECTION." in shown
        assert "Default false; also TRAINING_MONITOR_INSECURE." in shown


def test_the_version_is_printed() -> None:
    ended = here("--version")
    assert (ended.returncode, ended.stdout) == (0, f"{version('training-monitor')}\n")


class TestMistakesInTheArguments:
    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("nope", "nope"), ("--nope", "--nope"), ("schema --nope", "--nope"), ("schema extra", "extra"),
            ("simulate", "JOB"), ("simulate 1 2", "2"), ("simulate 1 --steps 0", "--steps"),
            ("simulate 1 --steps many", "--steps"), ("simulate 1 --steps", "--steps"),
            ("simulate 1 --steps 5 --to-end", "--to-end"), ("simulate 1 --per-second 0", "--per-second"),
            ("simulate 1 --per-second nan", "--per-second"), ("token", "command"),
            ("token create --scope read", "--name"), ("token create --name a", "--scope"),
            ("token create --name a --scope admin", "--scope"), ("token revoke seven", "ID"),
            ("token revoke 99999999999999999999", "ID"),
        ],
    )  # fmt: skip
    def test_are_one_line_that_names_them_and_points_to_the_help(self, line: str, named: str) -> None:
        said = complaint(here(*line.split()))
        assert named in said
        assert "--help" in said

    def test_end_with_the_help_of_the_command_that_was_meant(self) -> None:
        for line, end in {
            "simulate 1 --steps 0": "See training-monitor simulate --help.\n",
            "token create --name a": "See training-monitor token create --help.\n",
            "srve": "Did you mean 'serve'? See training-monitor --help.\n",
        }.items():
            assert complaint(here(*line.split())).endswith(end), line

    def test_end_the_process_as_well(self) -> None:
        assert "--nope" in complaint(command("serve", "--nope"))


class TestWrongSettings:
    def test_are_named_as_the_flag_or_the_variable_with_their_value(self) -> None:
        by_flag = complaint(here("serve", "--port", "99999"))
        assert all(word in by_flag for word in ("--port", "65535", "99999"))
        by_environment = complaint(here("serve", TRAINING_MONITOR_PORT="abc"))
        assert all(word in by_environment for word in ("TRAINING_MONITOR_PORT", "abc"))

    @pytest.mark.parametrize("url", ["sqlite://:memory:", "foo://bar", "mysql://here/there", "jobs.sqlite3", ""])
    def test_of_the_database_url_are_answered_with_a_right_one(self, url: str) -> None:
        assert "sqlite://" in complaint(here("migrate", "--database-url", url))


@pytest.mark.sqlite_alone("of the store only its address matters")
class TestSettings:
    def test_a_flag_beats_the_environment_and_the_environment_the_default(self, tmp_path: Path) -> None:
        flag, environment = (tmp_path / name for name in ("flag.sqlite3", "environment.sqlite3"))
        by_environment = {"TRAINING_MONITOR_DATABASE_URL": f"sqlite://{environment}"}
        by_flag = ("migrate", "--database-url", f"sqlite://{flag}")
        assert here(*by_flag, **by_environment).returncode == 0
        assert (flag.exists(), environment.exists()) == (True, False)
        assert here("migrate", **by_environment).returncode == 0
        assert environment.exists()
        wrong = {"TRAINING_MONITOR_DATABASE_URL": "foo://bar"}
        assert complaint(here("migrate", **wrong))
        assert here(*by_flag, **wrong).returncode == 0

    def test_a_path_of_two_slashes_is_from_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert here("migrate", "--database-url", "sqlite://here.sqlite3").returncode == 0
        assert (tmp_path / "here.sqlite3").exists()


class TestSchema:
    def test_prints_what_schema_graphql_holds(self) -> None:
        ended = command("schema")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == Path("schema.graphql").read_text()


@pytest.mark.unmigrated
class TestMigrate:
    def test_applies_what_is_pending_once(self, database_url: str) -> None:
        said = [command("migrate", "--database-url", database_url) for _ in range(2)]
        assert [(ended.returncode, ended.stderr) for ended in said] == [(0, ""), (0, "")]
        assert said[0].stdout == "".join(f"applied {name}\n" for name in sorted(known_migrations()))
        assert said[1].stdout == "The database is up to date.\n"


def no_folder(file: Path) -> str:
    file.parent.rmdir()
    return str(file.parent)


def a_text(file: Path) -> str:
    file.write_text("What I wanted to say, and never did.\n" * 100)
    return str(file)


def of_another_program(file: Path) -> str:
    with Outside(f"sqlite://{file}") as another:
        another.execute("CREATE TABLE job (note TEXT)")
    return f"{file.name} is of another program"


def damaged(file: Path) -> str:
    assert here("migrate", "--database-url", f"sqlite://{file}").returncode == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(range(256)) * 16 * (len(whole) // 4096 - 1))
    return "Restore a backup of it"


def content_of(file: Path) -> bytes:
    """All but SQLite's header, which says how it is journalled."""
    return file.read_bytes()[100:] if file.exists() else b""


class TestServeGivesUp:
    def test_on_a_taken_port(self, database_url: str) -> None:
        with create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            said = complaint(command("serve", "--port", port, "--database-url", database_url))
        assert port in said
        assert "--port" in said

    @pytest.mark.parametrize("made", [no_folder, a_text, of_another_program, damaged])
    def test_on_what_is_no_store_and_leaves_it_as_it_is(self, tmp_path: Path, made: Callable[[Path], str]) -> None:
        file = tmp_path / "there" / "notes.sqlite3"
        file.parent.mkdir()
        words = made(file)
        before = content_of(file)
        said = complaint(command("serve", "--port", "0", "--database-url", f"sqlite://{file}"))
        assert words in said
        assert str(file.parent) in said
        for arguments in (["migrate"], ["token", "create", "--name", "a", "--scope", "read"]):
            assert complaint(here(*arguments, "--database-url", f"sqlite://{file}")) == said
        assert content_of(file) == before

    def test_on_a_database_from_a_newer_version(self, database_url: str, outside: Outside) -> None:
        outside.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', '9999_later', '2099-01-01')"
        )
        said = complaint(command("serve", "--port", "0", "--database-url", database_url))
        assert "9999_later" in said
        assert "upgrade training-monitor" in said
        for arguments in (["migrate"], ["simulate", "1"]):
            assert complaint(here(*arguments, "--database-url", database_url)) == said


def test_the_console_script_and_the_module_are_the_same_program() -> None:
    script = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert (script.stdout, script.stderr) == (command("--version").stdout, "")
