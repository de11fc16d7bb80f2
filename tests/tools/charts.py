"""Charts on a page: what is drawn on them, and the hand that points and drags."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Locator, Page

from tests.tools.waiting import PATIENCE

KEEP_STROKES = """
    window.strokes = {};
    const stroke = CanvasRenderingContext2D.prototype.stroke;
    CanvasRenderingContext2D.prototype.stroke = function (...path) {
        const name = this.canvas.closest?.("[data-curve]")?.dataset.curve;
        (window.strokes[name] ??= new Set()).add(`${this.strokeStyle} ${this.getLineDash().join(" ")}`);
        return stroke.apply(this, path);
    };
"""
"""Keeps the colour and the dash of every pen that draws on a chart."""


def chart(page: Page, name: str) -> Locator:
    """The chart of a named value."""
    return page.locator(f"[data-curve='{name}']")


async def charted(page: Page, path: str) -> Locator:
    """The chart of the loss on a page, drawn."""
    await page.goto(path)
    loss = chart(page, "loss")
    await drawn(loss, "--curve-1")
    return loss


async def drawn(chart: Locator, colour: str) -> None:
    """Return once something is drawn in the colour of a custom property."""
    async with asyncio.timeout(PATIENCE):
        while await ink(chart, colour) == 0:
            await chart.page.evaluate("new Promise(requestAnimationFrame)")


async def ink(chart: Locator, colour: str, tolerance: int = 8, begin: float = 0, end: float = 1) -> int:
    """How many pixels have the colour of a custom property, from one part of the plot's width to another."""
    await chart.locator("canvas").wait_for()
    count: int = await chart.locator("canvas").evaluate(
        """(canvas, [colour, tolerance, begin, end]) => {
            const paint = new OffscreenCanvas(1, 1).getContext("2d");
            paint.fillStyle = getComputedStyle(canvas).getPropertyValue(colour);
            paint.fillRect(0, 0, 1, 1);
            const wanted = paint.getImageData(0, 0, 1, 1).data;
            const over = canvas.parentElement.querySelector(".u-over");
            const place = (part) => Math.round((over.offsetLeft + part * over.offsetWidth) * devicePixelRatio);
            const width = place(end) - place(begin);
            const { data } = canvas.getContext("2d").getImageData(place(begin), 0, width, canvas.height);
            let count = 0;
            for (let at = 0; at < data.length; at += 4) {
                if ([0, 1, 2, 3].every((part) => Math.abs(data[at + part] - wanted[part]) <= tolerance)) count += 1;
            }
            return count;
        }""",
        [colour, tolerance, begin, end],
    )
    return count


async def drag(chart: Locator, begin: float, end: float) -> None:
    """Drag over the chart from one part of its width to another."""
    box = await chart.locator(".u-over").bounding_box()
    assert box is not None
    mouse, height = chart.page.mouse, box["y"] + box["height"] / 2
    await mouse.move(box["x"] + begin * box["width"], height)
    await mouse.down()
    await mouse.move(box["x"] + end * box["width"], height, steps=3)
    await mouse.up()


async def point_at(chart: Locator, part: float) -> None:
    """Hover over a part of the chart's width."""
    box = await chart.locator(".u-over").bounding_box()
    assert box is not None
    await chart.page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)


async def read_at(chart: Locator, part: float) -> float:
    """The place that is read at a part of the chart's width."""
    await point_at(chart, part)
    said = await chart.locator("output").inner_text()
    place = re.search(r"(?:step|epoch|at) ([\d.,:]+)", said)
    assert place, said
    minutes, _, seconds = place[1].replace(",", "").rpartition(":")
    return 60 * float(minutes or 0) + float(seconds)


async def readings(chart: Locator) -> list[tuple[str, str]]:
    """What is read on a chart of several jobs: of each its name and its value."""
    read = await chart.locator("output > span:not(.place)").all_inner_texts()
    return [(name, value) for name, _, value in (text.rpartition(" ") for text in read)]


def zoomed(page: Page) -> tuple[float, float] | None:
    """What the address says is in sight."""
    query = parse_qs(urlsplit(page.url).query)
    return (float(query["from"][0]), float(query["to"][0])) if "from" in query else None
