"""Stores in SQLite and the commands that back them up: filled, damaged, and looked at from outside."""

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from models.backup.backup import backup
from tests.tools.process import here

JOB = """INSERT INTO job (name, project, tag_list, notes, model_name, searchable, status, epochs,
    stated_steps_per_epoch, learning_rate, scenario, schedule, seed, batch_size, metric_count, furthest_step,
    progress_step, created_at, updated_at, attempt, attempt_first_seq, cuts, change)
    VALUES ('run', 'default', '[]', '', 'm', 'run', 'QUEUED', 1000, 100, 1, 'healthy', 'constant', 1, 1, 0, -1, 0,
    '2026-01-01', '2026-01-01', 1, 1, '[]', 1)"""
MANY_ROWS = """INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
    SELECT hex(randomblob(1000)) FROM n"""


def url_of(path: Path) -> str:
    return f"sqlite://{path}"


def run(path: Path, *statements: str) -> None:
    """Run statements on a database, in one transaction."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def enlarge(path: Path) -> None:
    """Add 8 MB, so that copying takes several pieces."""
    run(path, "CREATE TABLE large (text)", MANY_ROWS)


def add_token(path: Path, digest: str) -> None:
    values = f"'{digest}', 'READ', '{digest}', '2026-01-01'"
    run(path, f"INSERT INTO token (name, scope, digest, created_at) VALUES ({values})")


def rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def token_states(path: Path) -> list[tuple[Any, ...]]:
    """(digest, whether it is revoked) of each token."""
    return rows(path, "SELECT digest, revoked_at IS NOT NULL FROM token ORDER BY id")


def job_names(path: Path) -> list[str]:
    return [name for (name,) in rows(path, "SELECT name FROM job ORDER BY id")]


def is_whole(path: Path) -> bool:
    return rows(path, "PRAGMA integrity_check") == [("ok",)]


def damage_table(path: Path, table: str) -> None:
    """Overwrite the table's first page."""
    ((size,),) = rows(path, "PRAGMA page_size")
    ((page,),) = rows(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def names_in(folder: Path, but: str = "nothing") -> list[str]:
    """The names of the files in a folder, without those that begin with `but`."""
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith(but))


def backed_up(store: Path, copy: Path) -> Path:
    """A backup of a store."""
    backup(store, copy, lambda _: None)
    return copy


def succeeded(verb: str, copy: Path, store: Path, *flags: str) -> str:
    """The output of a command that succeeds."""
    ended = here(verb, str(copy), *flags, "--database-url", url_of(store))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def refused(verb: str, copy: Path, store: Path, *flags: str) -> str:
    """The one line on stderr of a command that fails."""
    ended = here(verb, str(copy), *flags, "--database-url", url_of(store))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    return ended.stderr


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def room_for(bytes: int) -> Iterator[None]:
    """Inside, no file can grow beyond that size: SQLite fails as on a full disk, with another code."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
