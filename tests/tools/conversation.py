"""A client's end of graphql-transport-ws that keeps account: the little that the server may say at each moment."""

import asyncio
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.tools.answered import CODES, codes_of

__all__ = ["Ask", "Conversation", "Kind", "Over"]

Kind = Literal["query", "mutation", "refused", "stream", "any query", "any stream"]
"""What becomes of an operation that is asked for; nobody knows that before of what is `any`."""

LETTERS = {"next": "n", "error": "e", "complete": "c"}
TOLD: Mapping[Kind, str] = {
    "query": "nc?",
    "mutation": "nc?",
    "refused": "e",
    "stream": "n*c?",
    "any query": "nc?|e",
    "any stream": "n*c?|e",
}
"""What an operation may have been told up to any moment; behind its end comes nothing."""


class Over(Exception):
    """The socket is closed, or was told what it should not have been."""


@dataclass(frozen=True)
class Ask:
    """To begin an operation, with an id like this one that is free."""

    kind: Kind
    query: str
    variables: object = None
    name: object = None
    after: int | None = None
    """The last point already seen, where each one behind it is to come."""
    id: str = "1"
    stays: bool = False
    """Whether we do not complete it ourselves."""


@dataclass
class Operation:
    """One that was begun, and whose end was not told yet."""

    ask: Ask
    told: str = ""
    last: int | None = field(init=False)
    """The last point that came."""

    def __post_init__(self) -> None:
        self.last = self.ask.after

    @property
    def is_owed(self) -> bool:
        """Whether something is to come whatever happens: an end, or the first of the points that there are."""
        return self.ask.kind not in {"stream", "any stream"} or (self.ask.after == 0 and not self.told)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take what came. Raises AssertionError where it must not have."""
        kind: str = message["type"]
        payload: Any = message.get("payload")
        self.told += LETTERS[kind]
        assert re.fullmatch(TOLD[self.ask.kind], self.told), (self, message)
        errors = payload if kind == "error" else payload.get("errors", []) if kind == "next" else []
        assert codes_of(errors) <= CODES, message
        if self.last is not None and kind == "next":
            assert not errors, message
            for points in payload["data"].values():
                for point in points if isinstance(points, list) else [points]:
                    self.last += 1
                    assert point["seq"] == self.last, message


class Conversation:
    """Says what it is told to, and hears whether what comes is what the protocol has."""

    def __init__(self, connection: ClientConnection, job: str) -> None:
        """`job` is the one meant where $job is written."""
        self.heard: Counter[tuple[str, str]] = Counter()
        """The messages of operations: their types, and the kinds of the operations."""
        self.live: dict[str, Operation] = {}
        self.ended: list[Operation] = []
        self._connection = connection
        self._job = job
        self._pings: deque[Operation | None] = deque()
        """Those that were not answered yet, and what was completed before each."""
        self._inits = 0
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())
        self._listening.add_done_callback(self.stir)

    async def say(self, frame: str | bytes, *, text: bool | None = None) -> None:
        """Send what may be anything. Raises Over."""
        try:
            await self._connection.send(frame, text=text)
        except ConnectionClosed as closed:
            raise Over from closed

    async def begin(self) -> None:
        """Say hello."""
        self._inits += 1
        await self.say('{"type": "connection_init"}')

    async def ask(self, ask: Ask) -> str:
        """Begin an operation, and give its id."""
        id = ask.id
        while id in self.live:
            id += "'"
        self.live[id] = Operation(ask)
        await self.say(self.text_of(ask, id))
        return id

    def text_of(self, ask: Ask, id: str) -> str:
        """The message that begins an operation."""
        given = {"variables": ask.variables, "operationName": ask.name}
        payload = {"query": ask.query, **{name: value for name, value in given.items() if value is not None}}
        return json.dumps({"type": "subscribe", "id": id, "payload": payload}).replace("$job", self._job)

    async def stop(self, id: str) -> None:
        """Complete an operation, or what is none. What had been sent before may still come; no more behind the pong."""
        await self.say(json.dumps({"type": "complete", "id": id}))
        await self.ping(self.live.get(id))

    async def ping(self, stopped: Operation | None = None) -> None:
        """Ask for a pong: all that was said before has been read when it comes."""
        self._pings.append(stopped)
        await self.say('{"type": "ping"}')

    async def comes(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so. Raises Over."""
        while not is_so():
            if self._listening.done():
                raise Over
            self._news.clear()
            await self._news.wait()

    def stir(self, _: object = None) -> None:
        """Have those who wait look again."""
        self._news.set()

    async def is_quiet(self) -> None:
        """Wait until all has come that comes whatever happens."""
        await self.ping()
        await self.comes(lambda: not self._pings and not any(each.is_owed for each in self.live.values()))

    async def end(self) -> int:
        """Wait for the end of the socket, and give its code. Raises AssertionError where something wrong was heard."""
        await self._listening
        await self._connection.wait_closed()
        assert self._connection.close_code is not None
        return self._connection.close_code

    async def _listen(self) -> None:
        try:
            while True:
                self._hear(json.loads(await self._connection.recv()))
                self.stir()
        except ConnectionClosed:
            return

    def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_ack":
            self._inits -= 1
            assert self._inits == 0, "one for the first hello, and no more"
        elif kind == "pong":
            assert self._pings, "a pong for each ping"
            stopped = self._pings.popleft()
            self.live = {id: each for id, each in self.live.items() if each is not stopped}
        else:
            assert kind in LETTERS, message
            assert message["id"] in self.live, message
            operation = self.live[message["id"]]
            operation.hear(message)
            self.heard[kind, operation.ask.kind] += 1
            if kind != "next":
                self.ended.append(self.live.pop(message["id"]))
