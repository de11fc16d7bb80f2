"""Compare: several jobs in one picture, and what they differ in, as people see it in a browser."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, expect

from tests.tools.api import Api
from tests.tools.browser import Visits, card
from tests.tools.charts import KEEP_STROKES, chart, charted, drag, drawn, point_at, read_at, readings, zoomed

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST = 8
"""Jobs that are compared at once."""

LEGEND_PENS = """(all) => all.map((each) => {
    const paint = new OffscreenCanvas(1, 1).getContext("2d");
    paint.strokeStyle = getComputedStyle(each).stroke;
    return `${paint.strokeStyle} ${each.getAttribute("stroke-dasharray")}`;
})"""
"""The pens that the legend draws with."""


async def a_run(trainer: Api, last: int = 10, above: float = 0, **settings: Any) -> str:
    """A job in training; its loss at each step is the step's number, or so much above it."""
    id = await trainer.started(**{"stepsPerEpoch": 100, **settings})
    await trainer.log(id, [{"step": step, "loss": step + above} for step in range(1, last + 1)])
    return id


async def compared(page: Page, *ids: str, query: str = "") -> Locator:
    """The chart of the loss where jobs are compared, drawn."""
    return await charted(page, f"/training/compare?jobs={','.join(ids)}{query}")


def legend(page: Page) -> Locator:
    return page.get_by_role("list", name="Jobs compared").get_by_role("listitem")


def row(page: Page, name: str) -> Locator:
    """A row of the table, whether it is marked or not."""
    head = page.get_by_role("rowheader", name=re.compile(rf"^{re.escape(name)} ?(differs)?$"))
    return page.get_by_role("row").filter(has=head)


class TestTheWayThere:
    async def test_leads_from_jobs_that_are_ticked_in_the_list(self, page: Page, trainer: Api) -> None:
        """And there and back, and is not offered where none is ticked."""
        ids = [await trainer.created(name=f"ticked {number}") for number in (1, 2, 3)]
        await page.goto("/?search=ticked")
        tick, bar = card(page, "ticked 2").get_by_role("checkbox"), page.get_by_role("region", name="Comparison")
        for untick in (tick.uncheck, bar.get_by_role("button", name="Clear").click):
            await tick.check()
            await expect(bar).to_be_visible()
            await untick()
            await expect(bar).to_have_count(0)
            await expect(tick).not_to_be_checked()
        for number in (1, 3):
            await card(page, f"ticked {number}").get_by_role("checkbox").check()
        await expect(bar.get_by_role("status")).to_have_text("2 jobs ticked")
        await bar.get_by_role("link", name="Compare").click()
        await expect(page).to_have_url(re.compile(rf"/training/compare\?jobs={ids[0]}(,|%2C){ids[2]}$"))
        await expect(page).to_have_title("Compare 2 jobs")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Compare")
        await expect(legend(page).get_by_role("link")).to_have_text(["ticked 1", "ticked 3"])
        await page.get_by_role("link", name="All jobs").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Training Jobs")

    async def test_without_jobs_leads_to_the_list(self, page: Page) -> None:
        for query in ("", "?jobs=", "?jobs=,", "?x=epoch"):
            await page.goto(f"/training/compare{query}")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to compare")
        await page.get_by_role("main").get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Training Jobs")


