"""The sockets that servers listen on."""

import errno
import socket
import sys

from graph.settings import Settings

__all__ = ["BindError", "address_of", "bind", "bind_beside", "reserve"]

BACKLOG = 2048  # connections that may wait to be accepted


class BindError(Exception):
    """The address cannot be listened on. The message says why, in one line, and what to do."""


def bind(settings: Settings) -> socket.socket:
    """The socket of a server that is one process. Raises BindError."""
    listening = _bound(settings, settings.port)
    listening.listen(BACKLOG)
    return listening


def reserve(settings: Settings) -> socket.socket:
    """A socket that keeps the port for workers, which listen beside it. Raises BindError."""
    first = _bound(settings, settings.port)  # unshared, to see whether others share the port already
    if sys.platform != "linux":
        return first
    with first:
        port: int = first.getsockname()[1]
    return _bound(settings, port, shared=True)


def bind_beside(reserved: socket.socket, settings: Settings) -> socket.socket:
    """A worker's own socket on the port of a reserved one. Raises BindError.

    Linux deals connections out evenly among sockets that listen on one port; of one socket for all workers, the worker
    that wakes first accepts all that wait. Other systems do not deal them out, so there they share the reserved one.
    """
    return _bound(settings, reserved.getsockname()[1], shared=True) if sys.platform == "linux" else reserved


def _bound(settings: Settings, port: int, *, shared: bool = False) -> socket.socket:
    """Raises BindError."""
    host = settings.host
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(f"Cannot listen on {host}: {error.strerror}. Choose another address with --host.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _detect_dead_peers(bound, settings.ping_seconds)
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            other = 'choose another with --port (with make: ARGS="--port 9000")'
            message = f"Port {port} of {host} is taken. Stop what listens there, a demo perhaps, or {other}."
        elif error.errno == errno.EACCES:
            message = f"Port {port} of {host} is not allowed to you. Choose one above 1023 with --port."
        else:
            message = f"Cannot listen on {host}: {error.strerror}. Choose another address with --host."
        raise BindError(message) from error
    return bound


def _detect_dead_peers(bound: socket.socket, seconds: float) -> None:
    """Have TCP notice in about twice `seconds` that a peer is gone: accepted sockets inherit these options."""
    whole = max(1, round(seconds))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {
        "TCP_KEEPIDLE": whole,
        "TCP_KEEPINTVL": max(1, whole // 2),
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": 2000 * whole,
    }.items():
        if option := getattr(socket, name, None):  # not every system has each
            bound.setsockopt(socket.IPPROTO_TCP, option, value)


def address_of(listening: socket.socket) -> str:
    """Where a client on this machine reaches the socket."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
