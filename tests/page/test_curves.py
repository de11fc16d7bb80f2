"""Curves: what is drawn, what is read on them, and how they are looked at, as people see it in a browser."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, expect

from tests.tools.api import Api
from tests.tools.browser import PHONE, Visits, stat, until
from tests.tools.charts import KEEP_STROKES, chart, charted, drag, drawn, ink, point_at, read_at, zoomed

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def a_run(trainer: Api, last: int = 100, **settings: Any) -> str:
    """A job in training whose loss at each step is the step's number, and its accuracy a thousandth of it."""
    id = await trainer.started(**{"epochs": 10, "stepsPerEpoch": 100, **settings})
    await trainer.log(id, line(1, last))
    return id


def line(first: int, last: int) -> list[dict[str, Any]]:
    return [{"step": step, "loss": step, "accuracy": step / 1000} for step in range(first, last + 1)]


async def opened(page: Page, id: str, query: str = "") -> Locator:
    """The chart of the loss on the job's page, drawn."""
    return await charted(page, f"/training/jobs/{id}{query}")


class TestTheCharts:
    async def test_are_one_of_each_named_value_with_the_usual_ones_first_and_gain_one_with_another_value(
        self, page: Page, trainer: Api
    ) -> None:
        id = await trainer.started()
        values = [{"name": name, "value": 1.0} for name in ("train/grad_norm", "val_loss")]
        point = {"loss": 1.0, "accuracy": 0.5, "learningRate": 0.1, "values": values}
        await trainer.log(id, [{"step": step, **point} for step in (1, 2)])
        await opened(page, id)
        names = await page.locator("[data-curve]").evaluate_all("(all) => all.map((each) => each.dataset.curve)")
        assert names == ["loss", "accuracy", "learningRate", "train/grad_norm", "val_loss"]
        await trainer.log(id, [{"step": 3, "values": [{"name": "late", "value": 1.0}]}])
        await expect(chart(page, "late")).to_be_visible()

    async def test_that_are_out_of_sight_are_not_drawn(self, visits: Visits, trainer: Api) -> None:
        id = await trainer.started()
        names = [f"value {number:02}" for number in range(20)]

        async def log(step: int) -> None:
            values = [{"name": name, "value": float(step)} for name in names]
            await trainer.log(id, [{"step": step, "loss": float(step), "values": values}])

        await log(1)
        await log(2)
        page = await visits.page(viewport=PHONE)
        await page.add_init_script(KEEP_STROKES)
        loss = await opened(page, id)
        assert "value 19" not in await page.evaluate("strokes"), "never in sight"
        await chart(page, "value 19").scroll_into_view_if_needed()
        await drawn(chart(page, "value 19"), "--curve-5")
        # The loss has left: what comes is drawn on charts in sight only.
        await page.evaluate("window.strokes = {}")
        await log(3)
        await until(page, "strokes['value 19']")
        assert "loss" not in await page.evaluate("strokes")
        await loss.scroll_into_view_if_needed()
        await until(page, "strokes.loss")


class TestZoom:
    async def test_by_dragging_is_the_same_for_all_charts_and_stays_there_while_points_come_and_in_a_link(
        self, visits: Visits, page: Page, trainer: Api
    ) -> None:
        id = await a_run(trainer)
        loss = await opened(page, id)
        await drag(loss, 0.25, 0.5)
        await expect(page).to_have_url(re.compile("from="))
        before = zoomed(page)
        assert before == pytest.approx((25.75, 50.5), abs=1)
        for name in ("loss", "accuracy"):
            assert await read_at(chart(page, name), 0.002) == pytest.approx(26, abs=1)
            assert await read_at(chart(page, name), 0.998) == pytest.approx(50, abs=1)
        await trainer.log(id, line(101, 400))
        await expect(stat(page, "Step")).to_contain_text("400 of")
        assert zoomed(page) == before
        other = await opened(await visits.page(), id, "?" + urlsplit(page.url).query)
        for each in (loss, other):
            assert await read_at(each, 0.998) == pytest.approx(50, abs=1)

    async def test_ends_with_all_in_sight_by_a_button_a_double_click_or_escape(self, page: Page, trainer: Api) -> None:
        loss = await opened(page, await a_run(trainer))
        ends: list[Callable[[], Awaitable[None]]] = [
            page.get_by_role("button", name="Show all").click,
            loss.locator(".u-over").dblclick,
            partial(loss.get_by_role("group").press, "Escape"),
        ]
        for end in ends:
            await drag(loss, 0.25, 0.5)
            await expect(page).to_have_url(re.compile("from="))
            await end()
            await expect(page).not_to_have_url(re.compile("from="))
            assert await read_at(loss, 0.998) == pytest.approx(100, abs=1)

    async def test_that_follows_keeps_the_newest_in_sight_and_without_one_all_points_are(
        self, page: Page, trainer: Api
    ) -> None:
        id = await a_run(trainer)
        loss = await opened(page, id)
        await trainer.log(id, line(101, 200))
        await expect(stat(page, "Step")).to_contain_text("200 of")
        assert await read_at(loss, 0.998) == pytest.approx(200, abs=1)
        assert await read_at(loss, 0.002) == 1
        await drag(loss, 0.5, 1)
        await page.get_by_role("button", name="Follow").click()
        await trainer.log(id, line(201, 400))
        await expect(stat(page, "Step")).to_contain_text("400 of")
        assert await read_at(loss, 0.998) == pytest.approx(400, abs=1)
        assert await read_at(loss, 0.002) == pytest.approx(300, abs=3)


