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
    id = await trainer.started(**{"stepsPerEpoch": 100, **settings})
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
    await show_nothing(page, trainer)
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


OURS = [
    show_list, show_nothing, show_dialog, show_question, show_monitor, show_failed, show_comparison, show_missing_job,
]  # fmt: skip


@pytest.mark.parametrize("show", OURS, ids=lambda show: show.__name__)
async def test_a_page_is_for_everyone(visits: Visits, trainer: Api, show: Show) -> None:
    """Nothing serious for axe in light and dark, never wider than its screen, still where motion is to be reduced, and
    the focus is always seen.
    """
    page = await visits.page(viewport=PHONE, reduced_motion="reduce")
    await show(page, trainer)
    assert await page.evaluate("document.getAnimations().length") == 0
    found = []
    for size in (PHONE, DESKTOP):
        await page.set_viewport_size(size)
        found += await wider_than_the_screen(page)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{scheme}, {size['width']} wide: {each}" for each in await violations(page)]
    assert not found, "\n".join(found)
    await page.evaluate("document.activeElement.blur()")
    seen = set()
    while (place := await next_stop(page))["key"] not in seen:
        seen.add(place["key"])
        assert place["outlined"], place["key"]
    assert len(seen) > 1


async def test_so_is_the_playground_around_its_editor(visits: Visits) -> None:
    page = await visits.page("/playground", viewport=PHONE)
    await page.get_by_role("button", name=re.compile("Execute")).wait_for()
    for size in (PHONE, DESKTOP):
        await page.set_viewport_size(size)
        assert await wider_than_the_screen(page) == []
    # GraphiQL's and Monaco's inner workings are theirs.
    assert await violations(page, without=".graphiql-container") == []


class TestColours:
    @pytest.mark.parametrize(("system", "other"), [("light", "Dark"), ("dark", "Light")])
    async def test_are_those_of_the_system_or_of_the_switch_where_a_person_chose(
        self, visits: Visits, trainer: Api, system: str, other: str
    ) -> None:
        page = await visits.page(color_scheme=system)
        await show_list(page, trainer)
        assert await is_light(page) == (system == "light")
        await page.get_by_label("Theme").select_option(other)
        assert await is_light(page) == (other == "Light")
        assert await violations(page) == []
        await page.reload()
        assert await is_light(page) == (other == "Light")
        await page.get_by_label("Theme").select_option("System")
        assert await is_light(page) == (system == "light")

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
        (job,) = (await trainer.data('{ jobs(search: "by keyboard") { id metricCount } }'))["jobs"]
        assert job["metricCount"] == 3
        await tab_to(page.get_by_role("group", name="Curve of loss"))
        await press("ArrowRight")
        await expect(page.locator("[data-curve=loss] output")).to_contain_text("step 1")
        await tab_to(page.get_by_role("button", name="Stop by keyboard"))
        await press("Enter")
        await tab_to(page.get_by_role("button", name="Stop job"))
        await press("Enter")
        await expect(page.get_by_text("Failed", exact=True)).to_be_visible()
        assert (await trainer.job(job["id"]))["status"] == "FAILED"

    async def test_is_not_held_by_a_toast(self, page: Page, trainer: Api) -> None:
        await trainer.created(name="tells of it")
        await page.goto("/?search=tells+of+it")
        await page.get_by_role("button", name="Start tells of it").press("Enter")
        await page.get_by_role("button", name="Stop tells of it").wait_for()
        await tab_to(page.get_by_role("button", name="Close toast"))
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Close toast")).not_to_be_focused()
        await tab_to(page.get_by_role("link", name="tells of it", exact=True))

    async def test_skips_to_the_content_and_comes_back_to_where_it_was_when_a_dialog_closes(self, page: Page) -> None:
        await page.goto("/")
        await page.get_by_role("searchbox").wait_for()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        create = page.get_by_role("button", name="Create job", exact=True)
        await expect(create).to_be_focused()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").wait_for()
        await page.keyboard.press("Escape")
        await expect(create).to_be_focused()


@pytest.mark.sqlite_alone("a page sees no more of the store than the API shows")
async def test_the_empty_list_leads_to_creating_a_job_and_is_for_everyone_too(
    server: ServerProcess, visits: Visits
) -> None:
    page = await visits.page("/", url=server.url)
    create = page.get_by_role("button", name="Create your first job")
    for size in (DESKTOP, PHONE):
        await page.set_viewport_size(size)
        await create.wait_for()
        assert await violations(page) == []
    await create.click()
    await expect(page.get_by_role("dialog", name="Create job")).to_be_visible()


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


async def wider_than_the_screen(page: Page) -> list[str]:
    """The page and the elements of it that are."""
    wide: list[str] = await page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [
            `${document.documentElement.scrollWidth} of ${innerWidth} wide`,
            ...[...document.querySelectorAll("body *")]
                .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
                .map((each) => each.outerHTML.slice(0, 100)),
        ]"""
    )
    return wide


async def is_light(page: Page) -> bool:
    """Whether the page's ground is all but white, or all but black. Raises AssertionError where it is neither."""
    await page.get_by_role("banner").wait_for()
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / (3 * 255)
    assert brightness > 0.9 or brightness < 0.1
    return brightness > 0.5


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
