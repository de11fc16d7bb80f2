"""The server process: its socket, its signals, its end."""

import contextlib
import ctypes
import functools
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from graph import garbage
from graph.app import App
from graph.process.http_connection import HTTPProtocol
from graph.process.unread import Unread
from graph.process.websocket_connection import SocketProtocol
from graph.settings import Settings

__all__ = ["Server", "configuration", "serve"]

SHUTDOWN_SECONDS = 1.5
"""How long requests under way may take to finish once the server is told to stop."""
GIVE_UP_SECONDS = 2.5
"""How long after that word the process ends whatever it waits for."""


GIVE_BACK_TICKS = 20
"""Of uvicorn's, a tenth of a second each: how often memory that answers left behind is given back to the system. The
allocator by itself keeps what lies between what is in use, a tenth of all after long answers."""

_give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


def serve(app: App, settings: Settings, listening: socket.socket, ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; `ready` is called when the first request can be served."""
    _allow_many_files()
    garbage.look_seldom()
    _ServerProcess(app, settings, ready).run(sockets=[listening])


def _allow_many_files() -> None:
    """As many open connections as the system lets this process have; what most begin with is a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems have a lower limit than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def configuration(app: App, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings for an app of ours."""
    unread = Unread(settings.max_unread_bytes)
    return uvicorn.Config(
        app,
        log_config=None,  # as all of the process logs
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,  # type: ignore[arg-type]  # handed to asyncio, which takes fractions
        http=functools.partial(HTTPProtocol, settings, app.watch, unread),  # type: ignore[arg-type]  # called as a class is
        ws=functools.partial(  # type: ignore[arg-type]  # as above
            SocketProtocol, settings.max_messages_a_second, app.watch, unread
        ),
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
        self._app.http_streams.end()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; uvicorn would raise the signal once more afterwards, and end the process with it."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()
        self.force_exit = False  # at a second one uvicorn would leave the app as it is; it ends soon in any case


class _ServerProcess(Server):
    """A server that is all that its process is for, and ends it in time."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Be told to end while it serves; afterwards it ends in any case, and whoever is impatient is not heard."""
        for each in HANDLED_SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # what uvicorn puts back
        with super().capture_signals():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end. What waits for a store that another process keeps locked cannot be interrupted: it is left."""
        super().handle_exit(sig, frame)
        giving_up = threading.Timer(GIVE_UP_SECONDS, os._exit, (0,))
        giving_up.daemon = True
        giving_up.start()
