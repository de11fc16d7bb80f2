"""Hostile connections: requests within requests, peers that take their time, and peers that hang up."""

from collections.abc import Iterator, Sequence
from itertools import product

from tests.tools.hostile.attack import (
    Act,
    Expected,
    Hostile,
    answered_in_between,
    dripped,
    halved,
    hostile,
    on_a_socket,
    raw,
)
from tests.tools.wire import SMUGGLED, SOCKET, asking, frame, head, post, said, subscribe

__all__ = ["hanging_up", "slow", "smugglers"]

JSON = {"Content-Type": "application/json"}
KEPT = {"Connection": "keep-alive"}
CHUNKED = {"Transfer-Encoding": "chunked"}
LENGTH = {"Content-Length": str(len(SMUGGLED))}
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
HALF_A_BODY = post(b"{" * 100)[:-50]
LONG_BODY = post(b"{" * 100_000)[:-99_999]
STREAM = post(asking("subscription { jobChanged { id } }"), Accept="text/event-stream")


def smugglers() -> Iterator[Hostile]:
    """Requests with another one behind or within them, which must not be answered."""
    yield from hostile("smuggler", Expected.ANSWERED, ((name, answered_in_between(*it)) for name, it in _smuggling()))
    behind = head("GET", "/healthz", **KEPT) + head("GET", **SOCKET) + SMUGGLED
    yield Hostile("smuggler: a handshake behind a request", answered_in_between(behind), Expected.ANYTHING)


def _smuggling() -> Iterator[tuple[str, Sequence[bytes]]]:
    bodies = ((LENGTH, SMUGGLED), (CHUNKED, IN_CHUNKS))
    for (framing, body), protocol, method in product(bodies, ("h2c", "foo", "websocket"), ("POST", "GET", "HEAD")):
        beginning = head(method, **JSON | SOCKET | framing | {"Upgrade": protocol})
        name = f"an upgrade to {protocol} with {', '.join(framing)} by {method}"
        yield f"{name}, in one piece", [beginning + body]
        if protocol == "websocket" or method != "POST":  # otherwise the body is waited for
            yield f"{name}, in two pieces", [beginning, body]
    yield "CONNECT with a body", [head("CONNECT", **KEPT | LENGTH), SMUGGLED]
    for coding in ("gzip, chunked", "identity\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: chunked"):
        body = head("POST", Transfer_Encoding=coding, **JSON | KEPT) + b"0\r\n\r\n" + SMUGGLED
        yield f"the transfer encoding {coding!r}", [body]


def slow() -> Iterator[Hostile]:
    """Peers that end only when the server loses its patience."""
    yield from hostile("slow", Expected.REFUSED, _refused_as_slow())
    yield from hostile("slow", Expected.ANYTHING, _ended_as_slow())


def _refused_as_slow() -> Iterator[tuple[str, Act]]:
    chunked = head(**JSON | CHUNKED)
    yield "ends within its first line", raw(b"GET / HT")
    yield "ends within its headers", raw(head("GET")[:-4])
    yield "ends within its body", raw(HALF_A_BODY)
    yield "ends within a chunk", raw(chunked + b"ff\r\nabc")
    yield "ends before its trailers", raw(chunked + b"0\r\n")
    yield "a letter of its first line at a time", dripped(b"G", b"G")
    yield "a header at a time", dripped(b"GET / HTTP/1.1\r\n", b"X: 1\r\n")
    yield "a letter of a header at a time", dripped(b"GET / HTTP/1.1\r\nX: ", b"a")
    yield "a byte of the body at a time", dripped(LONG_BODY, b" ")
    yield "a chunk at a time", dripped(chunked, b"1\r\n \r\n")
    yield "a trailer at a time", dripped(chunked + b"0\r\n", b"X: 1\r\n")
    yield "an empty line at a time", dripped(b"", b"\r\n")
    yield "a socket that never begins", on_a_socket(begun=False, quit=False)
    yield "a socket that pings but never begins", on_a_socket(said({"type": "ping"}), begun=False, quit=False)
    yield "a socket that subscribes first", on_a_socket(subscribe("{ __typename }"), begun=False, quit=False)


def _ended_as_slow() -> Iterator[tuple[str, Act]]:
    keeping = head("GET", "/healthz", **KEPT)
    yield "says nothing", raw()
    yield "an empty line at a time after a request", dripped(keeping, b"\r\n")
    yield "a second request that stays half", raw(keeping, b"GET / HT")
    unwanted = LONG_BODY.replace(b"Host: localhost", b"Host: evil.example").replace(b"close", b"keep-alive")
    yield "a body at a time behind a refusal", dripped(unwanted, b" ")
    for name, text in {
        "nothing": b"",
        "half a line": b"GET / HT",
        "half a head": head("GET")[:-2],
        "half a body": HALF_A_BODY,
        "a request": head("GET", "/healthz"),
        "a stream": STREAM,
        "a handshake": head("GET", **SOCKET),
    }.items():
        yield f"closes its half after {name}", halved(text)


def hanging_up() -> Iterator[Hostile]:
    """Peers that hang up, wherever they are."""
    for name, text in {
        "at once": b"",
        "within a head": head("GET")[:-2],
        "within a body": HALF_A_BODY,
        "before the answer": post(asking("{ jobs { id metrics { seq } } }")),
        "on a mutation": post(asking("mutation { startJob(id: 1) { __typename } }")),
        "on a stream": STREAM,
        "within a handshake": head("GET", **SOCKET),
    }.items():
        yield Hostile(f"hangs up {name}", raw(text), Expected.ANYTHING, hangs_up=True)
    half_a_frame = on_a_socket(frame(1, b" " * 900_000)[:-1], quit=False)
    yield Hostile("hangs up within a frame", half_a_frame, Expected.ANYTHING, hangs_up=True)
