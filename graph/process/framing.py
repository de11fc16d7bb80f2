"""Where a request ends, as its head says it: RFC 9112, 6.

A proxy that reads it otherwise takes a part of one client's request for another one's, and answers each with what the
other asked for (11.2). The parser refuses most of what can be read in two ways; here is the rest.
"""

from collections.abc import Sequence

__all__ = ["Unclear", "check_framing"]

VERSIONS = {"1.0", "1.1"}


class Unclear(Exception):
    """Another may read otherwise where a request ends. The message is for whoever sent it."""


def check_framing(version: str, headers: Sequence[tuple[bytes, bytes]], *, changes_protocol: bool) -> None:
    """Raise Unclear. Headers have their names in lower case; `changes_protocol`: to a socket's, or as CONNECT does."""
    if version not in VERSIONS:
        raise Unclear("This server speaks HTTP/1.1.")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise Unclear("A body comes as it is or, by HTTP/1.1, in chunks.")
    # The parser takes it that such a request has no body, whatever it says; a proxy that ignores the wish reads one.
    if changes_protocol and (
        codings or any(name == b"content-length" and value.strip(b"0") for name, value in headers)
    ):
        raise Unclear("A request that asks for another protocol must have no body: leave Upgrade out.")
