"""Hosts, origins and addresses: as settings list them, and as requests bring them."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, LiteralString, TypeAlias

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

__all__ = [
    "Hosts",
    "Network",
    "Networks",
    "Origins",
    "Prefix",
    "address_in",
    "client_key",
    "client_of",
    "is_local",
    "listed",
    "networks_in",
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


def networks_in(text: str) -> list[Network]:
    """The networks of a list. Raises ValueError."""
    return [ip_network(part, strict=False) for part in listed(text)]


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


def _list_of(matches: Callable[[str], object], rule: LiteralString) -> AfterValidator:
    """A check of each part of a list."""

    def checked(text: str) -> str:
        if not all(map(matches, listed(text))):
            raise PydanticCustomError("list", rule)
        return text

    return AfterValidator(checked)


def _prefix(text: str) -> str:
    path = text.rstrip("/")
    if not PREFIX.fullmatch(path) or OWN.fullmatch(path):
        raise PydanticCustomError("prefix", "must be a path that is none of the server's own, as /monitor")
    return path


Hosts = Annotated[str, _list_of(HOST.fullmatch, "must be names, comma-separated, as runs.example.org")]
Origins = Annotated[
    str, _list_of(ORIGIN.fullmatch, "must be origins with their scheme, comma-separated, as https://dash.example.org")
]
Networks = Annotated[str, _list_of(_is_network, "must be addresses or networks, as 10.0.0.5,10.1.0.0/16")]
Prefix = Annotated[str, AfterValidator(_prefix)]
"""The types of settings; a prefix loses the slash at its end."""


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
