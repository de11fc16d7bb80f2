"""kill -9, again and again, in the middle of it all: what was acknowledged stays, streams go on where they were."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.tools.api import METRIC, Api
from tests.tools.lives import CHANGED, DELETED, Follower, Lives, changed_since
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE, eventually

KILLS = 4
POINT = f"{METRIC} recordedAt"


class Job:
    """One job: what was acknowledged of it, and what a watcher of it was sent over all outages."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.stepped: dict[int, Any] = {}
        """Acknowledged simulated points by their seq."""
        self.batches = 0
        self.logged: list[int] = []
        """Acknowledged logged steps."""
        self.seen: list[Any] = []
        self.sights = 0
        """In how many servers' lives something was seen."""

    async def step(self, api: Api, happened: asyncio.Semaphore) -> None:
        """Simulate until the server is gone."""
        while True:
            answer = await api.step(self.id)
            assert answer["__typename"] == "SimulateStepSuccess", answer
            self.stepped[answer["metric"]["seq"]] = answer["metric"]
            happened.release()

    async def log(self, api: Api, happened: asyncio.Semaphore) -> None:
        """Log batches until the server is gone; the one whose answer was lost is sent again to the next server."""
        while True:
            steps = range(self.batches * 5 + 1_000_000, self.batches * 5 + 1_000_005)
            answer = await api.log(self.id, [{"step": step, "loss": 1 / step} for step in steps])
            assert answer["recorded"] in {0, 5}, "a batch is there as a whole or not at all"
            self.logged += steps
            self.batches += 1
            happened.release()

    async def watch(self, url: str, happened: asyncio.Semaphore) -> None:
        """See what is recorded after the last point seen, until the job ends."""
        async with opened(websocket_url(url)) as socket:
            last = self.seen[-1]["seq"] if self.seen else 0
            async for point in socket.metrics(self.id, after=last, fields=POINT):
                self.sights += self.seen[-1:] == [] or self.seen[-1]["seq"] == last
                self.seen.append(point)
                happened.release()

    async def stored(self, api: Api) -> list[Any]:
        """Its points as the store has them, which must hold all that was acknowledged, without a gap."""
        job = await api.job(self.id, f"metricCount metrics(limit: 10000) {{ {POINT} }}")
        points: list[Any] = job["metrics"]
        assert [point["seq"] for point in points] == list(range(1, job["metricCount"] + 1))
        for seq, acknowledged in self.stepped.items():
            assert points[seq - 1] == {**acknowledged, "recordedAt": points[seq - 1]["recordedAt"]}
        steps = [point["step"] for point in points]
        assert len(set(steps)) == len(steps)
        assert set(steps) >= set(self.logged)
        return points


async def live(lives: Lives, api: Api, happened: asyncio.Semaphore) -> None:
    """Take jobs through their lives until the server is gone."""
    while True:
        await lives.act(api)
        happened.release()


async def follow(follower: Follower, url: str, query: str) -> None:
    """See how the list changes after the last that was seen, until the server is gone."""
    async with opened(websocket_url(url)) as socket:
        operation = await socket.subscribe(query, since=follower.since)
        while True:
            (event,) = (await socket.next(operation)).values()
            follower.see(event)


@asynccontextmanager
async def client(server: ServerProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Api(http)


async def until_the_server_is_gone(work: Any) -> None:
    try:
        await work
    except (httpx.TransportError, ConnectionClosed, InvalidMessage, OSError):
        return


@pytest.mark.sqlite_alone("on PostgreSQL, replicas are killed among test_faults")
async def test_kills_lose_no_acknowledged_point_and_leave_no_gap_and_a_watcher_sees_each_point_once(
    database_url: str, outside: Outside
) -> None:
    """Two jobs are written to, one by steps, one by batches, and both are watched, all the time.

    Beside them, a loop takes jobs through their whole lives, and the list of jobs is followed.
    """
    chance = random.Random(20)
    lives = Lives("life")
    with ServerProcess(database_url) as server:
        async with client(server) as api:
            jobs = [Job(await api.started(name=name, epochs=100_000)) for name in ("stepped", "logged")]
            begin = (await api.job(jobs[-1].id, "cursor"))["cursor"]
        changes, deletions = Follower(begin), Follower(begin)
        for kill in range(KILLS):
            if kill:
                server.start()
            happened = asyncio.Semaphore(0)
            async with client(server) as api, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
                for job in jobs:
                    await job.stored(api)
                    tasks.create_task(until_the_server_is_gone(job.watch(server.url, happened)))
                tasks.create_task(until_the_server_is_gone(jobs[0].step(api, happened)))
                tasks.create_task(until_the_server_is_gone(jobs[1].log(api, happened)))
                tasks.create_task(until_the_server_is_gone(live(lives, api, happened)))
                tasks.create_task(until_the_server_is_gone(follow(changes, server.url, CHANGED)))
                tasks.create_task(until_the_server_is_gone(follow(deletions, server.url, DELETED)))
                # Right behind an answer or a sight: what was reported too early would be gone with the server.
                for _ in range(chance.randrange(5, 60)):
                    await happened.acquire()
                while kill % 2 and (len(lives.gone) <= kill // 2 or any(job.sights <= kill // 2 for job in jobs)):
                    await happened.acquire()
                server.kill()
        server.start()
        async with client(server) as api, asyncio.timeout(PATIENCE):
            for job in jobs:
                stored = await job.stored(api)
                assert len(stored) >= KILLS
                await api.complete(job.id)
                await job.watch(server.url, happened)
                assert job.seen == stored
                assert job.sights >= KILLS // 2, "the watchers were cut off before they saw anything"
            await lives.act(api)
            await lives.check(api)
            changed = await changed_since(api, begin)
            from_the_start = Follower(begin)
            told = [
                asyncio.create_task(follow(follower, server.url, query))
                for follower, query in ((changes, CHANGED), (from_the_start, CHANGED), (deletions, DELETED))
            ]
            await eventually(lambda: all(each.has(changed) for each in (changes, from_the_start)))
            await eventually(lambda: len(deletions.told) >= len(lives.gone))
            assert [*from_the_start.told.items()] == [(job["id"], job["cursor"]) for job in changed]
            assert [*deletions.told] == lives.gone
            await eventually(lambda: lives.left(outside) == 0)
            for task in told:
                task.cancel()
            await asyncio.gather(*told, return_exceptions=True)
    if outside.system == "sqlite":
        assert outside.execute("PRAGMA integrity_check") == [("ok",)]
