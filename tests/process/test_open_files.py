"""Connections leave file descriptors to the store and to the page."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import STATUS, connected

MOST = 64


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server that may have few files open, and its log."""
    command = ["sh", "-c", f'ulimit -n {MOST}; exec "$0" -m graph serve --port 0 "$@"', sys.executable]
    flags = ["--request-seconds=600", f"--database-url=sqlite://{tmp_path}/test.sqlite3"]
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            assert process.stdout is not None
            address = re.search(r"http://[\d.:]+", process.stdout.readline())
            assert address
            yield address[0], log
        finally:
            process.kill()
            process.communicate()


async def test_too_many_connections_are_refused_and_those_that_are_open_are_served(server: tuple[str, Path]) -> None:
    address, log = server
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack, httpx.AsyncClient(base_url=address) as http:
        assert (await http.get("/healthz")).status_code == 200  # on a connection that is kept
        for _ in range(2 * MOST):
            stack.callback((await connected(address)).writer.close)
        await eventually(lambda: bool(log.read_text()))
        one_more = await connected(address)
        stack.callback(one_more.writer.close)
        await one_more.hear_all()
        assert STATUS.findall(one_more.heard) == [b"503"]
        page = await http.get("/")
        assert (page.status_code, "<title>" in page.text) == (200, True)
        assert (await http.post("/graphql", json={"query": "{ jobs { id } }"})).json() == {"data": {"jobs": []}}
    assert len(log.read_text().splitlines()) == 1
    assert "file descriptors" in log.read_text()
