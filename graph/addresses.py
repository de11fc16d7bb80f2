"""Hosts, origins and addresses: as settings list them, and as requests bring them."""

import functools
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from pydantic_core import PydanticCustomError

__all__ = [
    "Network",
    "address_in",
    "client_key",
    "client_of",
    "hosts_listed",
    "is_local",
    "listed",
    "networks_in",
    "networks_listed",
    "origins_listed",
    "prefix",
    "within",
]

Network: TypeAlias = IPv4Network | IPv6Network

HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
OWN = re.compile(r"/(assets|graphql|healthz|metrics|playground|readyz|session|sign-in|sign-out|training)(/.*)?")
"""Paths that the server has itself, so that they say nothing of a prefix."""
HOP = re.compile(r"\[([0-9a-f:.]+)\](?::\d+)?|(\d+(?:\.\d+){3})(?::\d+)?|([0-9a-f:.]+)", re.IGNORECASE)
"""A client's address as proxies write it, some with its port."""


def listed(text: str) -> list[str]:
    """What stands between the commas."""
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def hosts_listed(text: str) -> str:
    """The text, which lists names of hosts. Raises PydanticCustomError."""
    for host in listed(text):
        if not HOST.fullmatch(host):
            raise PydanticCustomError("host", "must be names, comma-separated, as runs.example.org")
    return text


def origins_listed(text: str) -> str:
    """The text, which lists origins. Raises PydanticCustomError."""
    for origin in listed(text):
        if not ORIGIN.fullmatch(origin):
            raise PydanticCustomError(
                "origin", "must be origins with their scheme, comma-separated, as https://dash.example.org"
            )
    return text


def networks_listed(text: str) -> str:
    """The text, which lists addresses, or networks of them. Raises PydanticCustomError."""
    try:
        networks_in(text)
    except ValueError as error:
        raise PydanticCustomError("network", "must be addresses or networks, as 10.0.0.5,10.1.0.0/16") from error
    return text


def prefix(text: str) -> str:
    """The path of a prefix, without the slash at its end. Raises PydanticCustomError."""
    path = text.rstrip("/")
    if not PREFIX.fullmatch(path) or OWN.fullmatch(path):
        raise PydanticCustomError("prefix", "must be a path that is none of the server's own, as /monitor")
    return path


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
    """Whether it is this machine's own, which nobody else can call from."""
    return address.startswith("127.") or (":" in address and _is_loopback(address))


def client_key(address: str) -> str:
    """What is told apart as one client: an address of IPv4, or the network of /64 that one household has in IPv6."""
    return _network_of(address) if ":" in address else address


def within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address in network for network in networks)


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


@functools.lru_cache(maxsize=1024)  # a pure function
def _is_loopback(address: str) -> bool:
    known = address_in(address)
    return known is not None and known.is_loopback


@functools.lru_cache(maxsize=1024)
def _network_of(address: str) -> str:
    known = address_in(address.partition("%")[0])
    if isinstance(known, IPv6Address):
        return str(IPv6Network((int(known) >> 64 << 64, 64)))
    return str(known or address)
