"""Whom a server without tokens would let in."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from graph.settings import Settings, SettingsError, flag_name
from models.token import Token

__all__ = ["check_exposure", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on a host."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def check_exposure(settings: Settings, tokens: Iterable[Token]) -> None:
    """Raise SettingsError where others would reach a server that could tell nobody from anybody."""
    if settings.insecure or is_loopback(settings.host) or any(token.revoked_at is None for token in tokens):
        return
    raise SettingsError(
        f"{flag_name('host')}: {settings.host} is reached from other machines, and there is no token to let anyone in. "
        "Make one with `training-monitor token create --name NAME --scope write`, or let everyone in with "
        f"{flag_name('insecure')}."
    )