class TestReading:
    async def test_reads_all_curves_at_the_step_that_is_pointed_at_until_the_pointer_leaves(
        self, page: Page, trainer: Api
    ) -> None:
        loss = await opened(page, await a_run(trainer))
        await point_at(loss, 0.5)
        await expect(loss.locator("output")).to_have_text(re.compile(r"step (\d+)\s*\1$"))
        step = int(await read_at(loss, 0.5))
        await expect(chart(page, "accuracy").locator("output")).to_have_text(
            re.compile(rf"step {step}\s*{re.escape(str(step / 1000))}$")
        )
        await page.mouse.move(0, 0)
        await expect(page.locator("[data-curve] output")).to_have_count(0)

    async def test_goes_along_the_curve_with_the_arrow_keys_and_zooms_with_plus_and_minus(
        self, page: Page, trainer: Api
    ) -> None:
        loss = await opened(page, await a_run(trainer))
        plot = loss.get_by_role("group")
        await plot.press("ArrowRight")
        await expect(loss.locator("output")).to_contain_text("step 1")
        for _ in range(5):
            await plot.press("ArrowRight")
        right = await page.locator("[data-curve=loss] output b").inner_text()
        await plot.press("ArrowLeft")
        left = await page.locator("[data-curve=loss] output b").inner_text()
        assert 1 <= float(left) < float(right) < 20
        await expect(chart(page, "accuracy").locator("output")).to_contain_text(f"step {left}")
        await plot.press("+")
        await expect(page).to_have_url(re.compile("from="))
        near = zoomed(page)
        assert near is not None
        await plot.press("-")
        await expect(page).not_to_have_url(re.compile(f"from={near[0]}"))
        far = zoomed(page)
        assert far is not None
        assert near[1] - near[0] == pytest.approx((far[1] - far[0]) / 2, rel=0.05)

    async def test_says_what_was_not_finite_and_the_place_is_marked(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(epochs=1, stepsPerEpoch=100)
        await trainer.log(id, [{"step": step, "loss": 1.0} for step in range(1, 100)])
        loss = await opened(page, id)
        assert await ink(loss, "--bad") == 0
        for step, (name, text) in enumerate({"NAN": "NaN", "INFINITY": "∞", "NEGATIVE_INFINITY": "−∞"}.items(), 100):
            await trainer.log(id, [{"step": step, "values": [{"name": "loss", "nonFinite": name}]}])
            await expect(stat(page, "Step")).to_have_text(re.compile(f"^{step}\\b"))
            await drawn(loss, "--bad")
            await point_at(loss, 0.5)
            await point_at(loss, 0.999)
            await expect(loss.locator("output b")).to_have_text(text)


class TestTheView:
    async def test_is_by_step_epoch_or_time(self, page: Page, trainer: Api) -> None:
        loss = await opened(page, await a_run(trainer, last=400))
        for axis, last in (("Step", 400), ("Epoch", 4), ("Time", None)):
            await page.get_by_label("X axis").select_option(axis)
            word = {"Time": "at"}.get(axis, axis.lower())
            await point_at(loss, 0.9)
            await point_at(loss, 0.998)
            await expect(loss.locator("output")).to_have_text(re.compile(f"^{word} "))
            if last is not None:
                assert await read_at(loss, 0.998) == pytest.approx(last, rel=0.01)

    async def test_is_linear_or_logarithmic(self, page: Page, trainer: Api) -> None:
        id = await trainer.started()
        await trainer.log(id, [{"step": step, "loss": 10.0**-step} for step in range(9)])
        loss = await opened(page, id)
        linear = await loss.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
        await page.get_by_label("Y axis").select_option("Logarithmic")
        await expect(page).to_have_url(re.compile("y=log"))
        await drawn(loss, "--curve-1")
        assert await loss.locator("canvas").evaluate("(canvas) => canvas.toDataURL()") != linear
        # Straight from corner to corner: as much ink on the left as on the right.
        left = await ink(loss, "--curve-1", tolerance=60, end=0.5)
        right = await ink(loss, "--curve-1", tolerance=60, begin=0.5)
        assert left == pytest.approx(right, rel=0.2)

    async def test_smoothed_keeps_the_raw_curve_faint_behind_it(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(epochs=1)
        await trainer.log(id, [{"step": step, "loss": float(step % 2)} for step in range(1, 101)])
        loss = await opened(page, id)
        raw = await ink(loss, "--curve-1")
        await page.get_by_label("Smoothing").fill("0.9")
        await expect(page).to_have_url(re.compile(r"smooth=0\.9"))
        await drawn(loss, "--curve-1")
        # A zigzag over all of the chart's height has become one line; what it was is still there, but fainter.
        smooth = await ink(loss, "--curve-1")
        assert smooth < raw / 3
        assert await painted(loss) > 3 * smooth


async def painted(chart: Locator) -> int:
    """How many pixels inside the plot have a colour of the hue of curves: neither grey nor clear."""
    count: int = await chart.locator("canvas").evaluate(
        """(canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let at = 0; at < data.length; at += 4) {
                const parts = data.slice(at, at + 3);
                if (data[at + 3] > 20 && Math.max(...parts) - Math.min(...parts) > 40) count += 1;
            }
            return count;
        }"""
    )
    return count
