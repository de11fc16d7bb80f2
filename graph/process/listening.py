"""The sockets that servers listen on."""

import errno
import socket
import sys

from graph.settings import Settings

__all__ = ["BindError", "address_of", "bind", "bind_each"]


class BindError(Exception):
    """The address cannot be listened on. The message says why, in one line, and what to do."""


def bind(settings: Settings, *, shared: bool = False, listening_now: bool = True) -> socket.socket:
    """The socket to serve on; `shared`: with other sockets of ours on its port. Raises BindError.

    Where it does not listen now, it is dealt no connections before a server listens on it.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(f"Cannot listen on {host}: {error.strerror}. Choose another address with --host.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _find_the_gone(listening, settings.ping_seconds)
        listening.bind(address)
        if listening_now:
            listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            other = 'choose another with --port (with make: ARGS="--port 9000")'
            message = f"Port {port} of {host} is taken. Stop what listens there, a demo perhaps, or {other}."
        elif error.errno == errno.EACCES:
            message = f"Port {port} of {host} is not allowed to you. Choose one above 1023 with --port."
        else:
            message = f"Cannot listen on {host}: {error.strerror}. Choose another address with --host."
        raise BindError(message) from error
    return listening


def bind_each(settings: Settings) -> list[socket.socket]:
    """A socket for each worker, all on one port. Raises BindError.

    Linux deals connections out evenly among sockets that share a port; with one socket for all of them, the worker that
    wakes first takes all that wait. The sockets are the parent's: while a worker is replaced, its connections wait;
    while it cannot come to serve, none are dealt to it.
    """
    first = bind(settings)  # unshared: so that a port that others share is seen to be taken
    if settings.workers == 1 or sys.platform != "linux":
        return [first] * settings.workers
    with first:
        port = first.getsockname()[1]
    on_that_port = settings.model_copy(update={"port": port})
    return [bind(on_that_port, shared=True) for _ in range(settings.workers)]


def _find_the_gone(listening: socket.socket, seconds: float) -> None:
    """Let TCP find peers that are gone without a word, in about twice `seconds`: accepted sockets inherit this."""
    whole = max(1, round(seconds))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {
        "TCP_KEEPIDLE": whole,
        "TCP_KEEPINTVL": max(1, whole // 2),
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": 2000 * whole,
    }.items():
        if option := getattr(socket, name, None):  # not every system has each
            listening.setsockopt(socket.IPPROTO_TCP, option, value)


def address_of(listening: socket.socket) -> str:
    """Where a client on this machine reaches the socket."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
