"""The monitor: one job, how far it is, and what can be done with it, as people see it in a browser."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.async_api import Page, expect

from tests.tools.api import Api
from tests.tools.browser import card, rows_of, stat, toast

pytestmark = pytest.mark.asyncio(loop_scope="session")


def descent(first: int, last: int) -> list[dict[str, Any]]:
    """Points of steps whose loss falls by 1 and whose accuracy rises by 0.01 each step."""
    return [{"step": step, "loss": 100 - step, "accuracy": step / 100} for step in range(first, last + 1)]


async def monitored(page: Page, id: str) -> None:
    """Return once the page shows the job."""
    await page.goto(f"/training/jobs/{id}")
    await page.get_by_role("heading", level=1).wait_for()


class TestTheHead:
    async def test_names_the_job_its_model_its_status_and_how_the_connection_is(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(name="in full", modelName="vit-base")
        await monitored(page, id)
        await expect(page.get_by_role("heading", level=1)).to_have_text("in full")
        for text in ("vit-base", "Running", "Live"):
            await expect(page.get_by_text(text, exact=True)).to_be_visible()
        await trainer.fail(id, "CUDA is out of memory")
        await monitored(page, id)
        await expect(page.get_by_text("CUDA is out of memory")).to_be_visible()
        await expect(page.get_by_text("Failed", exact=True)).to_be_visible()
        await expect(page.locator("[data-sonner-toast]")).to_have_count(0)

    async def test_of_an_id_that_is_none_or_is_not_there_says_so_and_leads_back(self, page: Page) -> None:
        for id in ("99999", "none", "0"):
            await page.goto(f"/training/jobs/{id}")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Job not found")
            await expect(page.locator("h1 + p")).to_contain_text(id)
        await page.get_by_role("link", name=re.compile("Back")).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Training Jobs")


class TestTheStatistics:
    async def test_say_where_the_run_is_and_how_it_changed_over_the_last_epoch_as_points_come(
        self, page: Page, trainer: Api
    ) -> None:
        id = await trainer.started(epochs=4, stepsPerEpoch=10)
        await monitored(page, id)
        for first, last, epoch in ((1, 1, "1 of 4"), (2, 10, "1 of 4"), (11, 11, "2 of 4"), (12, 25, "3 of 4")):
            await trainer.log(id, descent(first, last))
            await expect(stat(page, "Step")).to_have_text(f"{last} of 40")
            await expect(stat(page, "Epoch")).to_have_text(epoch)
        await expect(stat(page, "Loss")).to_have_text(re.compile("^75.*[−-]10"))
        await expect(stat(page, "Accuracy")).to_have_text(re.compile(r"^0\.25.*\+0\.1"))
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "62")

    async def test_count_the_time_and_foretell_the_rest_from_the_recent_rate(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(epochs=1, stepsPerEpoch=1000)
        began = datetime.now(UTC)
        await page.clock.install(time=began)
        await trainer.log(id, descent(1, 1))
        await monitored(page, id)
        await trainer.log(id, descent(2, 2))
        points = (await trainer.job(id, "metrics { recordedAt }"))["metrics"]
        # A browser knows milliseconds only.
        first, last = (int(1000 * datetime.fromisoformat(point["recordedAt"]).timestamp()) for point in points)
        seconds = 998 * (last - first) // 1000
        await expect(stat(page, "Remaining")).to_have_text(f"about {seconds // 60}:{seconds % 60:02}")
        await page.clock.fast_forward(65_000)
        await expect(stat(page, "Elapsed")).to_have_text(re.compile(r"^1:\d\d$"))

    async def test_of_a_run_that_says_little_have_nothing_that_it_did_not_say(self, page: Page, trainer: Api) -> None:
        """And of one that passed its plan no end that it has not."""
        nothing = {"modelName": None, "epochs": None, "learningRate": None}
        id = await trainer.started(name="says little", **nothing)
        await trainer.log(id, [{"step": 2000, "loss": 1.0}])
        await monitored(page, id)
        await expect(stat(page, "Step")).to_have_text("2,000")
        await expect(page.locator("[data-stat] dt")).to_have_text(["Step", "Loss", "Accuracy", "Elapsed"])
        await expect(page.get_by_role("progressbar")).to_have_count(0)
        await expect(page).to_have_title("Running · says little")
        await page.goto("/?search=says+little")
        shown = card(page, "says little")
        await expect(shown.get_by_text("1 point", exact=True)).to_be_visible()
        await expect(shown.locator("dt")).to_have_text(["Created"])
        await expect(shown.get_by_role("progressbar")).to_have_count(0)
        passed = await trainer.started(epochs=3, totalSteps=300)
        await trainer.log(passed, [{"step": 2000, "epoch": 19.5, "loss": 1.0}])
        await monitored(page, passed)
        await expect(stat(page, "Step")).to_have_text("2,000")
        await expect(stat(page, "Epoch")).to_have_text("19.5")
        await expect(stat(page, "Batch size")).to_have_count(0)
        await expect(page.get_by_role("progressbar")).to_have_count(0)


class TestTheTab:
    async def test_shows_progress_then_how_it_ended_until_one_leaves(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(name="in the tab", epochs=1, stepsPerEpoch=10)
        await monitored(page, id)
        await expect(page).to_have_title("0 % · in the tab")
        icons = [await icon(page)]
        await trainer.log(id, descent(1, 5))
        await expect(page).to_have_title("50 % · in the tab")
        icons.append(await icon(page))
        await trainer.fail(id)
        await expect(page).to_have_title("Failed · in the tab")
        icons.append(await icon(page))
        assert len(set(icons)) == 3
        assert all(each.startswith("data:image/svg+xml") for each in icons)
        await page.get_by_role("link", name="All jobs").click()
        await expect(page).to_have_title("Training Jobs")
        assert (await icon(page)).endswith("/favicon.svg")


class TestControls:
    async def test_run_steps_at_the_chosen_pace_until_it_is_paused(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(epochs=100)
        await monitored(page, id)
        await page.get_by_label("Pace").select_option("20 steps a second")
        began = datetime.now(UTC)
        await page.get_by_role("button", name="Run", exact=True).click()
        await expect(stat(page, "Step")).to_have_text(re.compile(r"^[3-9]\d of"))
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
        times = [each["recordedAt"] for each in (await trainer.job(id, "metrics { recordedAt }"))["metrics"]]
        took = datetime.fromisoformat(times[-1]) - began
        assert took.total_seconds() > (len(times) - 2) / 20, "never faster than the pace, but to make up for a wait"
        # What was on its way when it was paused is there once its answer is: from then on nothing comes.
        paused = (await trainer.job(id))["metricCount"]
        await page.get_by_role("button", name="one step").click()
        await expect(stat(page, "Step")).to_have_text(re.compile(f"^{paused + 1} of|^{paused + 2} of"))

    async def test_run_ends_with_the_job(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(epochs=1, stepsPerEpoch=5)
        await monitored(page, id)
        await page.get_by_label("Pace").select_option("100 steps a second")
        await page.get_by_role("button", name="Run", exact=True).click()
        await expect(toast(page, "Training Complete")).to_be_visible()
        await expect(page.get_by_role("group", name="Job")).to_have_count(0)
        assert (await trainer.job(id))["metricCount"] == 5

    async def test_of_a_run_that_reports_from_elsewhere_simulate_nothing(self, page: Page, trainer: Api) -> None:
        id = await trainer.started()
        await trainer.log(id, [{"step": 10, "loss": 1.0}])
        await monitored(page, id)
        await expect(stat(page, "Step")).to_have_text("10")
        await expect(page.get_by_role("button", name="one step")).to_have_count(0)
        await expect(page.get_by_role("button", name="Run", exact=True)).to_have_count(0)

    async def test_of_a_run_whose_end_nobody_knows_simulate_nothing_before_its_first_point(
        self, page: Page, trainer: Api
    ) -> None:
        id = await trainer.started(modelName=None, epochs=None, learningRate=None)
        await monitored(page, id)
        await expect(page.get_by_text("No points yet")).to_be_visible()
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await expect(page.get_by_role("button", name="one step")).to_have_count(0)


class TestToasts:
    @pytest.mark.parametrize(
        ("status", "said", "kind"), [("Complete", "to its end", "success"), ("Failed", "the disk is full", "error")]
    )
    async def test_tell_how_training_ended(self, page: Page, trainer: Api, status: str, said: str, kind: str) -> None:
        id = await trainer.started(name="to its end")
        await monitored(page, id)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await (trainer.complete(id) if status == "Complete" else trainer.fail(id, said))
        await expect(toast(page, f"Training {status}")).to_contain_text(said)
        await expect(toast(page, f"Training {status}")).to_have_attribute("data-type", kind)


class TestTheData:
    POINTS = (
        {"step": 1, "loss": 2.5, "values": [{"name": "a, b", "value": 0.125}]},
        {"step": 2, "values": [{"name": "loss", "nonFinite": "NAN"}]},
        {
            "step": 3,
            "values": [
                {"name": "loss", "nonFinite": "INFINITY"},
                {"name": "a, b", "nonFinite": "NEGATIVE_INFINITY"},
            ],
        },
    )

    async def test_is_downloaded_and_copied_as_csv_that_holds_every_point_and_a_curve_as_a_picture(
        self, page: Page, trainer: Api
    ) -> None:
        id = await trainer.started(name="taken away", stepsPerEpoch=100)
        await trainer.log(id, list(self.POINTS))
        await monitored(page, id)
        await expect(stat(page, "Step")).to_contain_text("3 of")
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="CSV").click()
        download = await downloading.value
        assert download.suggested_filename == "taken_away.csv"
        await page.get_by_role("button", name="Copy data").click()
        await expect(toast(page, "Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        for text in ((await download.path()).read_text(), copied):
            rows = rows_of(text)
            assert [{name: row[name] for name in ("seq", "step", "epoch", "loss", "a, b")} for row in rows] == [
                {"seq": "1", "step": "1", "epoch": "1", "loss": "2.5", "a, b": "0.125"},
                {"seq": "2", "step": "2", "epoch": "1", "loss": "NaN", "a, b": ""},
                {"seq": "3", "step": "3", "epoch": "1", "loss": "Infinity", "a, b": "-Infinity"},
            ]
            assert all(datetime.fromisoformat(row["recordedAt"]) for row in rows)
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Download loss as PNG").click()
        picture = await downloading.value
        assert picture.suggested_filename == "loss.png"
        assert (await picture.path()).read_bytes().startswith(b"\x89PNG\r\n")


async def icon(page: Page) -> str:
    """The address of the tab's icon."""
    return unquote(await page.locator("link[rel=icon]").get_attribute("href") or "")
