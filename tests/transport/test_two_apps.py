"""Two apps with stores of their own live in one process, and neither sees anything of the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graph.app import App, create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.inside import Inside
from tests.tools.serving import served
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.waiting import PATIENCE

one_kind = pytest.mark.sqlite_alone("streams and feeds are the same")


class Site:
    """An app at an address: a client of it, and a socket to it."""

    def __init__(self, name: str, app: App, api: Api, socket: Socket) -> None:
        self.name = name
        self.app = app
        self.api = api
        self.socket = socket


@contextlib.asynccontextmanager
async def site(name: str, url: str) -> AsyncIterator[Site]:
    """An app with a store of its own, served from this process over real sockets, from its start to its end."""
    settings = Settings(database_url=url, live_check_seconds=0.1)
    app = create_app(settings)
    async with (
        running(app),
        served(app, settings) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http,
        opened(websocket_url(address)) as socket,
    ):
        yield Site(name, app, Api(http), socket)


@pytest.fixture
async def sites(database_url: str, another_url: str) -> AsyncIterator[list[Site]]:
    async with site("red", database_url) as red, site("blue", another_url) as blue:
        yield [red, blue]


async def test_the_same_job_id_is_another_job_with_other_points_in_each(sites: list[Site]) -> None:
    red, blue = sites
    ids = [await site.api.started(name=site.name, epochs=10) for site in sites]
    assert ids == ["1", "1"]
    steps = [
        site.api.log("1", [{"step": step, "loss": 0.5}]) for site, most in ((red, 7), (blue, 4)) for step in range(most)
    ]
    logs = [site.api.log("1", [{"step": 1000, "loss": mark(site)}]) for site in sites]
    await asyncio.gather(*steps, *logs)
    for site, count in ((red, 8), (blue, 5)):
        metrics = await site.api.metrics("1")
        assert [point["seq"] for point in metrics] == list(range(1, count + 1))
        assert [point["loss"] for point in metrics if point["step"] == 1000] == [mark(site)]
        assert await site.api.job("1", "name metricCount") == {"name": site.name, "metricCount": count}
    await red.api.complete("1")
    assert (await blue.api.job("1"))["status"] == "RUNNING"


@one_kind
async def test_watchers_of_the_same_job_id_are_sent_the_points_of_their_own_app(sites: list[Site]) -> None:
    """Stored ones, live ones, and, for both look at their stores often, those that are found by looking."""
    watching = []
    for site in sites:
        await site.api.started(stepsPerEpoch=30)
        await site.api.log("1", [{"step": 0, "loss": mark(site)}])
        watching.append(asyncio.create_task(seen(site)))

    async def train(site: Site) -> None:
        for step in range(1, 31):
            await site.api.log("1", [{"step": step, "loss": mark(site)}])
        await site.api.complete("1")

    await asyncio.gather(*(train(site) for site in sites))
    for site, points in zip(sites, await asyncio.gather(*watching), strict=True):
        assert points == [{"seq": step + 1, "step": step, "loss": mark(site)} for step in range(31)]


@one_kind
async def test_followers_of_all_jobs_hear_only_of_their_own_apps(sites: list[Site]) -> None:
    changes = [await site.socket.subscribe("subscription { jobChanged { id name status } }") for site in sites]
    for site in sites:
        await Inside(site.app).changes_are_heard()

    async def live(site: Site) -> None:
        for _ in range(3):
            await site.api.fail(await site.api.started(name=site.name))

    await asyncio.gather(*(live(site) for site in sites))
    for site, id in zip(sites, changes, strict=True):
        heard = [(await site.socket.next(id))["jobChanged"] for _ in range(9)]
        statuses = [(str(job), status) for job in (1, 2, 3) for status in ("QUEUED", "RUNNING", "FAILED")]
        assert heard == [{"id": id, "name": site.name, "status": status} for id, status in statuses]


@one_kind
async def test_the_end_of_one_leaves_the_other_at_work(database_url: str, another_url: str) -> None:
    async with site("red", database_url) as red:
        await red.api.started(stepsPerEpoch=30)
        watching = asyncio.create_task(seen(red))
        async with site("blue", another_url) as blue:
            await blue.api.started()
            await asyncio.gather(blue.api.step("1"), red.api.log("1", [{"step": 0, "loss": mark(red)}]))
        await red.api.log("1", [{"step": 1, "loss": mark(red)}])
        await red.api.complete("1")
        assert [point["step"] for point in await watching] == [0, 1]


def mark(site: Site) -> float:
    """A loss that marks the points of an app."""
    return {"red": 0.25, "blue": 0.75}[site.name]


async def seen(site: Site) -> list[Any]:
    """All points of the app's job 1, until its end."""
    return [point async for point in site.socket.metrics("1", fields="seq step loss")]
