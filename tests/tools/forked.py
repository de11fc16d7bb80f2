"""Processes of the product that begin where its modules are loaded already: loading them takes a second of the
processor's, ten times as long as most of what tests want of them.

What runs is its command line from the first line on, in a process with sockets, signals and an exit status. How it
begins from nothing is tested by those that start it so.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, TypeAlias

LOADED = ["graph.commands", "graph.process.server", "graph.app", "graph.process.workers", "tests.tools.forked"]

forking = multiprocessing.get_context("forkserver")
forking.set_forkserver_preload(LOADED)

Writing: TypeAlias = "Connection[Any, Any]"


class Forked:
    """One of them, with what of subprocess.Popen is wanted of it."""

    def __init__(
        self, arguments: Sequence[str], stdout: IO[str] | int, stderr: IO[str], env: Mapping[str, str]
    ) -> None:
        """Start it; `stdout`: a file, or subprocess.PIPE."""
        self.stdout: IO[str] | None = None
        if isinstance(stdout, int):
            reading, writing = os.pipe()
            self.stdout = os.fdopen(reading)
        else:
            writing = os.dup(stdout.fileno())
        # Connections are what can be handed on to it.
        out, err = Connection(writing, readable=False), Connection(os.dup(stderr.fileno()), readable=False)
        with out, err:
            self._process = forking.Process(target=_run, args=(arguments, dict(env), Path.cwd(), out, err))
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)


def _run(arguments: Sequence[str], env: Mapping[str, str], folder: Path, out: Writing, err: Writing) -> None:
    with out, err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["training-monitor", *arguments]
    gc.disable()  # see `graph.__main__`
    from graph.commands import main  # here, for the test's own process needs none of it

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # what comes of multiprocessing ends without them
