"""A real browser, and pages in it that are watched: what goes wrong on a page fails the test that opened it."""

import asyncio
import csv
import io
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Locator, Page, Request, ViewportSize, WebSocket, async_playwright, expect

from tests.tools.nodejs import unpacked_chromium
from tests.tools.waiting import PATIENCE

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE * 1000)


@asynccontextmanager
async def launched_browser() -> AsyncIterator[Browser]:
    """A Chromium without a window, which needs nothing of the machine but its C library."""
    where = unpacked_chromium()
    environment = {**os.environ, "LD_LIBRARY_PATH": where["libraries"], "FONTCONFIG_FILE": where["fonts"]}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=where["executable"], env=dict(environment))
        try:
            yield browser
        finally:
            await browser.close()


class Visits:
    """The pages that one test opens, each as a new visitor, and what went wrong on any of them."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.faults: list[str] = []
        self._expected: list[str] = []
        self._browser = browser
        self._below = ""
        self._contexts = AsyncExitStack()

    async def page(
        self, path: str | None = None, *, url: str = "", viewport: ViewportSize = DESKTOP, **options: Any
    ) -> Page:
        """A page, at `path` where one is named; `options` are those of a browser context."""
        origin = url or self.url
        options |= {"base_url": origin, "viewport": viewport, "permissions": ["clipboard-read", "clipboard-write"]}
        context = await self._contexts.enter_async_context(await self._browser.new_context(locale="en-US", **options))
        context.set_default_timeout(PATIENCE * 1000)
        page = await context.new_page()
        self._watch(page, origin)
        if path is not None:
            await page.goto(path)
        return page

    def expects(self, fault: str) -> None:
        """Let faults pass that contain a text: the test is about them."""
        self._expected.append(fault)

    def only_below(self, address: str) -> None:
        """Take requests that are not below an address for faults, on pages that are opened from now on."""
        self._below = address

    async def end(self) -> None:
        """Close the pages. Raises AssertionError where anything went wrong on them."""
        await self._contexts.aclose()
        unexpected = [fault for fault in self.faults if not any(text in fault for text in self._expected)]
        assert not unexpected, "\n".join(unexpected)

    def _watch(self, page: Page, origin: str) -> None:
        below = f"{self._below or origin}/"
        own = (below, below.replace("http", "ws", 1), "data:", f"blob:{origin}/")

        def note(text: str, *, is_fault: bool = True) -> None:
            if is_fault:
                self.faults.append(text)

        def reached(each: Request | WebSocket) -> None:
            note(f"leaves {below}: {each.url}", is_fault=not each.url.startswith(own))

        page.context.on("request", reached)
        page.context.on("response", lambda each: note(f"{each.status}: {each.url}", is_fault=each.status >= 500))
        page.on("websocket", reached)
        page.on("pageerror", lambda error: note(f"uncaught: {error.stack or error}"))
        page.on("console", lambda each: note(f"console: {each.text}", is_fault=each.type == "error"))


def card(page: Page, name: str) -> Locator:
    """The card of a job in the list."""
    return page.get_by_role("listitem").filter(has=page.get_by_role("link", name=name, exact=True))


def toast(page: Page, text: str) -> Locator:
    """A toast with a text."""
    return page.locator("[data-sonner-toast]").filter(has_text=text)


def stat(page: Page, name: str) -> Locator:
    """The value of one of the monitor's statistics."""
    return page.locator(f"[data-stat='{name}'] dd")


async def until(page: Page, condition: str) -> None:
    """Return once a JavaScript expression holds, looked at with each frame. Raises TimeoutError."""
    # Playwright's own wait_for_function evaluates text inside the page, which the page's policy forbids.
    async with asyncio.timeout(PATIENCE):
        await page.evaluate(f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}")


def rows_of(csv_text: str) -> list[dict[str, str]]:
    """The rows of the CSV that the page gives, by the names of their columns."""
    return list(csv.DictReader(io.StringIO(csv_text, newline="")))
