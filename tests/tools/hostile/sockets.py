"""Hostile WebSockets: handshakes that are none, and what is sent on a socket that has begun."""

import struct
from collections.abc import Iterator

from tests.tools.hostile.attack import ANSWER, BEGUN, Expected, Hostile, Steps, hostile
from tests.tools.hostile.requests import ORIGINS
from tests.tools.wire import CLOSE, INIT, SOCKET, frame, head, said, subscribe

LONG = "x" * 900_000
CHANGED = "subscription { jobChanged { id } }"
SELECTING = "subscription ($n: [String!]) { jobChanged { latestMetrics { values(names: $n) { name } } } }"
MESSAGES = (b"", b"[" * 100_000, b'{"type":"\\ud800"}', b'{"type":"subscribe","id":"1"}')
"""What is no message of the protocol; more of it: tests.transport.test_websocket_protocol."""
TWENTY = [str(n) for n in range(20)]


def sockets(message_bytes: int) -> Iterator[Hostile]:
    """All of them, for a server that takes messages of so many bytes."""
    yield from hostile("handshake", Expected.REFUSED, _shaking(REFUSED_HANDSHAKES))
    yield from hostile("handshake", Expected.ANSWERED, _shaking(ODD_HANDSHAKES))
    refused = {name: (*BEGUN, *frames) for name, frames in _refused_frames(message_bytes).items()}
    yield from hostile("socket", Expected.REFUSED, refused)
    odd = {name: (*BEGUN, *frames, CLOSE) for name, frames in ODD_FRAMES.items()}
    yield from hostile("socket", Expected.ANYTHING, odd)


def _shaking(hands: dict[str, bytes]) -> dict[str, Steps]:
    return {name: [request, ANSWER, CLOSE] for name, request in hands.items()}


def _with(name: str, *values: str) -> dict[str, bytes]:
    """Handshakes with these values of a header."""
    return {f"{name} {value[:20]!r}": head("GET", **SOCKET | {f"Sec-WebSocket-{name}": value}) for value in values}


REFUSED_HANDSHAKES = {
    **_with("Key", "", "x", "A" * 5_000),
    **_with("Version", "12", "", "13, 13", "x"),
    "elsewhere": head("GET", "/", **SOCKET),
    "at no path": head("GET", "/%ff", **SOCKET),
    "by POST": head("POST", **SOCKET),
    "without a host": head("GET", host="", **SOCKET),
    "for another host": head("GET", host="evil.example", **SOCKET),
    **{f"of the origin {origin[:30]!r}": head("GET", Origin=origin, **SOCKET) for origin in ORIGINS},
}
ODD_HANDSHAKES = {
    **_with("Extensions", "permessage-deflate; server_max_window_bits=99", "\xff", ";;;", "a," * 3_000),
    **_with("Protocol", "\xff", "," * 1_000, "graphql-ws"),
    "with another Connection": head("GET", **SOCKET | {"Connection": "keep-alive, Upgrade, close"}),
    "with a frame before its answer": head("GET", **SOCKET) + INIT,
}


def _refused_frames(message_bytes: int) -> dict[str, Steps]:
    piece = frame(0, bytes(60_000), fin=False)
    return {
        **{f"a frame of the kind {kind}": [frame(kind)] for kind in (3, 7, 0xB, 0xF)},
        **{f"a frame with the reserved bits {bits}": [frame(1, b"{}", reserved=bits)] for bits in (1, 2, 4, 7)},
        "a frame that is not masked": [frame(1, b"{}", masked=False)],
        "a ping in pieces": [frame(9, fin=False)],
        "a ping of 126 bytes": [frame(9, bytes(126))],
        "a piece that continues nothing": [frame(0, b"x")],
        "a message within a message": [frame(1, b"x", fin=False), frame(1, b"x")],
        "a close of one byte": [frame(8, b"x")],
        **{
            f"a close with {code}": [frame(8, struct.pack(">H", code))]
            for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
        },
        "a close with a reason that is no UTF-8": [frame(8, struct.pack(">H", 1000) + b"\xff")],
        "text that is no UTF-8": [frame(1, b"\xff\xfe")],
        "text that is no UTF-8, in pieces": [frame(1, b"\xff", fin=False), frame(0, b"\xfe")],
        "a surrogate": [frame(1, b"\xed\xa0\x80")],
        "bytes": [frame(2, b"{}")],
        "more than may come": [frame(1, bytes(message_bytes + 1))],
        "more than may come, in pieces": [frame(1, fin=False), *[piece] * (message_bytes // 60_000 + 4)],
        "an exabyte, as it says": [b"\x81\xff" + struct.pack(">Q", 2**60) + bytes(4)],
        "a negative length": [b"\x81\xff" + b"\xff" * 8 + bytes(4)],
        "empty pieces without end": [frame(1, fin=False) + frame(0, fin=False) * 5_000],
        "pings without end": [frame(9, b"x") * 5_000],
        "pongs without end": [frame(10, b"x") * 5_000],
        "messages without end": [said({"type": "ping"}) * 5_000],
        "messages of the protocol without end": [subscribe("{ __typename }") * 5_000],
        **{f"the message {text[:60].decode()}": [said(text)] for text in MESSAGES},
        "a second beginning": [INIT],
        "an id of 900 kB": [subscribe("{ __typename }", id=LONG)],
        "an id of 257 letters": [subscribe("{ __typename }", id="x" * 257)],
        "the end of an id of 900 kB": [said({"type": "complete", "id": LONG})],
        "the same id twice": [subscribe(CHANGED) * 2],
    }


ODD_FRAMES: dict[str, Steps] = {
    "operations that carry 900 kB each for nothing": [subscribe(CHANGED, id, unused=LONG) for id in TWENTY],
    "operations that select by 900 kB each": [subscribe(SELECTING, id, n=[id + LONG]) for id in TWENTY],
    "a ping that carries 900 kB": [said({"type": "ping", "payload": {"a": LONG}})],
    "too many operations": [b"".join(subscribe(CHANGED, str(n)) for n in range(300))],
    "an end of what never began": [said({"type": "complete", "id": "x"})],
    "operations that are ended at once": [
        b"".join(subscribe(CHANGED, id) + said({"type": "complete", "id": id}) for id in TWENTY * 5)
    ],
}
