"""One hostile peer: what it does, and how a server must answer it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from tests.tools.waiting import PATIENCE
from tests.tools.wire import CLOSE, INIT, SOCKET, STATUS, SWITCHED, Wire, close_code_of, connected, head

__all__ = [
    "Act",
    "Expected",
    "Hostile",
    "answered_in_between",
    "dripped",
    "fault_of",
    "halved",
    "hostile",
    "on_a_socket",
    "raw",
    "shaking_hands",
]

PAUSE = 0.1
"""Seconds between two drops of a slow peer: how often does not matter."""

Act = Callable[[Wire], Awaitable[None]]


class Expected(Enum):
    """How a server must answer."""

    REFUSED = "a status of the client's fault, or a close code that names one"
    ANSWERED = "any status or close code that does not blame the server"
    ANYTHING = "that, or the end of the connection"


@dataclass(frozen=True)
class Hostile:
    """A hostile peer."""

    name: str
    act: Act
    expected: Expected
    hangs_up: bool = False
    """Whether it hangs up itself, and reads no answer."""


def hostile(family: str, expected: Expected, acts: Iterable[tuple[str, Act]]) -> Iterator[Hostile]:
    """The peers of one family, by their names."""
    for name, act in acts:
        yield Hostile(f"{family}: {name}", act, expected)


async def fault_of(hostile: Hostile, address: str) -> str | None:
    """What is wrong with a server's answer to it; None where nothing is."""
    wire = await connected(address)
    try:
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError, EOFError):
                await hostile.act(wire)
                if not hostile.hangs_up:
                    await wire.hear_all()
    except TimeoutError:
        return f"{hostile.name}: neither an answer nor an end"
    finally:
        wire.writer.transport.abort()
    is_socket = wire.heard.startswith(SWITCHED)
    code = close_code_of(wire.heard) if is_socket else None
    statuses = [] if is_socket else [int(status) for status in STATUS.findall(wire.heard)]
    if any(status >= 500 for status in statuses) or code == 1011 or b"INTERNAL_SERVER_ERROR" in wire.heard:
        return f"{hostile.name}: the server blames itself: {statuses} {code} {wire.heard[-300:]!r}"
    if b"smuggled" in wire.heard:
        return f"{hostile.name}: what is no request was answered as one"
    is_refused = any(status >= 400 for status in statuses) or code not in {None, 1000, 1001}
    is_answered = bool(statuses or code)
    if (hostile.expected is Expected.REFUSED and not is_refused) or (
        hostile.expected is Expected.ANSWERED and not is_answered
    ):
        return f"{hostile.name}: {statuses} {code} is not {hostile.expected.value}"
    return None


def raw(*pieces: bytes) -> Act:
    """Send pieces, and read the answer."""

    async def act(wire: Wire) -> None:
        await wire.send(*pieces)

    return act


def halved(*pieces: bytes) -> Act:
    """Send pieces, and then say that nothing more will come."""

    async def act(wire: Wire) -> None:
        await wire.send(*pieces)
        wire.writer.write_eof()

    return act


def dripped(beginning: bytes, drop: bytes) -> Act:
    """Send a beginning, and then a drop again and again for as long as the server takes it."""

    async def act(wire: Wire) -> None:
        async def drip() -> None:
            while True:
                await wire.send(drop)
                await asyncio.sleep(PAUSE)

        await wire.send(beginning)
        dripping = asyncio.create_task(drip())
        await wire.hear_all()
        dripping.cancel()

    return act


def answered_in_between(*pieces: bytes) -> Act:
    """Send pieces, each once the one before it has been answered."""

    async def act(wire: Wire) -> None:
        for piece in pieces[:-1]:
            await wire.send(piece)
            await wire.hear(b"\r\n\r\n")
        await wire.send(pieces[-1])

    return act


def shaking_hands(request: bytes) -> Act:
    """Send a handshake, and close the socket where it is answered as one."""

    async def act(wire: Wire) -> None:
        await wire.send(request)
        await wire.hear(b"\r\n\r\n")
        if wire.heard.startswith(SWITCHED):
            await wire.send(CLOSE)

    return act


def on_a_socket(*frames: bytes, begun: bool = True, quit: bool = True) -> Act:
    """Open a socket, send frames, and close it."""

    async def act(wire: Wire) -> None:
        await wire.send(head("GET", **SOCKET))
        await wire.hear(b"\r\n\r\n")
        if begun:
            await wire.send(INIT)
            await wire.hear(b"connection_ack")
        await wire.send(*frames)
        if quit:
            await wire.send(CLOSE)

    return act
