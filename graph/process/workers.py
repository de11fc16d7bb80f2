"""Several workers on one port, each a process with an app of its own. One that dies is replaced.

uvicorn's supervisor cannot do this: it stops everything when one worker cannot start, its workers outlive a parent that
was killed, they share one socket, of which the worker that wakes first takes all that waits, and they run uvicorn's
own server, which waits for streams.
"""

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.multiprocess import mark_process_dead

from graph.app import create_app
from graph.process import server
from graph.process.listening import bind_beside
from graph.settings import Settings
from graph.stores import database_of
from graph.telemetry import logs
from models.store.errors import StoreError

__all__ = ["serve"]

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Between two tries: of a worker to open its store, of the parent to start a worker that ended before it served."""
GIVE_UP_SECONDS = server.GIVE_UP_SECONDS + 0.2  # how long workers have to end: each ends itself a little earlier
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder of the workers' metrics; prometheus_client reads it at its import."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

spawning = multiprocessing.get_context("spawn")  # a fork would copy the locks of numpy's threads and of our own


def serve(settings: Settings, reserved: socket.socket, ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; `ready` is called when all workers serve."""
    signalled, signal_sender = spawning.Pipe(duplex=False)

    def stop(*_: object) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        signal_sender.send(None)

    for each in STOP_SIGNALS:
        signal.signal(each, stop)
    reports, reporter = spawning.Pipe(duplex=False)  # the numbers of workers, each once it serves
    processes: dict[int, SpawnProcess] = {}
    serving: set[int] = set()
    is_ready = False

    def start(number: int) -> None:
        serving.discard(number)
        Path(folder).mkdir(mode=0o700, exist_ok=True)  # systems remove old temporary files
        processes[number] = spawning.Process(target=_work, args=(settings, number, reserved, reporter), daemon=True)
        processes[number].start()

    with TemporaryDirectory(prefix="training-monitor-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        for number in range(1, settings.workers + 1):
            start(number)
        while not signalled.poll():
            wait([signalled, reports, *(process.sentinel for process in processes.values())])
            while reports.poll():
                serving.add(reports.recv())
            if not is_ready and len(serving) == len(processes):
                ready()
                is_ready = True
            for number, process in [*processes.items()]:
                if not process.is_alive() and not signalled.poll():
                    log.warning("worker %d ended with exit code %s; starting another", number, process.exitcode)
                    mark_process_dead(process.pid)  # type: ignore[no-untyped-call]  # it has no hints
                    if number not in serving:
                        signalled.poll(RETRY_SECONDS)
                    start(number)
        _end(processes.values())


def _end(processes: Collection[SpawnProcess]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()


def _work(settings: Settings, number: int, reserved: socket.socket, reporter: "Connection[object, object]") -> None:
    """Be a worker, in its own process."""
    logs.set_up(settings, number)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it serves: the parent receives it too, and ends this
    asyncio.run(_wait_for_the_store(settings, number))
    with bind_beside(reserved, settings) as listening:
        server.serve(create_app(settings), settings, listening, lambda: reporter.send(number))
    if not _parent().is_alive():  # killed, so it left its folder behind
        shutil.rmtree(os.environ[METRICS_FOLDER], ignore_errors=True)


async def _wait_for_the_store(settings: Settings, number: int) -> None:
    """Return once the store can be opened. Until then the other workers get all connections."""
    logged = ""
    while True:
        try:
            async with database_of(settings):
                return
        except StoreError as error:
            if str(error) != logged:
                logged = str(error)
                log.warning("worker %d cannot serve, and tries again until it can: %s", number, logged)
        await asyncio.sleep(RETRY_SECONDS)


def _end_with_the_parent() -> None:
    wait([_parent().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _parent() -> multiprocessing.process.BaseProcess:
    parent = multiprocessing.parent_process()
    assert parent is not None
    return parent
