"""The product as its users run it: a process with sockets, signals and an exit status."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import pytest

from graph.commands import main
from tests.tools.forked import Forked
from tests.tools.waiting import PATIENCE


def command(*arguments: str, timeout: float = PATIENCE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end. Raises subprocess.TimeoutExpired where it does not come."""
    with tempfile.NamedTemporaryFile("w+") as out, tempfile.NamedTemporaryFile("w+") as err:
        process = Forked(arguments, out, err, {**os.environ, **environment})
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, status, Path(out.name).read_text(), Path(err.name).read_text())


def on_a_terminal(*arguments: str) -> tuple[str, str]:
    """Run the command line, which must succeed: what it printed, and what its stderr showed on a terminal."""
    ours, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "graph", *arguments],
        stdout=subprocess.PIPE,
        stderr=its,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "300"},
    )
    os.close(its)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # which ends a terminal
        while piece := screen.read(4096):
            shown += piece
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, shown
    return out.decode(), shown.decode()


def here(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same within this process, on a terminal of 80 columns, in a tenth of the time; not from within a loop."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, limited_time():
        patch.setattr(sys, "argv", ["training-monitor", *arguments])
        for name, value in {"COLUMNS": "80", **environment}.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    status = ended.value.code or 0
    assert isinstance(status, int)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def limited_time() -> Iterator[None]:
    """Inside, what hangs ends with TimeoutError."""

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, and that are still there."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not merely waiting for its parent to hear of its end."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def memory_of(pid: int) -> int:
    """The bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def files_of(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class ServerProcess:
    """A server that is started, by itself on a free port, and is gone when the block ends."""

    def __init__(
        self,
        database_url: str,
        *flags: str,
        verb: str = "serve",
        port: int = 0,
        is_forked: bool = True,
        python: Path | None = None,
    ) -> None:
        """`is_forked`: see `tests.tools.forked`; what is measured begins from nothing. `python`: another one."""
        self.arguments = [verb, "--port", str(port), "--database-url", database_url, *flags]
        self.url = ""
        self._is_forked = is_forked and python is None
        self._python = python or Path(sys.executable)
        self._process: subprocess.Popen[str] | Forked | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # which closes what there was to read of one that has ended already
        if self._log:
            self._log.close()

    @property
    def process(self) -> subprocess.Popen[str] | Forked:
        """The process that runs, or ran last."""
        assert self._process is not None, "the server was never started"
        return self._process

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        assert self._log is not None
        return Path(self._log.name).read_text()

    def start(self) -> None:
        """Start it, again on a new port, and return once it listens. Raises RuntimeError with why it does not."""
        if self._log is None:
            self._log = tempfile.NamedTemporaryFile("a", suffix=".log")  # noqa: SIM115  # closed with the server
        if self._is_forked:
            self._process = Forked(self.arguments, subprocess.PIPE, self._log, os.environ)
        else:
            self._process = subprocess.Popen(
                [self._python, "-m", "graph", *self.arguments], stdout=subprocess.PIPE, stderr=self._log, text=True
            )
        assert self._process.stdout is not None
        first_line = self._process.stdout.readline()
        address = re.search(r"http://\S+:\d+", first_line)
        if not address:
            self.reap()
            raise RuntimeError(first_line + self.log)
        self.url = address[0]

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        self.process.kill()
        self.reap()

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and give its exit status."""
        self.process.send_signal(with_signal)
        return self.reap()

    def reap(self) -> int:
        """Wait for its end, and give its exit status."""
        status = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status
