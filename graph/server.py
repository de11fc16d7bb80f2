"""The server process: its socket, its signals, its end."""

import ctypes
import errno
import functools
import gc
import os
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn

from graph.app import App
from graph.http_protocol import HTTPProtocol
from graph.live.socket import SocketProtocol
from graph.settings import Settings

__all__ = ["BindError", "Server", "address_of", "bind", "configuration", "serve"]

SHUTDOWN_SECONDS = 1.5
"""How long requests under way may take to finish once the server is told to stop."""
GIVE_UP_SECONDS = 2.5
"""How long after that word the process ends whatever it waits for."""


GARBAGE = (2_000, 50, 50)
"""When Python looks for garbage in rings. Answers are many objects and no rings: looking as often as it does by itself
took a third of a long replay's time."""
SWITCH_SECONDS = 0.0001
"""For how long a thread that reads a long document keeps the loop from going on. Python's own 5 ms are ten answers'."""
GIVE_BACK_TICKS = 20
"""Of uvicorn's, a tenth of a second each: how often memory that answers left behind is given back to the system. The
allocator by itself keeps what lies between what is in use, a tenth of all after long answers."""

_give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


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
            message = f"Port {port} of {host} is taken. Stop what listens there, or choose another with --port."
        elif error.errno == errno.EACCES:
            message = f"Port {port} of {host} is not allowed to you. Choose one above 1023 with --port."
        else:
            message = f"Cannot listen on {host}: {error.strerror}. Choose another address with --host."
        raise BindError(message) from error
    return listening


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


def serve(app: App, settings: Settings, listening: socket.socket, ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; `ready` is called when the first request can be served."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what is there now stays
    gc.set_threshold(*GARBAGE)
    gc.enable()
    _ServerProcess(app, settings, ready).run(sockets=[listening])


def configuration(app: App, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings for an app of ours."""
    return uvicorn.Config(
        app,
        log_config=None,  # as all of the process logs
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,  # type: ignore[arg-type]  # handed to asyncio, which takes fractions
        http=functools.partial(HTTPProtocol, settings, app.watch),  # type: ignore[arg-type]  # called as a class is
        ws=functools.partial(SocketProtocol, settings.max_messages_a_second, app.watch),  # type: ignore[arg-type]
        ws_per_message_deflate=False,  # it costs each socket more memory and time than these small messages are worth
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_seconds,
        ws_ping_timeout=settings.ping_seconds,
        proxy_headers=False,  # who is asking is found out where it is counted
        server_header=False,
        headers=[*_headers(settings).items()],
    )


def _headers(settings: Settings) -> dict[str, str]:
    """Of every answer, whoever makes it. Where pages of other origins may call, `Cors` says whose resource each is."""
    own = {} if settings.allowed_origins else {"Cross-Origin-Resource-Policy": "same-origin"}
    return {"X-Content-Type-Options": "nosniff", **own}


class Server(uvicorn.Server):
    """uvicorn's, but it ends streams over HTTP, which it would wait for, and ending as told is a success."""

    def __init__(self, app: App, settings: Settings, ready: Callable[[], object] = lambda: None) -> None:
        super().__init__(configuration(app, settings))
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Do what is to be done ten times a second; tell whether to end."""
        if counter % GIVE_BACK_TICKS == 0 and _give_back is not None:
            _give_back(0)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close sockets with 1012, let streams end and requests finish."""
        self._app.view.end_streams()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; uvicorn would raise the signal once more afterwards, and end the process with it."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


class _ServerProcess(Server):
    """A server that is all that its process is for, and ends it in time."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end. What waits for a store that another process keeps locked cannot be interrupted: it is left."""
        super().handle_exit(sig, frame)
        giving_up = threading.Timer(GIVE_UP_SECONDS, os._exit, (0,))
        giving_up.daemon = True
        giving_up.start()
