"""Whatever is sent, the server answers or parts, blames itself for nothing, keeps nothing, and serves others still."""

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.domain import eventually
from tests.hostile import HEADER_BYTES, MESSAGE_BYTES, REQUEST_SECONDS, Hostile, corpus, sent
from tests.process import ServerProcess

AT_ONCE = 4
"""Hostile requests under way at the same time."""
MEMORY = 24 * 2**20
"""Bytes by which a second round may leave the server larger than the first: what the allocator has not given back."""
PATIENCE_RATIO = 50
"""An ordinary client's p99 under attack may be so many times that in quiet, on a machine that is busy with other tests
too. Documents come before: what these may cost is bounded elsewhere."""


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
        [sys.executable, "-m", "tests.ordinary", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Ordinary(process)
        finally:
            process.kill()


def p99(waits: Sequence[float]) -> float:
    """What 99 of 100 waits are not longer than."""
    return statistics.quantiles(waits, n=100)[98]


def memory_of(pid: int) -> int:
    """The bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def files_of(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def fault_of(hostile: Hostile, statuses: Sequence[int], close_code: int | None, body: bytes) -> str | None:
    """What is wrong with an answer."""
    if any(status >= 500 for status in statuses) or close_code == 1011 or b"INTERNAL_SERVER_ERROR" in body:
        return f"{hostile.name}: the server blames itself: {statuses} {close_code} {body[-300:]!r}"
    got = {*statuses, *([close_code] if close_code else [])}
    if hostile.answered is not None and not got & hostile.answered:
        return f"{hostile.name}: answered with {got or 'nothing'}, not with any of {set(hostile.answered)}"
    return None


async def faults_of(attacks: Sequence[Hostile], url: str) -> list[str]:
    """What is wrong with the answers to all of them."""
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

    await asyncio.gather(*(attacker() for _ in range(AT_ONCE)))
    return faults


def slow_ones_among(attacks: Sequence[Hostile]) -> tuple[list[Hostile], list[Hostile]]:
    """Those that wait for the server to lose its patience, which wait together; and the others."""
    slow = [hostile for hostile in attacks if hostile.name.startswith("slow:")]
    return slow, [hostile for hostile in attacks if hostile not in slow]


def test_each_of_the_corpus_has_a_name_of_its_own_and_they_are_many() -> None:
    names = [hostile.name for hostile in corpus()]
    assert len(set(names)) == len(names) >= 300


async def test_nothing_hostile_fells_fills_or_holds_up_the_server(tmp_path: Path) -> None:
    limits = {
        "max-header-bytes": HEADER_BYTES,
        "max-message-bytes": MESSAGE_BYTES,
        "request-seconds": REQUEST_SECONDS,
        "init-seconds": 1,
    }
    flags = [text for name, value in limits.items() for text in (f"--{name}", str(value))]
    slow, quick = slow_ones_among(corpus())
    with (
        ServerProcess(f"sqlite://{tmp_path / 'test.sqlite3'}", *flags) as server,
        ordinary_client(server.url) as ordinary,
    ):
        pid = server.process.pid
        await asyncio.sleep(1)
        ordinary.waits()
        await asyncio.sleep(2)
        quiet = ordinary.waits()
        assert await faults_of(quick, server.url) == []
        memory, files = memory_of(pid), files_of(pid)
        documents = [hostile for hostile in quick if hostile.name.startswith("document")]
        others = [hostile for hostile in quick if hostile not in documents]
        assert await faults_of(documents, server.url) == []
        ordinary.waits()
        together = await asyncio.gather(faults_of(others, server.url), *(faults_of([one], server.url) for one in slow))
        under_attack = ordinary.waits()
        assert [fault for faults in together for fault in faults] == []
        await eventually(lambda: files_of(pid) <= files)
        assert memory_of(pid) - memory < MEMORY
        assert server.log == ""
        assert p99(under_attack) < PATIENCE_RATIO * p99(quiet)
