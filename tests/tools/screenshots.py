"""Pictures of the pages, for the README: `python -m tests.tools.screenshots` takes them of a demo while it trains."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import expect

from tests.tools.api import Api
from tests.tools.browser import Visits, launched_browser
from tests.tools.charts import chart, drawn
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

FOLDER = Path(__file__).parents[2] / "web" / "screenshots"

PROGRESS = (0.35, 0.6, 0.85)
"""How far the jobs in training are taken: far enough for curves to be seen."""

SHOWN = "overfitting"
"""In the name of the job whose monitor is shown."""


async def take() -> None:
    """Take all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(f"sqlite://{folder}/demo.sqlite3", verb="demo", is_forked=False) as demo,
    ):
        async with httpx.AsyncClient(base_url=demo.url, timeout=PATIENCE) as http, launched_browser() as browser:
            id = await train(Api(http))
            visits = Visits(browser, demo.url)
            page = await visits.page("/", color_scheme="light")
            await expect(page.get_by_role("img", name="Loss")).not_to_have_count(0)
            await page.wait_for_load_state("networkidle")
            await page.screenshot(path=FOLDER / "jobs.png", animations="disabled")
            await page.goto(f"/training/jobs/{id}")
            for name, colour in (("loss", "--curve-1"), ("accuracy", "--curve-2")):
                await drawn(chart(page, name), colour)
            await page.screenshot(path=FOLDER / "monitor.png", animations="disabled")
            await visits.end()


async def train(trainer: Api) -> str:
    """Bring the jobs that the demo trains ahead, each as far as it is to be; gives the one that is shown."""
    running: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while len(running) < len(PROGRESS):
            found = await trainer.data("{ jobs(status: [RUNNING]) { id name simulation { seed } } }")
            running = [job for job in found["jobs"] if job["simulation"]]
    for job, progress in zip(running, PROGRESS, strict=False):
        while (await trainer.step(job["id"]))["progress"] < progress:
            pass
    return str(next(job["id"] for job in running if SHOWN in job["name"]))


if __name__ == "__main__":
    asyncio.run(take())
