"""Every command on every kind of store that fails: one line on stderr, exit status 2, and never a traceback."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.commands.test_commands import complaint
from tests.tools.outside import Outside
from tests.tools.postgres import free_port
from tests.tools.process import here
from tests.tools.stores import JOB, add_token, backed_up, room_for, run, url_of

COMMANDS = [
    "serve --port 0",
    "simulate 1",
    "token create --name ada --scope read",
    "token list",
    "token revoke 1",
    "migrate",
    "rebuild-curves 1",
    "backup {folder}/new.sqlite3",
    "restore {folder}/backup.sqlite3 --replace",
]


@contextlib.contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Inside, this process cannot write to the folder, which it could where it is root's."""
    uid = os.geteuid()
    folder.chmod(0o555)
    if not uid:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(uid)
        folder.chmod(0o777)


def read_only(store: Path) -> AbstractContextManager[None]:
    store.chmod(0o444)
    return unprivileged(store.parent)


def not_there(store: Path) -> AbstractContextManager[None]:
    store.unlink()
    return unprivileged(store.parent)


def damaged(store: Path) -> AbstractContextManager[None]:
    whole = store.read_bytes()
    store.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    return contextlib.nullcontext()


def without_table(store: Path) -> AbstractContextManager[None]:
    run(store, "DROP TABLE metric")
    return contextlib.nullcontext()


def a_folder(store: Path) -> AbstractContextManager[None]:
    store.unlink()
    store.mkdir()
    return contextlib.nullcontext()


SQLITE: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "damaged": damaged,
    "on a full disk": lambda _: room_for(0),
    "read-only": read_only,
    "without a table": without_table,
    "not there, and not to be made": not_there,
    "a folder": a_folder,
}


@pytest.fixture
def folder(migrated: Path) -> Iterator[Path]:
    """A store with a job and a token, and its backup; every user may enter it, which is not so of pytest's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        store = Path(shutil.copy(migrated, folder / "store.sqlite3"))
        run(store, JOB)
        add_token(store, "a")
        backed_up(store, folder / "backup.sqlite3")
        yield folder


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """`serve` sets up the log of its process."""
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", SQLITE)
def test_a_file(folder: Path, kind: str, command: str) -> None:
    store = folder / "store.sqlite3"
    with SQLITE[kind](store):
        ended = here(*command.format(folder=folder).split(), "--database-url", url_of(store))
    assert str(store) in complaint(ended)


RIGHTS = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
POSTGRES = {
    "without any permission": [],
    "without permission to write": [RIGHTS],
    "read-only": [RIGHTS.replace("SELECT", "ALL"), "ALTER ROLE {role} SET default_transaction_read_only = on"],
    "without a table": [RIGHTS.replace("SELECT", "ALL"), "DROP TABLE job, token CASCADE"],
}
READS = {"migrate", "serve --port 0", "token list"}
"""Those that write nothing to a store that is up to date."""


@pytest.fixture
def as_role(postgres_url: str) -> Iterator[Callable[[list[str]], str]]:
    """Runs statements about a role of few rights, and gives its address of the store."""
    role = postgres_url.rpartition("/")[2]
    with Outside(postgres_url) as outside:
        outside.execute(f"CREATE ROLE {role} LOGIN")

        def address(statements: list[str]) -> str:
            outside.execute(JOB)
            outside.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
            for statement in statements:
                outside.execute(statement.format(role=role))
            return postgres_url.replace("postgres@", f"{role}@")

        yield address
        outside.execute(f"DROP OWNED BY {role}")
        outside.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (kind, command)
        for kind in POSTGRES
        for command in COMMANDS[:-2]
        if command not in READS or kind == "without any permission"
    ],
)
def test_a_server(as_role: Callable[[list[str]], str], kind: str, command: str) -> None:
    complaint(here(*command.split(), "--database-url", as_role(POSTGRES[kind])))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_gone(folder: Path, command: str) -> None:
    url = f"postgres://me@127.0.0.1:{free_port()}/jobs"
    complaint(here(*command.format(folder=folder).split(), "--database-url", url))
