"""An ordinary client in a process of its own: it asks again and again, and tells how long each answer took.

    python -m tests.tools.ordinary URL

A line to its stdin makes it tell, on a line of its stdout, how long it waited since the last one, as JSON.
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

PAUSE = 0.004
"""Seconds from an answer to the next request."""


class Ordinary:
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

    def told(self) -> list[float]:
        """The waits since they were told last."""
        with self._lock:
            waits, self._waits = self._waits, []
        return waits


if __name__ == "__main__":
    ordinary = Ordinary(sys.argv[1])
    threading.Thread(target=ordinary.ask_for_ever, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps(ordinary.told()), flush=True)  # noqa: T201  # whoever started it reads
