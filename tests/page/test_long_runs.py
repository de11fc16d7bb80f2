"""Long runs on the page: seen whole, and as closely as one looks, while their points are still on their way."""

import asyncio
import json

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, WebSocketRoute, expect

from tests.tools.api import Api
from tests.tools.charts import charted, drag, drawn, read_at, zoomed
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

POINTS = 8_000
PLACES = (0.11, 0.23, 0.37, 0.55, 0.83)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long_run(site: ServerProcess) -> str:
    """A job whose loss at each step is the step's number."""
    async with httpx.AsyncClient(base_url=site.url, timeout=PATIENCE) as http:
        trainer = Api(http)
        id = await trainer.started(name="long", epochs=POINTS // 100, stepsPerEpoch=100)
        await trainer.log(id, [{"step": step, "loss": step} for step in range(1, POINTS + 1)])
    return id


async def without_points(page: Page) -> None:
    """From now on the page is told of jobs, and not of their points."""

    def meet(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: None if "metricsAdded" in str(message) else socket.send(message))

    await page.route_web_socket("**/graphql", meet)


async def shows_every_step(loss: Locator, scale: float = 1) -> None:
    """Return once what is read anywhere in sight is just the step there. Raises TimeoutError.

    The whole has a point for each eighth step or so. `scale`: steps of one on the axis.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            first, last = zoomed(loss.page) or (0, 0)
            read = [scale * await read_at(loss, part) for part in PLACES]
            if read == pytest.approx([scale * (first + part * (last - first)) for part in PLACES], abs=1):
                return
            await loss.page.evaluate("new Promise(requestAnimationFrame)")


async def held(page: Page) -> asyncio.Queue[tuple[int, Route]]:
    """Requests of the page for some steps, each with the first of them, held back from now on."""
    requests: asyncio.Queue[tuple[int, Route]] = asyncio.Queue()

    async def hold(route: Route) -> None:
        variables = json.loads(route.request.post_data or "{}").get("variables", {})
        if variables.get("from") is None:
            await route.continue_()
        else:
            await requests.put((variables["from"], route))

    await page.route("**/graphql", hold)
    return requests


@pytest.mark.parametrize("path", ["/training/jobs/{id}?", "/training/compare?jobs={id}&"])
class TestARunWhosePointsAreOnTheirWay:
    async def test_is_asked_for_again_where_a_link_leads_closer_and_is_whole_without(
        self, page: Page, long_run: str, path: str
    ) -> None:
        await without_points(page)
        for axis, scale in (("step", 1), ("epoch", 100)):
            loss = await charted(page, path.format(id=long_run) + f"x={axis}&from={4_000 / scale}&to={4_100 / scale}")
            await shows_every_step(loss, scale)
        loss = await charted(page, path.format(id=long_run))
        assert await read_at(loss, 0.002) == pytest.approx(1, abs=POINTS / 100)
        assert await read_at(loss, 0.998) == pytest.approx(POINTS, abs=POINTS / 100)

    async def test_keeps_its_picture_until_the_answer_is_here_and_the_last_one_counts(
        self, page: Page, long_run: str, path: str
    ) -> None:
        await without_points(page)
        requests = await held(page)
        loss = await charted(page, path.format(id=long_run))
        await drag(loss, 0.25, 0.5)
        first, early = await asyncio.wait_for(requests.get(), PATIENCE)
        assert first == pytest.approx(POINTS / 4, rel=0.02)
        await drawn(loss, "--curve-1")
        await drag(loss, 0.5, 0.53)
        second, late = await asyncio.wait_for(requests.get(), PATIENCE)
        assert second > first
        await drawn(loss, "--curve-1")
        await late.continue_()
        await shows_every_step(loss)
        await early.continue_()
        await early.request.response()
        await shows_every_step(loss)
        await page.get_by_role("button", name="Show all").click()
        assert await read_at(loss, 0.998) == pytest.approx(POINTS, abs=POINTS / 100)


async def test_a_run_whose_points_are_all_here_is_looked_at_closely_without_asking(page: Page, long_run: str) -> None:
    requests = await held(page)
    loss = await charted(page, f"/training/jobs/{long_run}")
    await expect(page.get_by_role("button", name="Copy data")).to_be_enabled()
    await drag(loss, 0.5, 0.515)
    await shows_every_step(loss)
    assert requests.empty()
