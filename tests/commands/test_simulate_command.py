"""`simulate`, beside a server of the same database, which sees at once what the command did."""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands.test_commands import Ended, Run, complaint
from tests.tools.api import Api
from tests.tools.process import ServerProcess, command, here
from tests.tools.sockets import opened, websocket_url
from tests.tools.stores import JOB, room_for, run, url_of
from tests.tools.waiting import PATIENCE


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    url = f"sqlite://{tmp_path_factory.mktemp('simulate') / 'test.sqlite3'}"
    with ServerProcess(url, "--live-check-seconds", "0.1") as server:
        yield server


@pytest.fixture
async def api(served: ServerProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE) as http:
        yield Api(http)


@pytest.fixture
def simulate(served: ServerProcess) -> Callable[..., Ended]:
    url = served.arguments[served.arguments.index("--database-url") + 1]
    return lambda *arguments: command("simulate", *arguments, "--database-url", url)


async def test_starts_a_queued_job_and_adds_one_step_whatever_is_in_its_name(api: Api, simulate: Run) -> None:
    name = "try [/2] [red] {x} %s"
    id = await api.created(name=name)
    ended = await asyncio.to_thread(simulate, id)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert name in ended.stdout.splitlines()[-1]
    job = await api.job(id)
    assert (job["status"], job["metricCount"]) == ("RUNNING", 1)
    assert job["startedAt"] is not None


async def test_adds_as_many_steps_as_are_left_to_those_that_are_there(api: Api, simulate: Run) -> None:
    id = await api.started(stepsPerEpoch=10)
    await api.step(id)
    for count, stored, status in ((7, 8, "RUNNING"), (50, 10, "COMPLETE")):
        assert (await asyncio.to_thread(simulate, id, "--steps", str(count))).returncode == 0
        assert [point["step"] for point in await api.metrics(id)] == list(range(1, stored + 1))
        assert (await api.job(id))["status"] == status


async def test_runs_a_job_to_its_end_in_the_same_points_that_steps_would_give(api: Api, simulate: Run) -> None:
    by_command, by_steps = [await api.started(stepsPerEpoch=5, seed=7, epochs=2) for _ in range(2)]
    ended = await asyncio.to_thread(simulate, by_command, "--to-end")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(": COMPLETE, 10 of 10 steps\n")
    assert ended.stdout.count("\n") == 1
    job = await api.job(by_command)
    assert (job["status"], job["progress"], job["metricCount"]) == ("COMPLETE", 1, 10)
    while not (await api.step(by_steps))["complete"]:
        pass
    assert await api.metrics(by_command) == await api.metrics(by_steps)


async def test_points_reach_watchers_of_the_server(api: Api, served: ServerProcess, simulate: Run) -> None:
    id = await api.started(stepsPerEpoch=30)
    async with opened(websocket_url(served.url)) as socket:
        simulating = asyncio.create_task(asyncio.to_thread(simulate, id, "--to-end"))
        assert [point["seq"] async for point in socket.metrics(id)] == list(range(1, 31))
        assert (await simulating).returncode == 0


async def test_says_why_a_run_crashed_and_the_job_has_failed(api: Api, simulate: Run) -> None:
    id = await api.created(scenario="CRASH", stepsPerEpoch=10)
    ended = await asyncio.to_thread(simulate, id, "--to-end")
    assert ended.returncode == 2
    assert ended.stderr == ("training-monitor: The simulation failed: CUDA out of memory (simulated) at step 7\n")
    job = await api.job(id)
    assert (job["status"], job["metricCount"]) == ("FAILED", 6)


async def test_refuses_what_it_cannot_step(api: Api, simulate: Run) -> None:
    """A job that has ended, and what is no job; also a feed that does not answer, for watchers would miss its steps."""
    ended, waiting = await api.started(), await api.created()
    await api.complete(ended)
    said = complaint(await asyncio.to_thread(simulate, ended))
    assert said == f"training-monitor: Job {ended} is COMPLETE: only a RUNNING job can be stepped.\n"
    for id in ("999999", "abc"):
        assert id in complaint(await asyncio.to_thread(simulate, id))
    said = complaint(await asyncio.to_thread(simulate, waiting, "--feed-url", "redis://me:secret@127.0.0.1:1"))
    assert "me@127.0.0.1:1" in said
    assert "--feed-url" in said
    assert (await api.job(waiting))["status"] == "QUEUED"


async def test_keeps_its_pace_until_ctrl_c_ends_it_and_what_was_stored_stays(api: Api, served: ServerProcess) -> None:
    """The first step is stored at once, and at this pace the second a quarter of an hour later."""
    id = await api.created()
    flags = ["--to-end", "--per-second", "0.001", "--database-url", served.arguments[-3]]
    assert flags[-1].startswith("sqlite://")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "graph",
        "simulate",
        id,
        *flags,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE):
        while (await api.job(id))["metricCount"] < 1:
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"")
    job = await api.job(id)
    assert (job["status"], job["metricCount"]) == ("RUNNING", 1)


@pytest.mark.sqlite_alone("its disk is its own")
def test_a_store_that_cannot_be_written_is_reported_in_one_line(migrated: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(migrated, tmp_path / "store.sqlite3"))
    run(store, JOB)
    with room_for(store.stat().st_size):
        ended = here("simulate", "1", "--to-end", "--database-url", url_of(store))
    assert "disk" in complaint(ended)


def test_simulate_makes_no_database_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "typo.sqlite3"
    said = complaint(here("simulate", "1", "--database-url", f"sqlite://{path}"))
    assert "There is no database" in said
    assert "--database-url" in said
    assert not path.exists()
