"""Group commit: the verbs that wait for SQLite are committed together, for it is the commit that takes time.

Each verb that shares a commit runs in a savepoint of its own, so that one that raises leaves the others as they are,
and is answered once the commit is on the disk. Only the commit has a thread. Statements are run on the event loop: they
take microseconds, and a thread would wait after each for the interpreter's lock, which a busy loop has for 5 ms.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, Generic, cast

from models.store import sql
from models.store.errors import Changed, is_of, sqlite_failure
from models.store.statements import Insert, Result, Row, Statement, Work, run

GROUP = 100
"""The most verbs in one commit."""
GROUP_SECONDS = 0.02
"""How long a group may write before it takes no further verb: each verb in it waits for all of it."""
TURN = 0.005
"""Seconds of statements after which others on the event loop have a turn."""
LOOK = 0.002
"""Seconds between two attempts to lock the file while another process writes."""
ROWS = (100, 10, 3, 1)
"""Rows that one statement inserts: many at once cost half as much, and few sizes keep their statements prepared."""

log = logging.getLogger("tortoise.db_client")  # where Tortoise logs its statements


@dataclass(eq=False, slots=True)
class _Verb(Generic[Result]):
    """A caller's work that waits to be committed."""

    begin: Callable[[], Work[Result]]
    committed: Callable[[Result], None]
    deadline: float
    """Until when it waits for another process, also in a second attempt: others wait behind it."""
    answer: asyncio.Future[Result]
    alone: bool = False
    """In a commit of its own: the group it was in was lost."""
    result: Result | None = None
    error: Exception | None = None

    def reply(self) -> None:
        """Return the result to the caller, or raise the error there."""
        result = cast("Result", self.result)  # there is one where there is no error
        if not self.error:
            try:
                self.committed(result)
            except Exception as error:  # noqa: BLE001  # it must not keep the other verbs from their replies
                self.error = error
        if self.answer.done():  # the caller was cancelled
            return
        if self.error:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(result)


