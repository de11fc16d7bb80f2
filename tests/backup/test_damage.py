"""Damage: looked for in all of a database, however long that takes, and until one is told to stop."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from models.backup.damage import damage_in

PATIENCE = 30


class Noticed(sqlite3.Connection):
    """A connection that tells when it is interrupted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, check_same_thread=False)
        self.interrupted = Event()

    def interrupt(self) -> None:
        super().interrupt()
        self.interrupted.set()


def test_a_check_that_takes_long_ends_at_a_signal(tmp_path: Path) -> None:
    """SQLite has no ear for signals, and would go on to its end."""
    with closing(Noticed(tmp_path / "test.sqlite3")) as connection:
        checked: list[bool] = []
        connection.create_function("checks", 1, lambda _: True, deterministic=True)
        connection.execute("CREATE TABLE slow (number CHECK (checks(number)))")
        connection.executemany("INSERT INTO slow VALUES (?)", [(number,) for number in range(1000)])
        connection.commit()

        def slowly(_: int) -> bool:
            os.kill(os.getpid(), signal.SIGINT)
            checked.append(connection.interrupted.wait(PATIENCE))
            return True

        connection.create_function("checks", 1, slowly, deterministic=True)
        with pytest.raises(KeyboardInterrupt):
            damage_in(connection, lambda *_: None)
        assert checked == [True]
