"""The page for everyone: by keyboard and screen reader, light and dark, on phone and wide screen, without motion."""

import functools
import re
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.tools.api import Api
from tests.tools.browser import DESKTOP, PHONE, Visits, card, stat
from tests.tools.nodejs import node_packages
from tests.tools.process import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

Show = Callable[[Page, Api], Awaitable[None]]
"""Brings a page to what is to be looked at."""

NUMBERS = count(1)
"""Of those who look: each has jobs of its own."""


async def a_run(trainer: Api, **settings: Any) -> str:
    id = await trainer.started(**settings)
    await trainer.log(id, [{"step": step, "loss": 1 / step, "accuracy": step / 100} for step in range(1, 51)])
    return id


async def show_list(page: Page, trainer: Api) -> None:
    seen = f"seen by {next(NUMBERS)}:"
    await a_run(trainer, name=f"{seen} running")
    await trainer.created(name=f"{seen} queued")
    await trainer.complete(await a_run(trainer, name=f"{seen} complete"))
    await trainer.fail(await a_run(trainer, name=f"{seen} failed"), "enough")
    await page.goto(f"/?search={seen.replace(' ', '+')}")
    await page.get_by_role("img", name="Loss").first.wait_for()
    await page.get_by_role("checkbox", name=f"Compare {seen} running").check()


async def show_nothing(page: Page, trainer: Api) -> None:
    await page.goto("/?search=nothing+of+the+kind")
    await page.get_by_role("button", name="Show all jobs").wait_for()


async def show_dialog(page: Page, trainer: Api) -> None:
    await page.goto("/?search=nothing+of+the+kind")
    await page.get_by_role("button", name="Create job", exact=True).click()
    await page.get_by_role("region", name="Preview").get_by_role("img").first.wait_for()


async def show_question(page: Page, trainer: Api) -> None:
    asked = f"asked by {next(NUMBERS)}:"
    await a_run(trainer, name=asked)
    await page.goto(f"/?search={asked.replace(' ', '+')}")
    await card(page, asked).get_by_role("button", name="Stop").click()
    await page.get_by_role("dialog").wait_for()


async def show_monitor(page: Page, trainer: Api) -> None:
    await page.goto(f"/training/jobs/{await a_run(trainer)}")
    await page.locator("[data-curve=loss] canvas").wait_for()
    await page.locator("[data-curve=loss]").get_by_role("group").press("ArrowRight")


async def show_failed(page: Page, trainer: Api) -> None:
    id = await a_run(trainer)
    await trainer.fail(id, "the disk is full")
    await page.goto(f"/training/jobs/{id}")
    await page.locator("[data-curve=loss] canvas").wait_for()


async def show_comparison(page: Page, trainer: Api) -> None:
    ids = [await a_run(trainer, name=f"seen beside {number}", learningRate=0.1 * number) for number in (1, 2)]
    await page.goto(f"/training/compare?jobs={','.join(ids)}")
    await page.locator("[data-curve=loss] canvas").wait_for()


async def show_missing_job(page: Page, trainer: Api) -> None:
    await page.goto("/training/jobs/99999")
    await page.get_by_role("heading", name="Job not found").wait_for()


async def show_playground(page: Page, trainer: Api) -> None:
    await page.goto("/playground")
    await page.get_by_role("button", name=re.compile("Execute")).wait_for()


OURS = [
    show_list, show_nothing, show_dialog, show_question, show_monitor, show_failed, show_comparison, show_missing_job,
]  # fmt: skip
every_page = pytest.mark.parametrize("show", [*OURS, show_playground], ids=lambda show: show.__name__)
our_pages = pytest.mark.parametrize("show", OURS, ids=lambda show: show.__name__)