class TestTheLegend:
    async def test_tells_as_many_lines_as_can_be_told_apart_by_colour_and_dash_and_says_so_of_more(
        self, page: Page, trainer: Api
    ) -> None:
        ids = [await a_run(trainer, above=place, name=f"one of nine: {place}") for place in range(MOST + 1)]
        await page.add_init_script(KEEP_STROKES)
        loss = await compared(page, *ids)
        await drawn(loss, f"--curve-{MOST}")
        shown = await legend(page).locator("> svg path").evaluate_all(LEGEND_PENS)
        colours, dashes = zip(*(pen.split(" ", 1) for pen in shown), strict=True)
        assert len(set(colours)) == len(set(dashes)) == MOST
        assert set(shown) <= set(await page.evaluate("[...strokes.loss]"))
        await expect(legend(page).get_by_role("link")).to_have_text([f"one of nine: {n}" for n in range(MOST)])
        await expect(page.get_by_text(f"Only the first {MOST} jobs are shown")).to_be_visible()

    async def test_names_every_job_with_its_status_as_it_is_and_leads_to_its_monitor(
        self, page: Page, trainer: Api
    ) -> None:
        ids = [await a_run(trainer, name=f"named {number}") for number in (1, 2)]
        await compared(page, *ids)
        await expect(legend(page)).to_contain_text(["named 1", "named 2"])
        await expect(legend(page).get_by_text("Running", exact=True)).to_have_count(2)
        await trainer.complete(ids[1])
        await expect(legend(page).nth(1).get_by_text("Complete", exact=True)).to_be_visible()
        await expect(row(page, "Status").get_by_role("cell")).to_have_text(["Running", "Complete"])
        await legend(page).get_by_role("link", name="named 2").click()
        await expect(page).to_have_url(re.compile(f"/training/jobs/{ids[1]}$"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("named 2")

    async def test_removes_a_job_from_the_picture_and_from_the_address(self, page: Page, trainer: Api) -> None:
        ids = [await a_run(trainer, name=f"kept {number}") for number in (1, 2, 3)]
        loss = await compared(page, *ids, query="&x=epoch")
        await page.get_by_role("button", name="Remove kept 2").click()
        await expect(legend(page).get_by_role("link")).to_have_text(["kept 1", "kept 3"])
        await expect(page.get_by_role("columnheader")).to_have_text(["Job", "kept 1", "kept 3"])
        await expect(page).to_have_url(re.compile(rf"jobs={ids[0]}(,|%2C){ids[2]}\b.*x=epoch|x=epoch.*jobs="))
        await drawn(loss, "--curve-2")
        await point_at(loss, 0.5)
        await expect(loss.locator("output")).to_contain_text("kept 3")
        assert [name for name, _ in await readings(loss)] == ["kept 1", "kept 3"]
        for name in ("kept 1", "kept 3"):
            await page.get_by_role("button", name=f"Remove {name}").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to compare")

    async def test_says_what_is_not_there_beside_the_others(self, page: Page, trainer: Api) -> None:
        id = await a_run(trainer, name="is there")
        absent = ["99999", "none", "0"]
        loss = await compared(page, id, *absent, id)  # a job that is named twice is there once
        await expect(legend(page)).to_contain_text(["is there", *absent])
        await expect(legend(page).get_by_role("alert")).to_have_count(len(absent))
        await expect(page.get_by_role("columnheader")).to_have_text(["Job", "is there"])
        assert await read_at(loss, 0.998) == 10
        assert await readings(loss) == [("is there", "10")]
        await legend(page).nth(1).get_by_role("button").click()
        await expect(legend(page)).to_contain_text(["is there", *absent[1:]])


class TestTheCurves:
    async def test_are_overlaid_by_name(self, page: Page, trainer: Api) -> None:
        ids = [await trainer.started(name=f"overlaid {number}") for number in (1, 2)]
        for id, loss, other in zip(ids, (1.0, 2.0), ("a", "b"), strict=True):
            await trainer.log(
                id, [{"step": step, "loss": loss, "values": [{"name": other, "value": 3.0}]} for step in (1, 2)]
            )
        loss_chart = await compared(page, *ids)
        await expect(chart(page, "b")).to_be_visible()
        names = await page.locator("[data-curve]").evaluate_all("(all) => all.map((each) => each.dataset.curve)")
        assert names == ["loss", "a", "b"]
        for name, read in {
            "loss": [("overlaid 1", "1"), ("overlaid 2", "2")],
            "a": [("overlaid 1", "3")],
            "b": [("overlaid 2", "3")],
        }.items():
            await drawn(chart(page, name), "--curve-1" if ("overlaid 1", "3") in read else "--curve-2")
            await chart(page, name).scroll_into_view_if_needed()
            await read_at(chart(page, name), 0.998)
            assert await readings(chart(page, name)) == read
        await drawn(loss_chart, "--curve-2")

    async def test_of_jobs_with_one_name_are_both_read_and_grow_as_points_come(self, page: Page, trainer: Api) -> None:
        ids = [await a_run(trainer, above=place, name="twin") for place in (0, 100)]
        loss = await compared(page, *ids)
        await drawn(loss, "--curve-2")
        for part in (0.002, 0.5, 0.998):
            step = int(await read_at(loss, part))
            assert await readings(loss) == [("twin", str(step)), ("twin", str(step + 100))]
        await trainer.log(ids[1], [{"step": 20, "loss": 0.25}])
        await expect(row(page, "loss, best (lowest)").get_by_role("cell")).to_have_text(["1", "0.25"])
        await point_at(loss, 0.998)
        await expect(loss.locator("output")).to_contain_text("twin 0.25")

    async def test_are_read_at_one_place_and_only_where_they_are(self, page: Page, trainer: Api) -> None:
        ids = [await a_run(trainer, last=last, name=f"until {last}") for last in (10, 100)]
        loss = await compared(page, *ids)
        await drawn(loss, "--curve-2")
        await point_at(loss, 0.05)
        await expect(loss.locator("output")).to_have_text(re.compile(r"step (\d+)until 10 \1until 100 \1$"))
        assert await read_at(loss, 0.998) == 100
        assert ("until 100", "100") in await readings(loss)
        assert ("until 10", "10") not in await readings(loss), "that was long before"


class TestTheTable:
    async def test_marks_every_setting_that_differs(self, page: Page, trainer: Api) -> None:
        settings: dict[str, tuple[str, tuple[Any, Any], list[str]]] = {
            "modelName": ("Model", ("resnet", "vit"), ["resnet", "vit"]),
            "epochs": ("Epochs", (1, 2), ["1", "2"]),
            "stepsPerEpoch": ("Steps an epoch", (100, 2000), ["100", "2,000"]),
            "learningRate": ("Learning rate", (0.1, 0.1000001), ["0.1", "0.1000001"]),
            "schedule": ("Schedule", ("CONSTANT", "COSINE"), ["constant", "cosine"]),
            "batchSize": ("Batch size", (32, 64), ["32", "64"]),
            "scenario": ("Scenario", ("HEALTHY", "SPIKES"), ["healthy", "spikes"]),
            "seed": ("Seed", (1, 2), ["1", "2"]),
        }
        ids = [
            await trainer.started(**{setting: values[place] for setting, (_, values, _) in settings.items()})
            for place in (0, 1)
        ]
        for id in ids:
            await trainer.step(id)
        await compared(page, *ids)
        for name, _, shown in settings.values():
            await expect(row(page, name).get_by_role("cell")).to_have_text(shown)
            await expect(page.get_by_role("rowheader", name=f"{name} differs", exact=True)).to_be_visible()

    async def test_marks_the_one_setting_that_differs_and_no_other_and_has_final_and_best_values(
        self, page: Page, trainer: Api
    ) -> None:
        """None of what is not finite is the best, and of what was neither said nor logged there is nothing."""
        plan = {"epochs": None, "learningRate": None}
        ids = [await trainer.started(modelName=name, **plan) for name in ("resnet", "vit")]
        for id, losses in zip(ids, ((3.0, 1.0, 2.0), (0.5, 0.75, 4.0)), strict=True):
            await trainer.log(id, [{"step": at, "loss": x, "accuracy": x / 10} for at, x in enumerate(losses)])
        await trainer.log(ids[0], [{"step": 3, "values": [{"name": "loss", "nonFinite": "NAN"}]}])
        await trainer.log(ids[1], [{"step": 3, "values": [{"name": "only here", "value": 7.0}]}])
        await trainer.log(ids[1], [{"step": 4}])
        await compared(page, *ids)
        for name, cells in {
            "Points": ["4", "5"],
            "loss, final": ["NaN", "4"],
            "loss, best (lowest)": ["1", "0.5"],
            "accuracy, final": ["0.2", "0.4"],
            "accuracy, best (highest)": ["0.3", "0.4"],
            "only here, final": ["–", "7"],
        }.items():
            await expect(row(page, name).get_by_role("cell")).to_have_text(cells)
        await expect(page.get_by_role("rowheader").filter(has_text="differs")).to_have_text([re.compile("^Model")])
        await expect(
            page.get_by_role("rowheader", name=re.compile("^(Epochs|Batch|Schedule|Scenario|Seed)"))
        ).to_have_count(0)


class TestTheAddress:
    async def test_holds_the_jobs_and_the_view(self, visits: Visits, page: Page, trainer: Api) -> None:
        ids = [await a_run(trainer, last=400, epochs=4, name=f"sent {number}") for number in (1, 2)]
        await compared(page, *ids)
        await page.get_by_label("X axis").select_option("Epoch")
        await page.get_by_label("Y axis").select_option("Logarithmic")
        await page.get_by_label("Smoothing").fill("0.5")
        loss = chart(page, "loss")
        await drawn(loss, "--curve-2")
        await drag(loss, 0.25, 0.5)
        await expect(page).to_have_url(re.compile("from="))
        sent = urlsplit(page.url)

        other = await visits.page(f"{sent.path}?{sent.query}")
        await expect(legend(other).get_by_role("link")).to_have_text(["sent 1", "sent 2"])
        await expect(other.get_by_label("X axis")).to_have_value("epoch")
        await expect(other.get_by_label("Y axis")).to_have_value("log")
        await expect(other.get_by_label("Smoothing")).to_have_value("0.5")
        await drawn(chart(other, "loss"), "--curve-2")
        begin, end = zoomed(other) or (0, 0)
        assert (begin, end) == pytest.approx((1, 2), abs=0.05)
        assert await read_at(chart(other, "loss"), 0.998) == pytest.approx(end, abs=0.02)
        assert await read_at(chart(other, "loss"), 0.002) == pytest.approx(begin, abs=0.02)
