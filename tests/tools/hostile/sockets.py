"""Hostile WebSockets: handshakes that are none, and what is sent on a socket that has begun."""

import struct
from collections.abc import Iterator, Sequence

from tests.tools.hostile.attack import Act, Expected, Hostile, hostile, on_a_socket, shaking_hands
from tests.tools.wire import INIT, SOCKET, frame, head, said, subscribe

__all__ = ["sockets"]

LONG = "x" * 900_000
CHANGED = "subscription { jobChanged { id } }"
SELECTING = "subscription ($n: [String!]) { jobChanged { latestMetrics { values(names: $n) { name } } } }"
MESSAGES = (b"", b"[" * 100_000, b'{"type":"\\ud800"}', b'{"type":"subscribe","id":"1"}')
"""What is no message of the protocol; more of it: tests.transport.test_websocket_protocol."""


def sockets(message_bytes: int) -> Iterator[Hostile]:
    """All of them, for a server that takes messages of so many bytes."""
    refused = {name: shaking_hands(request) for name, request in _refused_handshakes()}
    yield from hostile("handshake", Expected.REFUSED, refused.items())
    yield from hostile("handshake", Expected.ANSWERED, ((name, shaking_hands(it)) for name, it in _odd_handshakes()))
    yield from hostile("socket", Expected.REFUSED, _closed(_refused_frames(message_bytes)))
    yield from hostile("socket", Expected.ANYTHING, ((name, on_a_socket(*it)) for name, it in _odd_frames()))


def _closed(frames: Iterator[tuple[str, Sequence[bytes]]]) -> Iterator[tuple[str, Act]]:
    return ((name, on_a_socket(*each, quit=False)) for name, each in frames)


def _refused_handshakes() -> Iterator[tuple[str, bytes]]:
    for name, values in {"Key": ("", "x", "A" * 5_000), "Version": ("12", "", "13, 13", "x")}.items():
        for value in values:
            yield f"{name} {value[:20]!r}", head("GET", **SOCKET | {f"Sec-WebSocket-{name}": value})
    yield "elsewhere", head("GET", "/", **SOCKET)
    yield "at no path", head("GET", "/%ff", **SOCKET)
    yield "by POST", head("POST", **SOCKET)
    yield "without a host", head("GET", host="", **SOCKET)
    yield "for another host", head("GET", host="evil.example", **SOCKET)


def _odd_handshakes() -> Iterator[tuple[str, bytes]]:
    extensions = ("permessage-deflate; server_max_window_bits=99", "\xff", ";;;", "a," * 3_000)
    for name, values in {"Extensions": extensions, "Protocol": ("\xff", "," * 1_000, "graphql-ws")}.items():
        for value in values:
            yield f"{name} {value[:20]!r}", head("GET", **SOCKET | {f"Sec-WebSocket-{name}": value})
    yield "with another Connection", head("GET", **SOCKET | {"Connection": "keep-alive, Upgrade, close"})
    yield "with a frame before its answer", head("GET", **SOCKET) + INIT


def _refused_frames(message_bytes: int) -> Iterator[tuple[str, Sequence[bytes]]]:
    for kind in (3, 7, 0xB, 0xF):
        yield f"a frame of the kind {kind}", [frame(kind)]
    for reserved in (1, 2, 4, 7):
        yield f"a frame with the reserved bits {reserved}", [frame(1, b"{}", reserved=reserved)]
    yield "a frame that is not masked", [frame(1, b"{}", masked=False)]
    yield "a ping in pieces", [frame(9, fin=False)]
    yield "a ping of 126 bytes", [frame(9, bytes(126))]
    yield "a piece that continues nothing", [frame(0, b"x")]
    yield "a message within a message", [frame(1, b"x", fin=False), frame(1, b"x")]
    yield "a close of one byte", [frame(8, b"x")]
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535):
        yield f"a close with {code}", [frame(8, struct.pack(">H", code))]
    yield "a close with a reason that is no UTF-8", [frame(8, struct.pack(">H", 1000) + b"\xff")]
    yield "text that is no UTF-8", [frame(1, b"\xff\xfe")]
    yield "text that is no UTF-8, in pieces", [frame(1, b"\xff", fin=False), frame(0, b"\xfe")]
    yield "a surrogate", [frame(1, b"\xed\xa0\x80")]
    yield "bytes", [frame(2, b"{}")]
    yield "more than may come", [frame(1, bytes(message_bytes + 1))]
    pieces = [frame(0, bytes(60_000), fin=False)] * (message_bytes // 60_000 + 4)
    yield "more than may come, in pieces", [frame(1, bytes(60_000), fin=False), *pieces]
    yield "an exabyte, as it says", [b"\x81\xff" + struct.pack(">Q", 2**60) + bytes(4)]
    yield "a negative length", [b"\x81\xff" + b"\xff" * 8 + bytes(4)]
    yield "empty pieces without end", [frame(1, fin=False) + frame(0, fin=False) * 5_000]
    yield "pings without end", [frame(9, b"x") * 5_000]
    yield "pongs without end", [frame(10, b"x") * 5_000]
    yield "messages without end", [said({"type": "ping"}) * 5_000]
    yield "messages of the protocol without end", [subscribe("{ __typename }") * 5_000]
    for text in MESSAGES:
        yield f"the message {text[:60].decode()}", [said(text)]
    yield "a second beginning", [INIT]
    yield "an id of 900 kB", [subscribe("{ __typename }", id=LONG)]
    yield "an id of 257 letters", [subscribe("{ __typename }", id="x" * 257)]
    yield "the end of an id of 900 kB", [said({"type": "complete", "id": LONG})]
    yield "the same id twice", [subscribe(CHANGED) * 2]


def _odd_frames() -> Iterator[tuple[str, Sequence[bytes]]]:
    twenty = [str(n) for n in range(20)]
    yield "operations that carry 900 kB each for nothing", [subscribe(CHANGED, id, unused=LONG) for id in twenty]
    yield "operations that select by 900 kB each", [subscribe(SELECTING, id, n=[id + LONG]) for id in twenty]
    yield "a ping that carries 900 kB", [said({"type": "ping", "payload": {"a": LONG}})]
    yield "too many operations", [b"".join(subscribe(CHANGED, str(n)) for n in range(300))]
    yield "an end of what never began", [said({"type": "complete", "id": "x"})]
    ended = (subscribe(CHANGED, id) + said({"type": "complete", "id": id}) for id in twenty * 5)
    yield "operations that are ended at once", [b"".join(ended)]
