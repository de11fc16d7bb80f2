"""The page with hundreds of jobs, and how much it loads at first.

How smooth and how soon is measured by `benchmarks.page`.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Response

from tests.tools.browser import Visits
from tests.tools.crowd import Crowd, crowded
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOBS, POINTS = 300, 1_000
FIRST_LOAD = 150_000
"""Bytes of compressed script for the two pages."""
SCROLL_TO_THE_END = f"""new Promise((done) => {{
    const scroll = () => {{
        scrollBy(0, 600);
        const all = document.querySelectorAll("[data-job]").length === {JOBS};
        if (all && scrollY + innerHeight >= document.body.scrollHeight - 2) done();
        else requestAnimationFrame(scroll);
    }};
    scroll();
}})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crowd]:
    async with crowded(tmp_path_factory.mktemp("crowd"), JOBS, POINTS) as crowd:
        yield crowd


async def test_hundreds_of_jobs_are_scrolled_to_the_end_while_points_arrive(crowd: Crowd, visits: Visits) -> None:
    page = await visits.page("/", url=crowd.url)
    await page.get_by_role("listitem").first.wait_for()
    async with crowd.points_arriving(), asyncio.timeout(PATIENCE):
        await page.evaluate(SCROLL_TO_THE_END)
    names = await page.locator("[data-job] h2").all_text_contents()
    assert names == ["long", "short", *(f"job {number}" for number in reversed(range(JOBS - 2)))]


async def test_the_two_pages_load_few_scripts_at_first(crowd: Crowd, visits: Visits) -> None:
    page = await visits.page(url=crowd.url)
    scripts: list[Response] = []
    page.on("response", lambda each: scripts.append(each) if each.request.resource_type == "script" else None)
    await page.goto("/")
    await page.get_by_role("listitem").first.wait_for()
    await page.get_by_role("link", name="long", exact=True).click()
    await page.locator("[data-curve=loss] canvas").wait_for()
    sizes = {each.url: (await each.request.sizes())["responseBodySize"] for each in scripts}
    assert len(sizes) > 1
    assert all(each.headers["content-encoding"] == "gzip" for each in scripts)
    assert sum(sizes.values()) < FIRST_LOAD
