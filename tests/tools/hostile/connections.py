"""Hostile connections: peers that take their time, and peers that hang up."""

from collections.abc import Iterator

from tests.tools.hostile.attack import BEGUN, END, OPENED, Drip, Expected, Hostile, Steps, hostile
from tests.tools.wire import SOCKET, asking, frame, head, post, said, subscribe

KEEPING = head("GET", "/healthz", Connection="keep-alive")
CHUNKED = head(Content_Type="application/json", Transfer_Encoding="chunked")
HALF_A_HEAD = head("GET")[:-2]
HALF_A_BODY = post(b"{" * 100)[:-50]
LONG_BODY = post(b"{" * 100_000)[:-99_999]
UNWANTED = LONG_BODY.replace(b"Host: localhost", b"Host: evil.example").replace(b"close", b"keep-alive")
STREAM = post(asking("subscription { jobChanged { id } }"), Accept="text/event-stream")
BY_WHAT_IS_SENT: dict[str, Steps] = {
    "at once": [],
    "within a line": [b"GET / HT"],
    "within a head": [HALF_A_HEAD],
    "within a body": [HALF_A_BODY],
    "before the answer": [post(asking("{ jobs { id metrics { seq } } }"))],
    "on a mutation": [post(asking("mutation { startJob(id: 1) { __typename } }"))],
    "on a stream": [STREAM],
    "within a handshake": [head("GET", **SOCKET)],
    "within a frame": [*BEGUN, frame(1, b" " * 900_000)[:-1]],
}
SLOW: dict[str, Steps] = {
    "ends within its first line": [b"GET / HT"],
    "ends within its headers": [HALF_A_HEAD],
    "ends within its body": [HALF_A_BODY],
    "ends within a chunk": [CHUNKED + b"ff\r\nabc"],
    "ends within the size of a chunk": [CHUNKED + b"1;" + b"a" * 100_000],
    "ends before its trailers": [CHUNKED + b"0\r\n"],
    "a letter of its first line at a time": [b"G", Drip(b"G")],
    "a header at a time": [b"GET / HTTP/1.1\r\n", Drip(b"X: 1\r\n")],
    "a letter of a header at a time": [b"GET / HTTP/1.1\r\nX: ", Drip(b"a")],
    "a byte of the body at a time": [LONG_BODY, Drip(b" ")],
    "a chunk at a time": [CHUNKED, Drip(b"1\r\n \r\n")],
    "a trailer at a time": [CHUNKED + b"0\r\n", Drip(b"X: 1\r\n")],
    "an empty line at a time": [Drip(b"\r\n")],
    "a socket that never begins": OPENED,
    "a socket that pings but never begins": [*OPENED, said({"type": "ping"})],
    "a socket that subscribes first": [*OPENED, subscribe("{ __typename }")],
}
"""What the server refuses once its patience has ended."""
KEPT_WAITING: dict[str, Steps] = {
    "says nothing": [],
    "an empty line at a time after a request": [KEEPING, Drip(b"\r\n")],
    "a second request that stays half": [KEEPING, b"GET / HT"],
    "a body at a time behind a refusal": [UNWANTED, Drip(b" ")],
    **{f"closes its half {name}": [*steps, END] for name, steps in BY_WHAT_IS_SENT.items()},
}
"""What it ends then, answered or not."""


def slow() -> Iterator[Hostile]:
    """Peers that end only when the server loses its patience."""
    yield from hostile("slow", Expected.REFUSED, SLOW)
    yield from hostile("slow", Expected.ANYTHING, KEPT_WAITING)


def hanging_up() -> Iterator[Hostile]:
    """Peers that hang up, wherever they are."""
    yield from hostile("hangs up", Expected.ANYTHING, BY_WHAT_IS_SENT, hangs_up=True)
