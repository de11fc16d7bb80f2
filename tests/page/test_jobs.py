"""Training Jobs: the list, as people see it in a browser."""

import asyncio
import colorsys
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.tools.api import Api
from tests.tools.browser import DESKTOP, Visits, card, toast

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def in_status(trainer: Api, status: str, name: str) -> str:
    """A job that has come to a status."""
    if status == "QUEUED":
        return await trainer.created(name=name)
    id = await trainer.started(name=name)
    if status == "COMPLETE":
        await trainer.complete(id)
    if status == "FAILED":
        await trainer.fail(id, "enough")
    return id


class Held:
    """A mutation of the page on its way to the server: it gets there once it is released."""

    def __init__(self, mutation: str) -> None:
        self.requests = 0
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self._mutation = mutation

    async def __call__(self, route: Route) -> None:
        if f"mutation {self._mutation}" in (route.request.post_data or ""):
            self.requests += 1
            self.arrived.set()
            await self.released.wait()
        await route.continue_()


class TestTheList:
    async def test_is_at_both_addresses_with_its_title_and_subtitle(self, page: Page) -> None:
        for path in ("/", "/training/jobs"):
            await page.goto(path)
            await expect(page).to_have_title("Training Jobs")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Training Jobs")
            await expect(page.locator("h1 + p")).not_to_be_empty()

    async def test_where_nothing_matches_says_so_and_shows_all_again(self, page: Page, trainer: Api) -> None:
        await trainer.created(name="there")
        await page.goto("/?search=not+there&status=failed")
        await page.get_by_role("button", name="Show all jobs").click()
        await expect(card(page, "there")).to_be_visible()
        assert "?" not in page.url