class GroupCommit:
    """Writes to a file, over one connection."""

    def __init__(self, path: Path, pragmas: Mapping[str, Any], seconds: float) -> None:
        """`seconds`: how long a verb waits for another process that is writing. Raises sqlite3.Error."""
        self._seconds = seconds
        self._waiting: deque[_Verb[Any]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._others_turn = 0.0
        self._thread = ThreadPoolExecutor(1, "commit")
        self._path = path
        self._pragmas = {**pragmas, "busy_timeout": 0}  # to wait for a lock would hold up the loop
        self._connection = self._connected(seconds)
        self._usable = True
        self._file = file_at(path)

    async def write(self, begin: Callable[[], Work[Result]], committed: Callable[[Result], None]) -> Result:
        """What the work returns, once it is committed; see `Database.write`."""
        loop = asyncio.get_running_loop()
        verb: _Verb[Result] = _Verb(begin, committed, monotonic() + self._seconds, loop.create_future())
        self._waiting.append(verb)
        if self._writing is None:
            self._writing = loop.create_task(self._write(), context=Context())  # of no request
        return await verb.answer

    async def close(self) -> None:
        """Let the verbs that wait finish, then disconnect."""
        while self._writing:
            await asyncio.wait([self._writing])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        """Commit one group after another, until no verb waits."""
        group: list[_Verb[Any]] = []
        try:
            while await self._locked():
                group = []
                await self._commit(group)
        except asyncio.CancelledError:  # the loop is being ended
            for verb in (*group, *self._waiting):
                verb.answer.cancel()
            raise
        finally:
            self._writing = None

    def _connected(self, seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, seconds, isolation_level=None, check_same_thread=False)
        try:
            for name, value in self._pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _locked(self) -> bool:
        """Begin a transaction, which locks the file to other writers, once it is free; False once no verb waits."""
        while self._waiting:
            try:
                if file_at(self._path) != self._file:
                    raise self._changed()
                if not self._usable:
                    self._connection = self._connected(0)
                    self._usable = True
                self._connection.execute("BEGIN IMMEDIATE")
            except (sqlite3.Error, Changed) as error:
                busy = is_of(error, sqlite3.SQLITE_BUSY)
                while self._waiting and (not busy or self._waiting[0].deadline <= monotonic()):
                    verb = self._waiting.popleft()
                    verb.error = self._translated(error)
                    verb.reply()
            else:
                self._others_turn = monotonic() + TURN
                return True
            await asyncio.sleep(LOOK)
        return False

    async def _commit(self, group: "list[_Verb[Any]]") -> None:
        """Run the verbs that wait, as many as go together, commit, and reply to each."""
        try:
            for verb, is_alone in self._together():
                group.append(verb)
                if is_alone:  # what is undone then is the transaction: a savepoint copies each page that it changes
                    verb.result, verb.error = await run(verb.begin(), self._ask), None
                else:
                    await self._run_in_savepoint(verb)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.commit)
        except Exception as error:  # noqa: BLE001  # raised to the callers
            self._lost(group, error)
        else:
            is_lost = file_at(self._path) != self._file  # with the file, though it is committed
            for verb in group:
                verb.error = verb.error or (self._changed() if is_lost else None)
                verb.reply()

    def _changed(self) -> Changed:
        """The path no longer leads to the file that is open: what is written to it is lost."""
        return Changed(f"{self._path} was deleted, moved or replaced")

    def _together(self) -> Iterator[tuple[_Verb[Any], bool]]:
        """The verbs that wait, in turn, until there are enough for one commit; and whether it is that of one alone."""
        until = monotonic() + GROUP_SECONDS
        for number in range(GROUP):
            verb = self._waiting.popleft()
            is_last = not self._waiting or verb.alone or self._waiting[0].alone
            yield verb, is_last and number == 0
            if is_last or not self._waiting or monotonic() > until:
                return

    async def _run_in_savepoint(self, verb: _Verb[Any]) -> None:
        """Do a verb's work, all of it or none. Raises sqlite3.Error where the transaction is lost."""
        self._connection.execute("SAVEPOINT verb")
        try:
            verb.result, verb.error = await run(verb.begin(), self._ask), None
        except Exception as error:  # raised to its caller
            if not self._connection.in_transaction:  # on a full disk, for one, SQLite rolls back by itself
                raise
            self._connection.execute("ROLLBACK TO verb")
            verb.error = self._translated(error)
        self._connection.execute("RELEASE verb")

    def _lost(self, group: list[_Verb[Any]], error: Exception) -> None:
        """Nothing of a group is stored. Which verb caused it is found by a transaction for each."""
        try:
            self._connection.rollback()
        except sqlite3.Error as worse:
            log.warning("the connection that writes could not roll back, and is opened anew: %s", worse)
            self._connection.close()
            self._usable = False
        if len(group) == 1:
            group[0].error = self._translated(error)
            group[0].reply()
            return
        for verb in reversed(group):
            verb.alone = True
            self._waiting.appendleft(verb)

    async def _ask(self, statement: Statement) -> list[Row]:
        if isinstance(statement, Insert):
            return await self._insert(statement)
        await self._let_others()
        log.debug("%s: %s", statement.sql, statement.parameters)
        return self._connection.execute(statement.sql, statement.parameters).fetchall()

    async def _insert(self, insert: Insert) -> list[Row]:
        shared = (*insert.shared,)
        log.debug("%s: %s", sql.insert(insert.table, insert.columns, shared=shared), insert.rows)
        done = 0
        for size in ROWS:
            while len(insert.rows) - done >= size:
                await self._let_others()
                rows = insert.rows[done : done + size]
                text = sql.insert(insert.table, insert.columns, shared=shared, rows=size, rest=insert.rest)
                self._connection.execute(text, [*insert.shared.values(), *chain.from_iterable(rows)])
                done += size
        return []

    async def _let_others(self) -> None:
        if monotonic() > self._others_turn:
            await asyncio.sleep(0)
            self._others_turn = monotonic() + TURN

    def _translated(self, error: Exception) -> Exception:
        """The failure that the reader would raise. A new one for each verb: raising an exception writes into it."""
        if isinstance(error, Changed):
            return self._changed()
        if not isinstance(error, sqlite3.Error):
            return error
        return sqlite_failure(error, self._path) or error


def file_at(path: Path) -> str:
    """What distinguishes the file that a path leads to from every other; empty where there is none."""
    try:
        file = path.stat()
    except OSError:
        return ""
    return f"{file.st_dev}:{file.st_ino}"
