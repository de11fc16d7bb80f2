"""Who is asking, by their address."""

import re
from collections.abc import Mapping, Sequence

from graph.gate.addresses import Network, address_in, within

__all__ = ["client_of"]

HOP = re.compile(r"\[([0-9a-f:.]+)\](?::\d+)?|(\d+(?:\.\d+){3})(?::\d+)?|([0-9a-f:.]+)", re.IGNORECASE)
"""A client's address as proxies write it, some with its port."""


def client_of(peer: str, head: Mapping[bytes, bytes], proxies: Sequence[Network]) -> str:
    """The address of who is asking: the peer's, or what the proxies that are trusted say of theirs.

    Each proxy adds its peer's address at the end: what stands before the first that is not trusted, anyone can write.
    """
    client = peer
    said = head.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while (address := address_in(client)) is not None and within(address, proxies) and said:
        before = HOP.fullmatch(said.pop().strip())
        named = before and next(filter(None, before.groups()))
        if not named or address_in(named) is None:
            break
        client = named
    return client
