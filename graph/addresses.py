"""Hosts, origins and addresses: as settings list them, and as requests bring them."""

import functools
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

__all__ = ["Network", "address_in", "client_key", "client_of", "is_local", "listed", "networks_in", "within"]

Network: TypeAlias = IPv4Network | IPv6Network

HOP = re.compile(r"\[([0-9a-f:.]+)\](?::\d+)?|(\d+(?:\.\d+){3})(?::\d+)?|([0-9a-f:.]+)", re.IGNORECASE)
"""A client's address as proxies write it, some with its port."""


def listed(text: str) -> list[str]:
    """What stands between the commas."""
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def networks_in(text: str) -> list[Network]:
    """The networks of a list. Raises ValueError."""
    return [ip_network(part, strict=False) for part in listed(text)]


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is, of IPv4 where it is one in IPv6's clothes; None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_local(address: str) -> bool:
    """Whether it is this machine's own, which no other machine can connect from."""
    return address.startswith("127.") or (":" in address and _is_loopback(address))


@functools.lru_cache(maxsize=1024)  # a pure function
def client_key(address: str) -> str:
    """What counts as one client: an address of IPv4, or the network of /64 that one household has in IPv6."""
    known = address_in(address.partition("%")[0])
    if isinstance(known, IPv6Address):
        return str(IPv6Network((int(known) >> 64 << 64, 64)))
    return str(known or address)


def within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address in network for network in networks)


def client_of(peer: str, head: Mapping[bytes, bytes], proxies: Sequence[Network]) -> str:
    """The address of the client: the peer's, or the one that trusted proxies forward.

    Each proxy adds its peer's address at the end: what stands before the first untrusted one may be forged.
    """
    client = peer
    forwarded = head.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while (address := address_in(client)) is not None and within(address, proxies) and forwarded:
        before = HOP.fullmatch(forwarded.pop().strip())
        named = before and next(filter(None, before.groups()))
        if not named or address_in(named) is None:
            break
        client = named
    return client


@functools.lru_cache(maxsize=1024)  # a pure function
def _is_loopback(address: str) -> bool:
    known = address_in(address)
    return known is not None and known.is_loopback
