"""Workers: several processes on one port, on PostgreSQL and Valkey, as `--workers 2` starts them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.tools.api import Api
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess, children_of, command, is_running
from tests.tools.scraped import scrape, scraped_once
from tests.tools.sockets import opened, websocket_url
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE, eventually

ESTABLISHED = "01"
"""The state of a connection that is open, as Linux lists them."""


@pytest.fixture(scope="module")
def server(postgres: Postgres, valkey: Valkey) -> Iterator[ServerProcess]:
    """Two workers, for tests that leave two."""
    with two_workers(url := postgres.new(), valkey) as server:
        yield server
    postgres.drop(url)


@pytest.fixture
def mortal(postgres_url: str, valkey: Valkey) -> Iterator[ServerProcess]:
    """Two workers, for a test that ends them."""
    with two_workers(postgres_url, valkey) as server:
        yield server


def two_workers(url: str, valkey: Valkey) -> ServerProcess:
    return ServerProcess(url, "--workers", "2", "--feed-url", valkey.url, "--live-check-seconds", "3600")


@pytest.fixture
async def remote(server: ServerProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Api(http)


def workers_of(server: ServerProcess) -> list[int]:
    """The processes that serve."""
    workers = []
    for pid in children_of(server.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                workers.append(pid)
    return workers


def connections_of(pid: int, server: ServerProcess) -> int:
    """How many connections to the server a process has accepted."""
    port = int(server.url.rpartition(":")[2])
    sockets = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{rest[5]}]")
    held = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            held += str(file.readlink()) in sockets
    return held


async def test_connections_are_dealt_out_to_all_and_points_reach_watchers_of_each(
    server: ServerProcess, remote: Api
) -> None:
    id = await remote.started()
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(opened(websocket_url(server.url))) for _ in range(16)]
        streams = [socket.metrics(id, after=0) for socket in sockets]
        first = [asyncio.ensure_future(anext(stream)) for stream in streams]
        for step in range(1, 4):
            assert (await remote.step(id))["metric"]["seq"] == step
            if step == 1:
                assert await asyncio.gather(*first) == [{"seq": 1}] * 16
            else:
                assert await asyncio.gather(*map(anext, streams)) == [{"seq": step}] * 16
        holding = [connections_of(pid, server) for pid in workers_of(server)]
    assert len(holding) == 2
    assert min(holding) > 0, "one of them has all the sockets"
    assert sum(holding) >= 16


async def test_after_a_signal_all_end(mortal: ServerProcess) -> None:
    server = mortal
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        id = await Api(http).started()
    pids = workers_of(server)
    async with opened(websocket_url(server.url)) as socket:
        await socket.subscribe("subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }", id=id)
        status = await asyncio.to_thread(server.stop, signal.SIGINT)
        await socket.connection.wait_closed()
        assert socket.connection.close_code == 1012
    assert status == 0
    assert [is_running(pid) for pid in pids] == [False, False]
    assert server.log == ""


async def test_any_worker_exposes_the_metrics_of_all(server: ServerProcess) -> None:
    for asked in range(1, 21):  # connections are dealt to both
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            await http.post("/graphql", json={"query": "query Counted { __typename }"})
            found = await scrape(http)
        assert found.value("requests_total", "Counted", "ok") == asked
    pids = {sample.labels["pid"] for sample in found.samples if sample.name == "process_resident_memory_bytes"}
    assert pids == {*map(str, workers_of(server))}
    assert found.values("worker_up") == {(pid,): 1 for pid in pids}


async def test_one_that_dies_is_replaced_and_the_others_serve_meanwhile(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        id = await Api(http).created()
        before = (await scrape(http)).value("database_duration_seconds_count", "write")  # and so it is on the disk
        assert before >= 1
    (victim, _) = workers_of(server)
    os.kill(victim, signal.SIGKILL)
    for _ in range(10):
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            assert (await Api(http).job(id))["id"] == id
    await eventually(lambda: victim not in workers_of(server) and len(workers_of(server)) == 2)
    assert "worker 1 ended with exit code -9; starting another" in server.log or "worker 2 ended" in server.log
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        after = (await scrape(http)).value("database_duration_seconds_count", "write")
        assert after >= before, "counters never go back"
        pids = {*map(str, workers_of(server))}
        await scraped_once(http, lambda found: {pid for (pid,) in found.values("worker_up")} == pids)


async def test_while_one_cannot_open_its_store_the_other_has_all_connections_and_the_log_a_line(valkey: Valkey) -> None:
    with Postgres() as postgres, two_workers(postgres.url(), valkey) as server:
        postgres.stop()
        (victim, _) = workers_of(server)
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: "cannot serve" in server.log)
        for _ in range(20):
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
                assert (await http.get("/healthz")).status_code == 200
        logged = [line for line in server.log.splitlines() if "[graph.process.workers]" in line]
        assert ["starting another" in logged[0], "cannot serve" in logged[1], len(logged)] == [True, True, 2]
        assert "Traceback" not in server.log
        postgres.start()
        async with asyncio.timeout(3 * PATIENCE), AsyncExitStack() as stack:
            while min(connections_of(pid, server) for pid in workers_of(server)) == 0 or len(workers_of(server)) < 2:
                await stack.enter_async_context(opened(websocket_url(server.url)))
        postgres.stop()
        for pid in workers_of(server):
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: server.log.count("cannot serve") == 3)
        pids = workers_of(server)
        assert await asyncio.to_thread(server.stop) == 0, "those that cannot serve yet end too"
        assert [is_running(pid) for pid in pids] == [False, False]


async def test_they_end_with_the_process_that_started_them(mortal: ServerProcess) -> None:
    pids = workers_of(mortal)
    mortal.kill()
    await eventually(lambda: not any(map(is_running, pids)))


def test_a_port_that_others_share_is_taken(server: ServerProcess, postgres_url: str, valkey: Valkey) -> None:
    port = server.url.rpartition(":")[2]
    arguments = ("serve", "--port", port, "--database-url", postgres_url, "--feed-url", valkey.url)
    for workers in ("1", "2"):
        ended = command(*arguments, "--workers", workers)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"Port {port} of 127.0.0.1 is taken" in ended.stderr


REFUSED = [
    pytest.param(["serve", "--workers", "2"], ["--workers", "--feed-url"], id="no feed"),
    pytest.param(["demo", "--workers", "2"], ["--workers"], id="a demo"),
    pytest.param(
        ["serve", "--feed-url", "redis://me:secret@127.0.0.1:1"], ["me@127.0.0.1:1", "--feed-url"], id="silent"
    ),
    pytest.param(["serve", "--feed-url", "nonsense"], ["nonsense", "redis://host"], id="an address that is none"),
]


@pytest.mark.parametrize(("arguments", "named"), REFUSED)
def test_what_cannot_be_served_is_refused_at_the_start_in_one_line(
    sqlite_url: str, arguments: list[str], named: list[str]
) -> None:
    ended = command(*arguments, "--port", "0", "--database-url", sqlite_url)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert [text for text in named if text not in ended.stderr] == []
    assert "secret" not in ended.stderr


async def test_a_command_publishes_to_the_workers_though_it_ends_at_once(
    server: ServerProcess, remote: Api, valkey: Valkey
) -> None:
    id = await remote.created()
    url = server.arguments[server.arguments.index("--database-url") + 1]
    async with opened(websocket_url(server.url)) as socket:
        stream = socket.metrics(id, after=0)
        for steps, seqs in ((3, (1, 2, 3)), (1, (4,))):
            coming = asyncio.ensure_future(anext(stream))
            simulated = ("simulate", id, "--steps", str(steps), "--database-url", url, "--feed-url", valkey.url)
            ended = await asyncio.to_thread(command, *simulated)
            assert (ended.returncode, ended.stderr) == (0, "")
            assert [await coming, *[await anext(stream) for _ in seqs[1:]]] == [{"seq": seq} for seq in seqs]
