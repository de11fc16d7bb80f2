"""A server under attack: the hostile of the corpus, and an ordinary client who asks meanwhile."""

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.tools.hostile import HEADER_BYTES, MESSAGE_BYTES, REQUEST_SECONDS, Hostile, sent

__all__ = ["FLAGS", "Ordinary", "faults_of", "ordinary_client", "p99", "slow_ones_among"]

FLAGS = [
    text
    for name, value in {
        "max-header-bytes": HEADER_BYTES,
        "max-message-bytes": MESSAGE_BYTES,
        "request-seconds": REQUEST_SECONDS,
        "init-seconds": 1,
    }.items()
    for text in (f"--{name}", str(value))
]
"""Limits of the server that are low, so that the corpus takes little time."""


class Ordinary:
    """An ordinary client in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def waits(self) -> list[float]:
        """How long it waited for each answer since it was asked last, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [float(wait) for wait in json.loads(self._process.stdout.readline())]


@contextmanager
def ordinary_client(url: str) -> Iterator[Ordinary]:
    """One that asks for as long as the block lasts."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tools.ordinary", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Ordinary(process)
        finally:
            process.kill()


def p99(waits: Sequence[float]) -> float:
    """What 99 of 100 waits are not longer than."""
    return statistics.quantiles(waits, n=100)[98]


def fault_of(hostile: Hostile, statuses: Sequence[int], close_code: int | None, body: bytes) -> str | None:
    """What is wrong with an answer."""
    if any(status >= 500 for status in statuses) or close_code == 1011 or b"INTERNAL_SERVER_ERROR" in body:
        return f"{hostile.name}: the server blames itself: {statuses} {close_code} {body[-300:]!r}"
    if b"smuggled" in body:
        return f"{hostile.name}: what is no request was answered as one"
    got = {*statuses, *([close_code] if close_code else [])}
    if hostile.answered is not None and not got & hostile.answered:
        return f"{hostile.name}: answered with {got or 'nothing'}, not with any of {set(hostile.answered)}"
    return None


async def faults_of(attacks: Sequence[Hostile], url: str, at_once: int = 4) -> list[str]:
    """What is wrong with the answers to all of them, so many of which are under way at the same time."""
    waiting = iter(attacks)
    faults: list[str] = []

    async def attacker() -> None:
        for hostile in waiting:
            try:
                heard = await sent(hostile, url)
            except TimeoutError:
                faults.append(f"{hostile.name}: neither an answer nor an end")
            else:
                if fault := fault_of(hostile, heard.statuses, heard.close_code, heard.body):
                    faults.append(fault)

    await asyncio.gather(*(attacker() for _ in range(at_once)))
    return faults


def slow_ones_among(attacks: Sequence[Hostile]) -> tuple[list[Hostile], list[Hostile]]:
    """Those that wait for the server to lose its patience, which wait together; and the others."""
    slow = [hostile for hostile in attacks if hostile.name.startswith("slow:")]
    return slow, [hostile for hostile in attacks if hostile not in slow]
