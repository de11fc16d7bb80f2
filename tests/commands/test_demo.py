"""`demo`: a server that shows everything at once, moves as you watch, and leaves nothing behind."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from graph.demo import TRAINING
from tests.tools.api import Api
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("the demo has a file of its own")

JOBS = "{ jobs { id name status progress metricCount scenario } }"
STATUSES = {"QUEUED", "RUNNING", "COMPLETE", "FAILED"}

either_signal = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)

Jobs = dict[str, dict[str, Any]]
"""By id."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which processes make temporary ones."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


class Demo(ServerProcess):
    """A demo; without an address of its own, its database is where the demo puts it."""

    def __init__(self, database_url: str | None = None) -> None:
        super().__init__(database_url or "", verb="demo")
        if database_url is None:
            self.arguments = ["demo", "--port", "0"]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """A demo that several tests look at."""
    with Demo() as process:
        yield process
        assert (process.stop(signal.SIGINT), process.log) == (0, "")


async def seen(server: ServerProcess, wanted: Callable[[Jobs], bool]) -> Jobs:
    """The jobs, as soon as they are as wanted. Raises TimeoutError."""
    jobs: Jobs = {}
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http, asyncio.timeout(PATIENCE):
        while not (jobs and wanted(jobs)):
            jobs = {job["id"]: job for job in (await Api(http).data(JOBS))["jobs"]}
    return jobs


def statuses(jobs: Jobs) -> set[str]:
    return {job["status"] for job in jobs.values()}


def all_is_there(jobs: Jobs) -> bool:
    """Whether the demo has made all that it begins with: jobs in every status, and those that train."""
    running = [job for job in jobs.values() if job["status"] == "RUNNING"]
    return statuses(jobs) == STATUSES and len(running) == TRAINING


def moved_on_from(earlier: Jobs) -> Callable[[Jobs], bool]:
    """Whether a job that was RUNNING is still, and further."""
    running = {id: job["progress"] for id, job in earlier.items() if job["status"] == "RUNNING"}
    return lambda jobs: any(jobs[id]["progress"] > progress for id, progress in running.items())


async def test_every_status_and_every_scenario_is_seen_and_jobs_that_train_point_by_point(demo: Demo) -> None:
    jobs = await seen(demo, all_is_there)
    assert {job["scenario"] for job in jobs.values()} >= {
        "HEALTHY", "OVERFITTING", "PLATEAU", "NOISY", "SPIKES", "DIVERGENCE", "CRASH",
    }  # fmt: skip
    later = await seen(demo, moved_on_from(jobs))
    assert all(0 <= job["progress"] <= 1 for job in later.values())
    assert all(job["progress"] == 1 for job in later.values() if job["status"] == "COMPLETE")
    id = next(id for id, job in later.items() if job["status"] == "RUNNING")
    async with opened(websocket_url(demo.url)) as socket, asyncio.timeout(PATIENCE):
        stream = socket.metrics(id, fields="seq loss")
        points = [await anext(stream) for _ in range(later[id]["metricCount"] + 3)]
    assert [point["seq"] for point in points] == list(range(1, len(points) + 1))
    assert all(point["loss"] > 0 for point in points)


async def test_a_job_that_is_stopped_by_hand_is_followed_by_another(demo: Demo) -> None:
    jobs = await seen(demo, lambda jobs: "RUNNING" in statuses(jobs))
    stopped = next(id for id, job in jobs.items() if job["status"] == "RUNNING")
    async with httpx.AsyncClient(base_url=demo.url, timeout=PATIENCE) as http:
        assert (await Api(http).fail(stopped))["__typename"] == "FailJobSuccess"
    later = await seen(demo, lambda later: any(later[id]["status"] == "RUNNING" for id in later.keys() - jobs.keys()))
    assert later[stopped]["status"] == "FAILED"


async def ended(server: ServerProcess, number: signal.Signals = signal.SIGINT) -> None:
    """Send the signal; it must end with status 0, and without a line in its log."""
    status = await asyncio.to_thread(server.stop, number)
    assert (status, server.log) == (0, "")


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@either_signal
async def test_a_signal_ends_it_while_it_is_watched_and_its_temporary_database_is_gone(
    temporary: Path, number: signal.Signals
) -> None:
    with Demo() as demo:
        jobs = await seen(demo, lambda jobs: "RUNNING" in statuses(jobs))
        assert len(left_in(temporary)) == 1
        id = next(id for id, job in jobs.items() if job["status"] == "RUNNING")
        async with opened(websocket_url(demo.url)) as socket:
            await socket.subscribe("subscription { jobChanged { id } }")
            stream = socket.metrics(id)
            await anext(stream)
            await ended(demo, number)
            with pytest.raises(ConnectionClosed, match="1012"):
                _ = [point async for point in stream]
    assert left_in(temporary) == []


async def test_a_signal_right_behind_its_first_line_ends_it_as_cleanly(temporary: Path) -> None:
    with Demo() as demo:
        await ended(demo)
    assert left_in(temporary) == []


async def test_a_second_demo_works_beside_the_first_and_after_it(demo: Demo) -> None:
    before = await seen(demo, lambda jobs: statuses(jobs) == STATUSES)
    with Demo() as other:
        assert "1" in await seen(other, lambda jobs: statuses(jobs) == STATUSES)
        await ended(other)
        await seen(demo, moved_on_from(before))
        await asyncio.to_thread(other.start)
        await seen(other, lambda jobs: statuses(jobs) == STATUSES)
        await ended(other)


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
async def test_a_database_of_its_own_is_kept_and_a_second_start_goes_on_with_what_is_there(
    database_url: str, temporary: Path, is_killed: bool
) -> None:
    with Demo(database_url) as demo:
        before = await seen(demo, moved_on_from(await seen(demo, all_is_there)))
        if is_killed:
            demo.kill()
        else:
            await ended(demo)
            assert left_in(temporary) == []
        await asyncio.to_thread(demo.start)
        after = await seen(demo, moved_on_from(before))
        assert after.keys() == before.keys(), "what was left running is trained on; nothing is furnished twice"
        for id, job in before.items():
            assert after[id]["metricCount"] >= job["metricCount"]
            if job["status"] in {"COMPLETE", "FAILED"}:
                assert after[id] == job
        await ended(demo)
