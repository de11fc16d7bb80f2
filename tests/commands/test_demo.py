"""`demo`: a server that shows everything at once, moves as you watch, and leaves nothing behind."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from graph.demo.simulated import TRAINING
from tests.tools.api import Api
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("the demo has a file of its own")

JOBS = """{ jobs {
    id name project status progress metricCount totalSteps attempt parent { id } simulation { scenario }
} }"""
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


def training(jobs: Jobs) -> list[str]:
    """The ids of the simulated jobs that run."""
    return [id for id, job in jobs.items() if job["status"] == "RUNNING" and job["simulation"]]


def all_is_there(jobs: Jobs) -> bool:
    """Whether the demo has made all that it begins with: jobs in every status, and those that train."""
    is_logging = any(job["status"] == "RUNNING" and job["totalSteps"] is None for job in jobs.values())
    return statuses(jobs) == STATUSES and len(training(jobs)) == TRAINING and is_logging


def moved_on_from(earlier: Jobs) -> Callable[[Jobs], bool]:
    """Whether a job that was training still is, and further, and so is the one that logs."""
    simulated = {id: earlier[id]["metricCount"] for id in training(earlier)}
    logged = {id: job["metricCount"] for id, job in earlier.items() if not job["simulation"]}

    def moved_on(jobs: Jobs) -> bool:
        return all(any(jobs[id]["metricCount"] > count for id, count in of.items()) for of in (simulated, logged))

    return moved_on


async def test_every_status_and_every_scenario_is_seen_and_jobs_that_train_point_by_point(demo: Demo) -> None:
    jobs = await seen(demo, all_is_there)
    assert {job["simulation"]["scenario"] for job in jobs.values() if job["simulation"]} == {
        "HEALTHY", "OVERFITTING", "PLATEAU", "NOISY", "SPIKES", "DIVERGENCE", "CRASH",
    }  # fmt: skip
    later = await seen(demo, moved_on_from(jobs))
    assert all(0 <= job["progress"] <= 1 for job in later.values() if job["totalSteps"])
    assert all(job["progress"] == 1 for job in later.values() if job["status"] == "COMPLETE")
    id = training(later)[0]
    async with opened(websocket_url(demo.url)) as socket, asyncio.timeout(PATIENCE):
        stream = socket.metrics(id, fields="seq loss")
        points = [await anext(stream) for _ in range(later[id]["metricCount"] + 3)]
    assert [point["seq"] for point in points] == list(range(1, len(points) + 1))
    assert all(point["loss"] > 0 for point in points)


async def test_two_projects_a_sweep_and_what_can_become_of_a_logged_run_are_seen(demo: Demo) -> None:
    jobs = await seen(demo, all_is_there)
    assert {job["project"] for job in jobs.values()} == {"vision", "language"}
    children = [job for job in jobs.values() if job["parent"]]
    assert len({job["parent"]["id"] for job in children}) == 1 < len(children)
    async with httpx.AsyncClient(base_url=demo.url, timeout=PATIENCE) as http, asyncio.timeout(PATIENCE):
        while not (found := await Api(http).data(BECOME))["lost"]["totalCount"] or not any(
            alert["rule"] for alert in found["alerts"]["nodes"]
        ):
            pass
    assert {node["config"]["optimizer"]["lr"] for node in found["sweep"]["nodes"]} >= {0.001, 0.003, 0.01, 0.03}
    (open_ended,) = [job for job in found["logged"]["nodes"] if job["totalSteps"] is None]
    assert (open_ended["status"], open_ended["progress"], open_ended["endedEarly"]) == ("RUNNING", None, False)
    (resumed,) = [job for job in found["logged"]["nodes"] if job["attempt"] == 2]
    assert [attempt["outcome"] for attempt in resumed["attempts"]] == ["KILLED", "COMPLETED"]
    (series,) = resumed["series"]
    assert series["count"] < resumed["metricCount"], "points behind the checkpoint are superseded"


BECOME = """{
    lost: jobList(filter: { lost: true }) { totalCount }
    sweep: jobList(filter: { tags: ["sweep"] }) { nodes { config } }
    logged: jobList(filter: { projects: ["language"] }) { nodes {
        status totalSteps progress endedEarly metricCount attempt attempts { outcome } series(names: ["loss"]) { count }
    } }
    alerts { nodes { rule { id } } }
}"""


async def test_a_job_that_is_stopped_by_hand_is_followed_by_another(demo: Demo) -> None:
    jobs = await seen(demo, all_is_there)
    stopped = training(jobs)[0]
    async with httpx.AsyncClient(base_url=demo.url, timeout=PATIENCE) as http:
        assert (await Api(http).fail(stopped))["__typename"] == "FailJobSuccess"
    later = await seen(demo, lambda later: bool(set(training(later)) - jobs.keys()))
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
        jobs = await seen(demo, all_is_there)
        assert len(left_in(temporary)) == 1
        id = training(jobs)[0]
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
    before = await seen(demo, all_is_there)
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


async def test_what_a_killed_demo_left_half_done_is_ended_by_the_next(database_url: str) -> None:
    with Demo(database_url) as demo:
        await seen(demo, lambda jobs: bool(jobs))
        demo.kill()
        await asyncio.to_thread(demo.start)
        jobs = await seen(demo, all_is_there)
        names = [job["name"] for job in jobs.values()]
        assert len(names) == len(set(names))
        assert len(training(jobs)) == TRAINING
        await ended(demo)
