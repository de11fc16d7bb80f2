"""One hostile peer: what it does, and how a server must answer it."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain

from tests.tools.waiting import PATIENCE
from tests.tools.wire import CLOSE, INIT, SOCKET, STATUS, SWITCHED, Wire, close_code_of, connected, head

PAUSE = 0.1
"""Seconds between two drops of a slow peer: how often does not matter."""


@dataclass(frozen=True)
class Until:
    """Wait until the server has sent that."""

    text: bytes


@dataclass(frozen=True)
class Drip:
    """Send that again and again, for as long as the server takes it."""

    drop: bytes


END = None
"""Send nothing more."""
ANSWER = Until(b"\r\n\r\n")
Steps = Sequence[bytes | Until | Drip | None]
"""What a peer does, one after another; bytes are sent, and CLOSE only where the connection has become a socket."""
OPENED: Steps = (head("GET", **SOCKET), ANSWER)
BEGUN: Steps = (*OPENED, INIT, Until(b"connection_ack"))


class Expected(Enum):
    """How a server must answer."""

    REFUSED = "a status of the client's fault, or a close code that names one"
    ANSWERED = "any status or close code that does not blame the server"
    ANYTHING = "that, or the end of the connection"


@dataclass(frozen=True)
class Hostile:
    """A hostile peer."""

    name: str
    steps: Steps
    expected: Expected
    hangs_up: bool = False
    """Whether it hangs up itself, and reads no answer."""


def hostile(
    family: str, expected: Expected, members: Mapping[str, Steps], *, hangs_up: bool = False
) -> Iterator[Hostile]:
    """The peers of one family, by their names."""
    for name, steps in members.items():
        yield Hostile(f"{family}: {name}", steps, expected, hangs_up)


async def faults_of(attacks: Sequence[Hostile], url: str, at_once: int = 4) -> list[str]:
    """What is wrong with the answers to all of them, so many of which are under way at the same time."""
    waiting = iter(attacks)

    async def attacker() -> list[str]:
        return [fault for hostile in waiting if (fault := await _fault_of(hostile, url))]

    return [*chain.from_iterable(await asyncio.gather(*(attacker() for _ in range(at_once))))]


async def _fault_of(hostile: Hostile, address: str) -> str | None:
    """What is wrong with a server's answer to it; None where nothing is."""
    wire = await connected(address)
    try:
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError, EOFError):
                await _act(wire, hostile.steps)
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
    meets = {
        Expected.REFUSED: any(status >= 400 for status in statuses) or code not in {None, 1000, 1001},
        Expected.ANSWERED: bool(statuses or code),
        Expected.ANYTHING: True,
    }
    return None if meets[hostile.expected] else f"{hostile.name}: {statuses} {code} is not {hostile.expected.value}"


async def _act(wire: Wire, steps: Steps) -> None:
    for step in steps:
        match step:
            case Until(text):
                await wire.hear(text)
            case Drip(drop):
                dripping = asyncio.create_task(_drip(wire, drop))
                await wire.hear_all()
                dripping.cancel()
            case None:
                wire.writer.write_eof()
            case _:
                if step is not CLOSE or wire.heard.startswith(SWITCHED):
                    await wire.send(step)


async def _drip(wire: Wire, drop: bytes) -> None:
    while True:
        await wire.send(drop)
        await asyncio.sleep(PAUSE)
