"""The address of a webhook: which addresses are taken, and which of them lead into the internet. No I/O."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import inet_aton, inet_ntoa
from urllib.parse import urlsplit

MAX_ADDRESS = 2_000
"""Characters of a webhook's address."""

HOLDING_IPV4 = IPv6Network("64:ff9b::/96"), IPv6Network("::/96")
"""Networks of IPv6 whose addresses end in one of IPv4: of NAT64, and an older kind."""
UNICAST = IPv6Network("2000::/3")
"""All that is given out of IPv6."""
CLOUDS = IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24")
"""Where clouds serve a machine its secrets, in networks that are not private ones: Azure's, Oracle's."""


def why_no_webhook(address: str, allowed: Collection[str] = ()) -> str | None:
    """Why alerts cannot be sent to an address; None where they can, as far as its text says.

    `allowed`: hosts that may be private, and reached without TLS.
    """
    if len(address) > MAX_ADDRESS or not address.isprintable() or not address.isascii() or " " in address:
        return f"must be an https address of at most {MAX_ADDRESS} printable ASCII characters."
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "must be an https address."
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in allowed)):
        return "must be an https address."
    if parts.username is not None or parts.password is not None:
        return "must have no user and no password in its address."
    literal = _literal(host)
    if literal is not None and host not in allowed and not is_public(literal):
        return "must be an address of the internet, or of a host that --allowed-webhooks names."
    return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not of this machine, a private network, a link, or many machines.

    One of IPv6 that stands for one of IPv4 is judged as that.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        within = ip.ipv4_mapped or ip.sixtofour
        if within is None and any(ip in network for network in HOLDING_IPV4):
            within = IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is None:
            return ip in UNICAST and ip.is_global
        ip = within
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in CLOUDS)


def _literal(host: str) -> str | None:
    """The IP address that a host is, in any notation: 2130706433, 0x7f.1 and 0177.0.0.1 are all 127.0.0.1."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return inet_ntoa(inet_aton(host))
    except OSError:
        return None
