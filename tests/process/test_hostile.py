"""Whatever is sent, the server answers or parts, blames itself for nothing, keeps nothing, and serves others still."""

import asyncio
from pathlib import Path

import httpx

from tests.tools.api import Api
from tests.tools.hostile.attack import faults_of
from tests.tools.hostile.connections import slow
from tests.tools.hostile.corpus import FLAGS, quick
from tests.tools.process import ServerProcess, files_of, memory_of
from tests.tools.waiting import PATIENCE, eventually

MEMORY = 24 * 2**20
"""Bytes by which a third round may leave the server larger than the second: what the allocator has not given back."""


def test_each_of_the_corpus_has_a_name_of_its_own_and_they_are_many() -> None:
    names = [hostile.name for hostile in [*quick(), *slow()]]
    assert len(set(names)) == len(names) >= 500


async def test_nothing_hostile_fells_or_fills_the_server_or_keeps_it_from_an_ordinary_client(tmp_path: Path) -> None:
    attacks = quick()
    with ServerProcess(f"sqlite://{tmp_path / 'test.sqlite3'}", *FLAGS) as server:
        pid = server.process.pid
        for _ in range(2):
            assert await faults_of(attacks, server.url) == []
        memory, files = memory_of(pid), files_of(pid)
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            together = asyncio.gather(faults_of(attacks, server.url), *(faults_of([one], server.url) for one in slow()))
            served = 0
            while not together.done():
                assert await Api(http).data("query ($n: Int) { jobs(limit: $n) { id } }", n=served % 500 + 1)
                served += 1
            assert [fault for faults in await together for fault in faults] == []
            assert served > 0
        await eventually(lambda: files_of(pid) <= files)
        assert memory_of(pid) - memory < MEMORY
        assert server.log == ""
