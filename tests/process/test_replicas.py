"""The two replicas that one runs to try them: what happens at one is seen at the other."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.tools.api import Api
from tests.tools.process import children_of, is_running
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE


def is_replica(pid: int) -> bool:
    """Whether it serves, and is no PostgreSQL or Valkey."""
    return b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


@pytest.fixture
def pair() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    command = [sys.executable, "-m", "tests.tools.replicas", "--ports", "0", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, re.findall(r"http://\S+:\d+", process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        process.stdout.close()
        process.stderr.close()


async def test_a_point_of_one_reaches_the_watchers_of_the_other_and_nothing_is_left_running(
    pair: tuple[subprocess.Popen[str], list[str]],
) -> None:
    process, (first, second) = pair
    async with httpx.AsyncClient(base_url=second, timeout=PATIENCE) as http, opened(websocket_url(first)) as socket:
        id = await Api(http).started()
        stream = socket.metrics(id, after=0)
        for seq in range(1, 11):
            assert (await Api(http).step(id))["metric"]["seq"] == seq
            async with asyncio.timeout(PATIENCE):
                assert await anext(stream) == {"seq": seq}
        children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, PATIENCE) == 0
    assert len(children) >= 4, "two servers, PostgreSQL and Valkey"
    assert not any(map(is_running, children))


async def test_one_that_dies_is_told_of_and_ends_the_command(pair: tuple[subprocess.Popen[str], list[str]]) -> None:
    process, urls = pair
    assert process.stdout is not None
    assert process.stderr is not None
    commands = [process.stdout.readline() for _ in "ab"]
    assert all(re.match(r"training-monitor serve --port 0 --database-url postgres://\S+", line) for line in commands)
    children = children_of(process.pid)
    os.kill(next(filter(is_replica, children)), signal.SIGKILL)
    assert await asyncio.to_thread(process.wait, PATIENCE) == 1
    assert process.stderr.read() in {f"The replica at {url} ended with status -9.\n" for url in urls}
    assert not any(map(is_running, children))