class TestAxe:
    @our_pages
    async def test_finds_nothing_serious_in_light_and_dark_on_a_phone_and_on_a_wide_screen(
        self, page: Page, trainer: Api, show: Show
    ) -> None:
        await show(page, trainer)
        found = []
        for size in (DESKTOP, PHONE):
            await page.set_viewport_size(size)
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                found += [f"{scheme}, {size['width']} wide: {each}" for each in await violations(page)]
        assert not found, "\n".join(found)

    async def test_finds_nothing_serious_around_the_playgrounds_editor(self, page: Page, trainer: Api) -> None:
        await show_playground(page, trainer)
        # GraphiQL's and Monaco's inner workings are theirs.
        found = await violations(page, without=".graphiql-container")
        assert not found, "\n".join(found)

    @pytest.mark.parametrize("theme", ["Light", "Dark"])
    async def test_finds_nothing_serious_where_the_switch_says_otherwise_than_the_system(
        self, visits: Visits, trainer: Api, theme: str
    ) -> None:
        page = await visits.page(color_scheme="light" if theme == "Dark" else "dark")
        await show_list(page, trainer)
        await page.get_by_label("Theme").select_option(theme)
        found = await violations(page)
        assert not found, "\n".join(found)


class TestTheWidth:
    @every_page
    async def test_is_never_wider_than_the_screen(self, visits: Visits, trainer: Api, show: Show) -> None:
        page = await visits.page(viewport=PHONE)
        await show(page, trainer)
        for size in (PHONE, DESKTOP):
            await page.set_viewport_size(size)
            wide: list[str] = await page.evaluate(
                """() => document.documentElement.scrollWidth <= innerWidth ? [] : [
                    `${document.documentElement.scrollWidth} wide`,
                    ...[...document.querySelectorAll("body *")]
                        .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
                        .map((each) => each.outerHTML.slice(0, 100)),
                ]"""
            )
            assert not wide, "\n".join(wide)


class TestColours:
    async def test_are_those_of_the_system(self, visits: Visits) -> None:
        brightness = [await brightness_of(await visits.page("/", color_scheme=scheme)) for scheme in ("light", "dark")]
        assert brightness[0] > 0.9
        assert brightness[1] < 0.1

    async def test_are_those_of_the_switch_where_a_person_chose_and_stay_so(self, visits: Visits) -> None:
        page = await visits.page("/", color_scheme="light")
        await page.get_by_label("Theme").select_option("Dark")
        assert await brightness_of(page) < 0.1
        await page.reload()
        assert await brightness_of(page) < 0.1
        await page.get_by_label("Theme").select_option("System")
        assert await brightness_of(page) > 0.9

    async def test_of_curves_change_with_the_others(self, page: Page, trainer: Api) -> None:
        await show_monitor(page, trainer)
        canvas = page.locator("[data-curve=loss] canvas")
        light = await canvas.evaluate("(canvas) => canvas.toDataURL()")
        await page.get_by_label("Theme").select_option("Dark")
        await expect(canvas).to_be_visible()
        dark = light
        while dark == light:
            await page.evaluate("new Promise(requestAnimationFrame)")
            dark = await canvas.evaluate("(canvas) => canvas.toDataURL()")


