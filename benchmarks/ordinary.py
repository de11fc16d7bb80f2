"""An ordinary client in a process of its own: it sends one request after another, and measures each answer.

    python -m benchmarks.ordinary URL

A line to its stdin makes it write how long it waited for each answer since the last one, as JSON, on a line of its
stdout.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

__all__ = ["Ordinary", "ordinary_client"]

PAUSE = 0.004
"""Seconds from an answer to the next request."""


class Asking:
    """Asks for the jobs, over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._waits: list[float] = []
        self._lock = threading.Lock()
        self._asked = 0

    def ask_for_ever(self) -> None:
        """Ask, and take the time."""
        while True:
            self._asked += 1  # so that no answer is remembered
            body = json.dumps(
                {"query": "query ($n: Int) { jobs(limit: $n) { id name } }", "variables": {"n": self._asked % 500 + 1}}
            )
            began = time.perf_counter()
            self._connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            said = answer.read()
            waited = time.perf_counter() - began
            if answer.status != 200 or b"errors" in said:
                waited = 1e9  # it was not served
            with self._lock:
                self._waits.append(waited)
            time.sleep(PAUSE)

    def waits(self) -> list[float]:
        """Those since the last call, in seconds."""
        with self._lock:
            waits, self._waits = self._waits, []
        return waits


class Ordinary:
    """The client, seen from the process that started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def waits(self) -> list[float]:
        """How long it waited for each answer since the last call, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [float(wait) for wait in json.loads(self._process.stdout.readline())]


@contextmanager
def ordinary_client(url: str) -> Iterator[Ordinary]:
    """One that asks for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks.ordinary", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Ordinary(process)
        finally:
            process.kill()


if __name__ == "__main__":
    asking = Asking(sys.argv[1])
    threading.Thread(target=asking.ask_for_ever, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps(asking.waits()), flush=True)
