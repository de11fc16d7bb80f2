"""All that is hostile, and the server that it is sent to."""

import asyncio
from collections.abc import Iterator, Sequence

from tests.tools.hostile.attack import Expected, Hostile, fault_of, on_a_socket, raw
from tests.tools.hostile.connections import hanging_up, slow, smugglers
from tests.tools.hostile.documents import documents
from tests.tools.hostile.requests import requests
from tests.tools.hostile.sockets import sockets
from tests.tools.wire import asking, post, subscribe

__all__ = ["FLAGS", "faults_of", "quick", "slow"]

HEADER_BYTES = 16_384
MESSAGE_BYTES = 1_000_000
LIMITS = {
    "max-header-bytes": HEADER_BYTES,
    "max-message-bytes": MESSAGE_BYTES,
    "request-seconds": 5.0,
    "init-seconds": 5,
}
"""Limits of the server that are low, so that the corpus takes little time."""
FLAGS = [text for name, value in LIMITS.items() for text in (f"--{name}", str(value))]
ON_A_SOCKET = 200_000
"""Bytes of the longest document that is sent over a socket too."""


def quick() -> list[Hostile]:
    """All that the server answers, or parts from, at once."""
    return [
        *_documents(),
        *requests(HEADER_BYTES, MESSAGE_BYTES),
        *smugglers(),
        *sockets(MESSAGE_BYTES),
        *hanging_up(),
    ]


def _documents() -> Iterator[Hostile]:
    for name, query, variables in documents():
        body = asking(query, **variables)
        yield Hostile(f"document: {name}", raw(post(body)), Expected.ANSWERED)
        if len(body) < ON_A_SOCKET:
            over_a_socket = on_a_socket(subscribe(query, **variables))
            yield Hostile(f"document on a socket: {name}", over_a_socket, Expected.ANYTHING)


async def faults_of(attacks: Sequence[Hostile], url: str, at_once: int = 4) -> list[str]:
    """What is wrong with the answers to all of them, so many of which are under way at the same time."""
    waiting = iter(attacks)

    async def attacker() -> list[str]:
        return [fault for hostile in waiting if (fault := await fault_of(hostile, url))]

    return [fault for faults in await asyncio.gather(*(attacker() for _ in range(at_once))) for fault in faults]
