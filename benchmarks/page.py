"""How smooth the page is with a thousand jobs and a run of a hundred thousand points, and how soon a run is drawn."""

import asyncio
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page

from benchmarks.options import read_options
from benchmarks.report import publish
from tests.tools.browser import Visits, launched_browser
from tests.tools.charts import chart, drawn, read_at
from tests.tools.crowd import Crowd, crowded

JOBS = 1_000
POINTS = 100_000
SECONDS = 3.0
SCROLL = "setInterval(() => scrollBy(0, 60), 16)"


async def opened(visits: Visits, crowd: Crowd, job: str, last: int) -> tuple[Page, float]:
    """The page of a job, and the milliseconds until its curve was drawn up to its last step."""
    page = await visits.page(url=crowd.url)
    loss, began = chart(page, "loss"), time.perf_counter()
    await page.goto(f"/training/jobs/{job}")
    await drawn(loss, "--curve-1")
    while await read_at(loss, 0.999) < 0.99 * last:
        await page.evaluate("new Promise(requestAnimationFrame)")
    return page, 1000 * (time.perf_counter() - began)


async def mean_frame(page: Page, seconds: float) -> float:
    """Milliseconds from one frame to the next, on average over some seconds."""
    frames, took = await page.evaluate(
        """(milliseconds) => new Promise((done) => {
            let frames = 0, first;
            const frame = (now) => {
                first ??= now;
                if (now - first >= milliseconds) done([frames, now - first]);
                else { frames += 1; requestAnimationFrame(frame); }
            };
            requestAnimationFrame(frame);
        })""",
        seconds * 1000,
    )
    return float(took) / max(1, int(frames))


async def round_of(visits: Visits, crowd: Crowd) -> list[float]:
    """The milliseconds of each row, once."""
    _, short = await opened(visits, crowd, crowd.short_run, 2)
    page, long = await opened(visits, crowd, crowd.long_run, POINTS)
    jobs = await visits.page("/", url=crowd.url)
    await jobs.get_by_role("listitem").first.wait_for()
    async with crowd.points_arriving():
        monitoring = await mean_frame(page, SECONDS)
        await jobs.evaluate(SCROLL)
        scrolling = await mean_frame(jobs, SECONDS)
    await visits.end()
    return [short, long, monitoring, scrolling]


async def measured(folder: Path, rounds: int) -> list[list[float]]:
    """The rounds."""
    async with launched_browser() as browser, crowded(folder, JOBS, POINTS) as crowd:
        return [await round_of(Visits(browser, crowd.url), crowd) for _ in range(rounds)]


def main() -> None:
    options = read_options(__doc__)
    with TemporaryDirectory() as folder:
        rounds = asyncio.run(measured(Path(folder), options.rounds))
    what = (
        "a run of two points is drawn",
        f"a run of {POINTS:,} points is drawn",
        "a frame of that run while points arrive",
        f"a frame of {JOBS:,} jobs that are scrolled while points arrive",
    )
    rows = [
        [name, f"{statistics.median(times):.0f} ms"]
        for name, times in zip(what, zip(*rounds, strict=True), strict=True)
    ]
    caption = f"The page in a headless Chromium; medians of {options.rounds} rounds (`python -m benchmarks.page`):"
    publish("page", caption, ["what", "time"], rows, write=options.write)


if __name__ == "__main__":
    main()
