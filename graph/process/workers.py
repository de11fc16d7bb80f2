"""Several workers on one port: each a process with an app of its own. Whoever dies is replaced."""

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from graph.app import create_app
from graph.process import listening as binding
from graph.process import server
from graph.settings import Settings
from graph.stores import database_of
from graph.telemetry import logs
from models.store.database import StoreError

__all__ = ["serve"]

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Between two tries at a worker that does not come to serve."""
GIVE_UP_SECONDS = server.GIVE_UP_SECONDS + 0.2
"""How long workers have to end: each sees to it itself, a little earlier."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder of the workers' metrics; prometheus_client reads it at its import."""

spawning = multiprocessing.get_context("spawn")  # a fork would take the threads of numpy and of our own with it


def serve(settings: Settings, sockets: Sequence[socket.socket], ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; `ready` is called when all workers can serve."""
    with TemporaryDirectory(prefix="training-monitor-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        _keep([_Worker(settings, number, listening) for number, listening in enumerate(sockets, 1)], ready)


def _keep(workers: Sequence["_Worker"], ready: Callable[[], object]) -> None:
    word = _StopWord()
    for worker in workers:
        worker.start()
    is_said = False
    while not word.is_given():
        wait([word.heard, *(source for worker in workers for source in worker.sources)])
        for worker in workers:
            worker.see_to_it()
        if not is_said and all(worker.serves for worker in workers):
            ready()
            is_said = True
        if not word.is_given() and any(worker.is_due for worker in workers):
            time.sleep(RETRY_SECONDS)  # a signal interrupts no sleep, but this one is short
            for worker in workers:
                if worker.is_due:
                    worker.start()
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.end(deadline)


class _StopWord:
    """SIGINT or SIGTERM, as something to wait for."""

    def __init__(self) -> None:
        self._given = False
        self.heard, self._told = spawning.Pipe(duplex=False)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self._give)

    def is_given(self) -> bool:
        """Whether it was said."""
        return self._given

    def _give(self, _: int, __: FrameType | None) -> None:
        if not self._given:
            self._given = True
            self._told.send(None)


class _Worker:
    """One worker, by whatever process it is at the moment."""

    def __init__(self, settings: Settings, number: int, listening: socket.socket) -> None:
        self.number = number
        self.serves = False
        self.is_due = False
        """Whether it died before it came to serve: to be started again, but not at once."""
        self._settings = settings
        self._listening = listening
        self._reason = ""
        """Why it cannot serve, as it was told last."""

    def start(self) -> None:
        """Start a process for it."""
        self.serves = self.is_due = False
        Path(os.environ[METRICS_FOLDER]).mkdir(mode=0o700, exist_ok=True)  # systems remove old temporary files
        self._told, tell = spawning.Pipe(duplex=False)
        self.process = spawning.Process(
            target=_work, args=(self._settings, self.number, self._listening, tell), daemon=True
        )
        self.process.start()
        tell.close()

    @property
    def sources(self) -> "list[Connection[object, object] | int]":
        """What to wait for: that it serves, that it dies."""
        return [self.process.sentinel] if self.serves else [self.process.sentinel, self._told]

    def see_to_it(self) -> None:
        """Take note of what has happened to it."""
        if not self.serves and self._told.poll():
            try:
                reason: str = self._told.recv()
            except EOFError:
                self.process.join()
                reason = f"its process ended with status {self.process.exitcode}"
            if reason:
                self.process.join()
                self._wait(reason)
            else:
                self.serves = True
                self._reason = ""
        if self.serves and not self.process.is_alive():
            log.warning("worker %d ended with status %s: it is replaced", self.number, self.process.exitcode)
            assert self.process.pid is not None
            mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]  # it has no hints
            self.start()

    def _wait(self, reason: str) -> None:
        """It cannot serve now: others take its connections until it can."""
        self.is_due = True
        if reason != self._reason:  # it is tried again and again
            log.warning("worker %d cannot serve, and is tried again until it can: %s", self.number, reason)
            self._reason = reason
        if sys.platform == "linux":  # elsewhere it has no socket of its own
            port = self._listening.getsockname()[1]
            on_that_port = self._settings.model_copy(update={"port": port})
            closed, self._listening = self._listening, binding.bind(on_that_port, shared=True, listening_now=False)
            closed.close()  # after that, or the port would be anybody's for a moment

    def end(self, deadline: float) -> None:
        """Wait for its end, up to a moment."""
        self.process.join(max(0.0, deadline - time.monotonic()))
        self.process.kill()
        self.process.join()
        self._listening.close()


def _work(settings: Settings, number: int, listening: socket.socket, tell: "Connection[object, object]") -> None:
    """What a worker does, in its own process. It tells an empty text once it serves, or why it cannot."""
    logs.set_up(settings, number)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it serves: the parent hears of it too, and ends us
    try:
        asyncio.run(_open_once(settings))  # uvicorn would tell of it in many lines
    except StoreError as error:
        tell.send(str(error))
        sys.exit(1)
    server.serve(create_app(settings), settings, listening, lambda: tell.send(""))
    if not _parent().is_alive():  # killed, so it left its folder behind
        shutil.rmtree(os.environ[METRICS_FOLDER], ignore_errors=True)


async def _open_once(settings: Settings) -> None:
    async with database_of(settings):
        pass


def _end_with_the_parent() -> None:
    wait([_parent().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _parent() -> BaseProcess:
    parent = multiprocessing.parent_process()
    assert parent is not None
    return parent
