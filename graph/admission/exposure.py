"""Whom a server without tokens would let in."""

import logging
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from graph.settings import Settings, SettingsError, flag_name
from models.token import Token

__all__ = ["check_exposure", "is_for_this_machine_alone"]

log = logging.getLogger(__name__)


def is_for_this_machine_alone(settings: Settings) -> bool:
    """Whether nobody else is meant to reach the server: a name or a proxy that it is told of brings others."""
    return _is_loopback(settings.host) and not settings.allowed_hosts and not settings.trusted_proxies


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on a host."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def check_exposure(settings: Settings, tokens: Iterable[Token]) -> None:
    """Raise SettingsError where others would reach a server that could tell nobody from anybody."""
    all_made = list(tokens)
    if is_for_this_machine_alone(settings) or any(token.revoked_at is None for token in all_made):
        return
    if settings.insecure and (settings.open_reads or not all_made):
        if not all_made:
            what = "read everything" if settings.open_reads else "read and change everything, until there is a token"
            log.warning("--insecure: whoever reaches this server may %s", what)
        return
    if _is_loopback(settings.host):
        setting = "allowed_hosts" if settings.allowed_hosts else "trusted_proxies"
        what = f"{flag_name(setting)}: other machines reach the server by way of {getattr(settings, setting)}"
    else:
        what = f"{flag_name('host')}: {settings.host} is reached from other machines"
    make = "Make one with `training-monitor token create --name NAME --scope write`"
    if all_made:
        raise SettingsError(f"{what}, and every token is revoked, so that nobody would be let in. {make}.")
    raise SettingsError(
        f"{what}, and there is no token to let anyone in. {make}, or let everyone in with {flag_name('insecure')}."
    )
