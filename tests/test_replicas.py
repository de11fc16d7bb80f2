"""The two replicas that one runs to try them: what happens at one is seen at the other."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.api import Api
from tests.process import children_of, is_running
from tests.sockets import opened, websocket_url

PATIENCE = 30


@pytest.fixture
def pair() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    command = [sys.executable, "-m", "tests.replicas", "--ports", "0", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, re.findall(r"http://\S+:\d+", process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        process.stdout.close()


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
