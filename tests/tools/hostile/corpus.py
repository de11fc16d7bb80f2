"""All that is hostile, and the server that it is sent to."""

from collections.abc import Iterator

from tests.tools.hostile.attack import BEGUN, Expected, Hostile
from tests.tools.hostile.connections import hanging_up
from tests.tools.hostile.documents import documents
from tests.tools.hostile.requests import requests
from tests.tools.hostile.sockets import sockets
from tests.tools.wire import CLOSE, asking, post, subscribe

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
    return [*_documents(), *requests(HEADER_BYTES, MESSAGE_BYTES), *sockets(MESSAGE_BYTES), *hanging_up()]


def _documents() -> Iterator[Hostile]:
    for name, query, variables in documents():
        body = asking(query, **variables)
        yield Hostile(f"document: {name}", [post(body)], Expected.ANSWERED)
        if len(body) < ON_A_SOCKET:
            over_a_socket = [*BEGUN, subscribe(query, **variables), CLOSE]
            yield Hostile(f"document on a socket: {name}", over_a_socket, Expected.ANYTHING)