class TestACard:
    async def test_shows_everything_of_its_job_and_leads_to_its_monitor(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(
            name="all of it", modelName="vit-base", epochs=20, learningRate=0.003, stepsPerEpoch=100
        )
        await trainer.log(id, [{"step": step, "loss": 1 / step} for step in range(1, 501)])
        now = datetime.now(UTC)
        await page.clock.set_fixed_time(now + timedelta(minutes=3, seconds=5))
        await page.goto("/?search=all+of+it")
        shown = card(page, "all of it")
        created = shown.get_by_text("3 minutes ago")
        await expect(created).to_have_attribute("title", re.compile(rf"{now:%Y-%m-%d} \d\d:\d\d:\d\d"))
        for text in ("vit-base", "Running", "20", "0.003"):
            await expect(shown.get_by_text(text, exact=True)).to_be_visible()
        await expect(shown.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
        await expect(shown.get_by_role("img", name=re.compile("loss", re.IGNORECASE))).to_be_visible()
        await shown.click(position={"x": 100, "y": 100})
        await expect(page).to_have_url(re.compile(f"/training/jobs/{id}$"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("all of it")

    async def test_of_an_ended_job_offers_to_view_it_and_nothing_else(self, page: Page, trainer: Api) -> None:
        for status in ("COMPLETE", "FAILED"):
            id = await in_status(trainer, status, f"ended {status}")
            await page.goto(f"/?search=ended+{status}")
            ended = card(page, f"ended {status}")
            await expect(ended.get_by_role("button")).to_have_count(0)
            await ended.get_by_role("link", name="View").click()
            await expect(page).to_have_url(re.compile(f"/training/jobs/{id}$"))


async def test_a_badge_tells_each_status_by_word_colour_and_shape_and_pulses_while_a_job_runs_unless_motion_is_reduced(
    visits: Visits, trainer: Api
) -> None:
    colours = {"QUEUED": "grey", "RUNNING": "blue", "COMPLETE": "green", "FAILED": "red"}
    for status in colours:
        await in_status(trainer, status, f"badge {status}")
    for reduced_motion in ("no-preference", "reduce"):
        page = await visits.page("/?search=badge", reduced_motion=reduced_motion)
        cards = {status: card(page, f"badge {status}") for status in colours}
        badges = {status: cards[status].get_by_text(status.capitalize(), exact=True) for status in colours}
        assert {status: await colour_of(badge) for status, badge in badges.items()} == colours
        shapes = {await badge.locator("path").get_attribute("d") for badge in badges.values()}
        assert len(shapes) == len(badges)
        moving = {status for status in colours if await animations(cards[status])}
        assert moving == ({"RUNNING"} if reduced_motion == "no-preference" else set())


class TestStart:
    async def test_starts_the_job_once_however_often_it_is_pressed_and_says_so_in_green_at_the_top_right(
        self, page: Page, trainer: Api
    ) -> None:
        id = await trainer.created(name="to start")
        await page.goto("/?search=to+start")
        await page.route("**/graphql", held := Held("StartJob"))
        button = card(page, "to start").get_by_role("button", name="Start")
        await button.dblclick()
        await expect(button).to_have_attribute("aria-busy", "true")
        await button.press("Enter")
        held.released.set()
        said = toast(page, "Training Started")
        await expect(said).to_contain_text("to start")
        assert await colour_of(said) == "green"
        box = await said.bounding_box()
        assert box is not None
        assert box["x"] > DESKTOP["width"] / 2
        assert box["y"] < DESKTOP["height"] / 3
        await expect(card(page, "to start").get_by_text("Running", exact=True)).to_be_visible()
        assert (await trainer.job(id))["status"] == "RUNNING"
        assert held.requests == 1

    async def test_that_comes_too_late_shows_the_servers_message_in_red(self, page: Page, trainer: Api) -> None:
        id = await trainer.created(name="too late")
        await page.goto("/?search=too+late")
        await page.route("**/graphql", held := Held("StartJob"))
        await card(page, "too late").get_by_role("button", name="Start").click()
        await held.arrived.wait()
        await trainer.fail(id)
        held.released.set()
        refused = await trainer.start(id)
        said = toast(page, refused["message"])
        await expect(said).to_be_visible()
        assert await colour_of(said) == "red"


class TestStop:
    async def test_asks_first_and_stops_the_job_only_where_that_is_meant(self, page: Page, trainer: Api) -> None:
        id = await trainer.started(name="to stop")
        await page.goto("/?search=to+stop")
        stop = card(page, "to stop").get_by_role("button", name="Stop")
        question = page.get_by_role("dialog", name=re.compile("to stop"))
        await stop.click()
        await question.get_by_role("button", name="Cancel").click()
        await expect(question).to_be_hidden()
        await stop.click()
        await expect(question).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(question).to_be_hidden()
        await expect(stop).to_have_attribute("aria-busy", "false")
        assert (await trainer.job(id))["status"] == "RUNNING"
        await stop.click()
        await question.get_by_role("button", name="Stop").click()
        await expect(card(page, "to stop").get_by_text("Failed", exact=True)).to_be_visible()
        assert (await trainer.job(id))["status"] == "FAILED"


class TestTheFilter:
    async def test_by_name_and_status_is_in_the_address_and_a_link_keeps_it(self, page: Page, trainer: Api) -> None:
        for status in ("QUEUED", "RUNNING"):
            await in_status(trainer, status, f"sieve {status}")
        await trainer.started(name="beside it")
        shown = page.get_by_role("heading", level=2)
        await page.goto("/")
        await page.get_by_role("searchbox").fill("SIEVE")
        await expect(shown).to_have_text(["sieve RUNNING", "sieve QUEUED"])
        await page.get_by_role("checkbox", name="Running", exact=True).check()
        await expect(shown).to_have_text(["sieve RUNNING"])
        await expect(page).to_have_url(re.compile("search=SIEVE"))
        assert "status=running" in page.url
        await page.goto(page.url)
        await expect(shown).to_have_text(["sieve RUNNING"])
        await expect(page.get_by_role("checkbox", name="Running", exact=True)).to_be_checked()
        await expect(page.get_by_role("searchbox")).to_have_value("SIEVE")


async def test_without_a_reload_the_list_follows_what_others_do(page: Page, trainer: Api) -> None:
    shown = page.get_by_role("heading", level=2)
    leaving = await trainer.created(name="live leaving")
    await page.goto("/?search=live+&status=queued&status=running&status=complete")
    await expect(shown).to_have_text(["live leaving"])
    id = await trainer.created(name="live moving", stepsPerEpoch=10)
    await expect(shown).to_have_text(["live moving", "live leaving"])
    moves = card(page, "live moving")
    await expect(moves.get_by_text("Queued", exact=True)).to_be_visible()
    await trainer.start(id)
    await expect(moves.get_by_text("Running", exact=True)).to_be_visible()
    await trainer.log(id, [{"step": step, "loss": 1 / step} for step in range(1, 6)])
    await expect(moves.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    curve = moves.get_by_role("img").locator("path")
    first = await curve.get_attribute("d")
    assert first
    await trainer.log(id, [{"step": step, "loss": step} for step in range(6, 11)])
    await expect(curve).not_to_have_attribute("d", first)
    await trainer.complete(id)
    await expect(moves.get_by_text("Complete", exact=True)).to_be_visible()
    await trainer.fail(leaving)
    await expect(shown).to_have_text(["live moving"])


async def colour_of(element: Locator) -> str:
    """What people call the colour that it is written in."""
    found = await element.evaluate("(element) => getComputedStyle(element).color")
    red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", found)[:3])
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    if saturation < 0.2:
        return "grey"
    return {0: "red", 1: "yellow", 2: "green", 3: "cyan", 4: "blue", 5: "magenta"}[round(hue * 6) % 6]


async def animations(element: Locator) -> int:
    """How many of the things in it move, without end."""
    await element.wait_for()
    count: int = await element.evaluate(
        """(element) => element.getAnimations({subtree: true})
            .filter((each) => each.effect.getTiming().iterations === Infinity).length"""
    )
    return count
