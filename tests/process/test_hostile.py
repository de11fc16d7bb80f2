"""Whatever is sent, the server answers or parts, blames itself for nothing, keeps nothing, and serves others still."""

import asyncio
from pathlib import Path

from tests.tools.attack import FLAGS, faults_of, ordinary_client, p99, slow_ones_among
from tests.tools.domain import eventually
from tests.tools.hostile import corpus
from tests.tools.process import ServerProcess, files_of, memory_of

MEMORY = 24 * 2**20
"""Bytes by which a second round may leave the server larger than the first: what the allocator has not given back."""
PATIENCE_RATIO = 30
"""An ordinary client's p99 under attack may be so many times that in quiet, on a machine that is busy with other tests
too: enough to see that something holds the server up. `benchmarks.attack` measures it."""


def test_each_of_the_corpus_has_a_name_of_its_own_and_they_are_many() -> None:
    names = [hostile.name for hostile in corpus()]
    assert len(set(names)) == len(names) >= 300


async def test_nothing_hostile_fells_fills_or_holds_up_the_server(tmp_path: Path) -> None:
    slow, quick = slow_ones_among(corpus())
    with (
        ServerProcess(f"sqlite://{tmp_path / 'test.sqlite3'}", *FLAGS) as server,
        ordinary_client(server.url) as ordinary,
    ):
        pid = server.process.pid
        await asyncio.sleep(1)
        ordinary.waits()
        await asyncio.sleep(2)
        quiet = ordinary.waits()
        assert await faults_of(quick, server.url) == []
        memory, files = memory_of(pid), files_of(pid)
        ordinary.waits()
        together = await asyncio.gather(faults_of(quick, server.url), *(faults_of([one], server.url) for one in slow))
        under_attack = ordinary.waits()
        assert [fault for faults in together for fault in faults] == []
        await eventually(lambda: files_of(pid) <= files)
        assert memory_of(pid) - memory < MEMORY
        assert server.log == ""
        assert p99(under_attack) < PATIENCE_RATIO * p99(quiet)