class TestTheKeyboard:
    async def test_alone_creates_starts_opens_and_reads_a_job(self, page: Page, trainer: Api) -> None:
        await page.goto("/?search=by+keyboard")
        press = page.keyboard.press
        await tab_to(page.get_by_role("button", name="Create job", exact=True))
        await press("Enter")
        dialog = page.get_by_role("dialog", name="Create job")
        await tab_to(dialog.get_by_label("Name", exact=True))
        await page.keyboard.type("by keyboard")
        await press("Enter")
        await expect(dialog).to_be_hidden()
        await tab_to(page.get_by_role("button", name="Start by keyboard"))
        await press("Enter")
        await page.get_by_role("button", name="Stop by keyboard").wait_for()
        await expect(page.locator("[data-sonner-toast]")).to_have_count(0)
        await tab_to(page.get_by_role("link", name="by keyboard", exact=True))
        await press("Enter")
        step = page.get_by_role("button", name="one step")
        for done in (1, 2, 3):
            await tab_to(step)
            await press("Enter")
            await expect(stat(page, "Step")).to_have_text(f"{done} of 300")
        await tab_to(page.get_by_role("group", name="Curve of loss"))
        await press("ArrowRight")
        await expect(page.locator("[data-curve=loss] output")).to_contain_text("step 1")
        await tab_to(page.get_by_role("button", name="Stop by keyboard"))
        await press("Enter")
        await tab_to(page.get_by_role("button", name="Stop job"))
        await press("Enter")
        await expect(page.get_by_text("Failed", exact=True)).to_be_visible()

    async def test_is_not_held_by_a_toast(self, page: Page, trainer: Api) -> None:
        await trainer.created(name="tells of it")
        await page.goto("/?search=tells+of+it")
        await page.get_by_role("button", name="Start tells of it").press("Enter")
        await page.get_by_role("button", name="Stop tells of it").wait_for()
        await tab_to(page.get_by_role("button", name="Close toast"))
        await tab_to(page.get_by_role("link", name="tells of it", exact=True))
        await expect(page.locator("[data-sonner-toast]")).to_be_visible()

    async def test_comes_back_to_where_it_was_when_a_dialog_closes(self, page: Page) -> None:
        await page.goto("/")
        create = page.get_by_role("button", name="Create job", exact=True)
        await create.press("Enter")
        await page.get_by_role("dialog").wait_for()
        await page.keyboard.press("Escape")
        await expect(create).to_be_focused()

    async def test_skips_to_the_content(self, page: Page) -> None:
        await page.goto("/")
        await page.get_by_role("searchbox").wait_for()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Create job", exact=True)).to_be_focused()

    @our_pages
    async def test_always_shows_where_it_is(self, page: Page, trainer: Api, show: Show) -> None:
        await show(page, trainer)
        await page.evaluate("document.activeElement.blur()")
        seen = set()
        while (place := await next_stop(page))["key"] not in seen:
            seen.add(place["key"])
            assert place["outlined"], place["key"]
        assert len(seen) > 1


class TestMotion:
    @our_pages
    async def test_is_none_where_it_is_to_be_reduced(self, visits: Visits, trainer: Api, show: Show) -> None:
        page = await visits.page(reduced_motion="reduce")
        await show(page, trainer)
        assert await page.evaluate("document.getAnimations().length") == 0


async def test_the_empty_list_is_for_everyone_too(server: ServerProcess, visits: Visits) -> None:
    for size in (DESKTOP, PHONE):
        page = await visits.page("/", url=server.url, viewport=size)
        await page.get_by_role("button", name="Create your first job").wait_for()
        assert await violations(page) == []


@functools.cache
def axe_script() -> str:
    return (node_packages() / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(page: Page, without: str | None = None) -> list[str]:
    """What axe finds serious or critical on the page."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe_script() + "; undefined")
    found = await page.evaluate(
        """async (without) => {
            const context = without ? { include: [["body"]], exclude: [[without]] } : document;
            const { violations } = await axe.run(context, { resultTypes: ["violations"] });
            return violations
                .filter(({ impact }) => impact === "serious" || impact === "critical")
                .map(({ id, help, nodes }) => [
                    `${id}: ${help}`, ...nodes.map(({ html, any }) => `${html.slice(0, 150)} (${any[0]?.message})`),
                ].join(" | "));
        }""",
        without,
    )
    return list(found)


async def brightness_of(page: Page) -> float:
    """How light the page's ground is, 0 to 1."""
    await page.get_by_role("banner").wait_for()
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    parts = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    return sum(parts) / (3 * 255)


async def tab_to(element: Locator) -> None:
    """Press Tab until the element has the focus. Raises AssertionError where it never has."""
    await element.wait_for()
    for _ in range(80):
        if await element.evaluate("(element) => element === document.activeElement"):
            return
        await element.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {element}")


async def next_stop(page: Page) -> dict[str, Any]:
    """Press Tab: where that leads, and whether one sees it."""
    await page.keyboard.press("Tab")
    stop: dict[str, Any] = await page.evaluate(
        """() => {
            const element = document.activeElement;
            const style = getComputedStyle(element);
            const all = [...document.querySelectorAll("*")];
            const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
            return { key: `${all.indexOf(element)} ${element.outerHTML.slice(0, 120)}`,
                     outlined: outlined || element === document.body || element === document.documentElement };
        }"""
    )
    return stop
