"""The server process: its socket, its signals, its end."""

import ctypes
import functools
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from graph.app import App
from graph.process.http_connection import HTTPConnection
from graph.process.limits import Arriving, ConnectionLimit, raise_open_files_limit
from graph.process.websocket_connection import WebSocketConnection
from graph.settings import Settings

__all__ = ["GIVE_UP_SECONDS", "Server", "serve"]

SHUTDOWN_SECONDS = 1.5  # how long requests under way may take to finish after SIGINT or SIGTERM
GIVE_UP_SECONDS = 2.5  # how long after the signal the process ends, whatever it waits for
TRIM_TICKS = 20
"""How often freed memory is returned to the system, in uvicorn's ticks of a tenth of a second. glibc by itself keeps
what lies between blocks in use, a tenth of all after long answers."""

GC_THRESHOLDS = 2_000, 50, 10
"""A collection stops everything, for as long as there are objects. Answers are many objects and no reference cycles:
Python's own thresholds (700, 10, 10) took a third of a replay's time. With these every object is looked at about once
in a million new ones that stayed."""

_trim_memory = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


def serve(app: App, settings: Settings, listening: socket.socket, ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; `ready` is called when the first request can be served."""
    raise_open_files_limit()
    gc.freeze()  # what is there now stays
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    server = Server(app, settings, ready)

    def stop(sig: int, frame: FrameType | None) -> None:
        if not server.should_exit:  # a second signal changes nothing: the process ends soon in any case
            server.handle_exit(sig, frame)
            # A thread that waits for a store which another process keeps locked cannot be interrupted.
            giving_up = threading.Timer(GIVE_UP_SECONDS, os._exit, (0,))
            giving_up.daemon = True
            giving_up.start()

    for each in HANDLED_SIGNALS:
        signal.signal(each, stop)
    server.run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn's, which also ends streams over HTTP: uvicorn would wait for them."""

    def __init__(self, app: App, settings: Settings, ready: Callable[[], object] = lambda: None) -> None:
        super().__init__(_configuration(app, settings))
        self._app = app
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`: uvicorn would raise them again at its end, and so fail."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and report it."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Do what is to be done ten times a second; return whether to end."""
        if counter % TRIM_TICKS == 0 and _trim_memory is not None:
            _trim_memory(0)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close sockets with 1012, end streams, let requests finish."""
        self._app.http_streams.end()
        await super().shutdown(sockets)


def _configuration(app: App, settings: Settings) -> uvicorn.Config:
    arriving = Arriving(settings.max_arriving_bytes)
    headers = [("X-Content-Type-Options", "nosniff")]  # of every answer
    if not settings.allowed_origins:  # else the gate sets it
        headers.append(("Cross-Origin-Resource-Policy", "same-origin"))
    return uvicorn.Config(
        app,
        log_config=None,  # as all of the process logs
        log_level="error",  # its warnings are about what clients send
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,  # type: ignore[arg-type]  # passed to asyncio, which takes fractions
        timeout_keep_alive=settings.keep_alive_seconds,
        http=functools.partial(  # type: ignore[arg-type]  # called as a class is
            HTTPConnection, settings, app.calls, arriving, ConnectionLimit()
        ),
        ws=functools.partial(WebSocketConnection, settings, arriving),  # type: ignore[arg-type]  # as above
        ws_per_message_deflate=False,  # it costs each socket more memory and time than these small messages are worth
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_seconds,
        ws_ping_timeout=settings.ping_seconds,
        proxy_headers=False,  # `graph.admission` finds out the client behind trusted proxies
        server_header=False,
        headers=headers,
    )
