"""The page below a prefix, as behind a proxy that serves several things at one name (--root-path)."""

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect

from graph.app import App
from graph.settings import Settings, SettingsError, read_settings
from models.token import Scope
from models.tokens import Tokens
from tests.tools.api import Api
from tests.tools.browser import Visits, card, stat
from tests.tools.domain import opened_domain
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

PREFIX = "/team/monitor"


@pytest.fixture
def below(sqlite_url: str) -> Iterator[str]:
    """The address of a server that knows a proxy's prefix."""
    with ServerProcess(sqlite_url, "--root-path", PREFIX) as process:
        yield process.url


@pytest.mark.asyncio(loop_scope="session")
async def test_every_page_is_live_and_leads_to_the_others_and_is_itself_again_when_it_is_loaded_anew(
    below: str,
    visits: Visits,  # in this order: pages are closed before their server ends
) -> None:
    """Every request and socket goes below the prefix; behind real proxies: tests.deploy."""
    origin = below + PREFIX
    visits.only_below(origin)
    page = await visits.page(f"{PREFIX}/", url=below)
    async with httpx.AsyncClient(base_url=below, timeout=PATIENCE) as http:
        id = await Api(http).started(name="seen below", stepsPerEpoch=100)
        await Api(http).log(id, [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}])
    await card(page, "seen below").get_by_role("link", name="seen below", exact=True).click()
    await expect(page).to_have_url(f"{origin}/training/jobs/{id}")
    await expect(stat(page, "Step")).to_contain_text("2 of")
    await page.reload()
    await expect(stat(page, "Step")).to_contain_text("2 of")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.get_by_role("link", name="All jobs").click()
    await expect(page).to_have_url(f"{origin}/training/jobs")
    await page.goto(f"{PREFIX}/training/compare?jobs={id}")
    await expect(page.get_by_role("link", name="seen below")).to_be_visible()
    await page.goto(f"{PREFIX}/training/jobs?status=running&search=below")
    await expect(card(page, "seen below")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#page")).to_be_focused()
    await expect(page).to_have_url(f"{origin}/training/jobs?status=running&search=below")
    await page.get_by_role("link", name="Playground").click()
    await expect(page).to_have_url(f"{origin}/playground")
    await page.get_by_role("link", name="Training Jobs").click()
    await expect(page).to_have_url(f"{origin}/")


@pytest.mark.sqlite_alone("of the store nothing is asked but whether it is there")
class TestTheServer:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, root_path=PREFIX)

    async def test_answers_alike_whether_the_proxy_has_removed_the_prefix_or_not(self, app: App) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            for path in ("/", "/training/jobs/1", "/playground", "/healthz", "/favicon.svg", "/session"):
                kept, removed = await http.get(PREFIX + path), await http.get(path)
                assert (kept.status_code, kept.content) == (removed.status_code, removed.content)
                assert kept.status_code == 200

    async def test_leads_back_from_the_sign_in_however_the_prefix_is_encoded(
        self, app: App, settings: Settings
    ) -> None:
        async with opened_domain(settings.database_url) as domain:
            secret = (await Tokens(domain.database).create("ada", Scope.READ)).secret
        transport, headers = httpx.ASGITransport(app), {"Accept": "text/html"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            assert (await http.post("/sign-in", data={"token": secret})).status_code == 303  # from here it takes one
            http.cookies.clear()
            for sent, path in product(
                (PREFIX, "/%74eam/monitor", "/team%2Fmonito%72"), ("/training/jobs?search=%61", "/")
            ):
                led = await http.get(httpx.URL("http://localhost").copy_with(raw_path=(sent + path).encode()))
                to = f"{PREFIX}/sign-in?next={quote(PREFIX + path)}"
                assert (led.status_code, led.headers["location"]) == (303, to)

    @pytest.mark.parametrize("root_path", ["", PREFIX])
    async def test_follows_the_convention_of_asgi_and_serves_nothing_at_addresses_that_are_alike(
        self, app: App, root_path: str
    ) -> None:
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            for path in ("/graphql", "/training/jobs"):
                assert (await http.get(PREFIX + path, params={"query": "{ __typename }"})).status_code == 200
            for path in (f"{PREFIX}x/graphql", f"{PREFIX}/nothing", "/team/graphql"):
                assert (await http.get(path)).status_code == 404


def test_a_prefix_is_a_path_without_the_slash_at_its_end_and_nothing_else_is() -> None:
    for given, prefix in {
        "/monitor": "/monitor",
        "/monitor/": "/monitor",
        "/a/b-c_d.e~f": "/a/b-c_d.e~f",
        "/": "",
    }.items():
        assert read_settings(root_path=given).root_path == prefix
    for given in ("monitor", "//other.example.org", "/a//b", "/../up", '/"><script>', "/a?b", "/a%2fb", "/graphql"):
        with pytest.raises(SettingsError, match="--root-path"):
            read_settings(root_path=given)
