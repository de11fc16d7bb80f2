"""The page below a prefix, as behind a proxy that serves several things at one name (--root-path)."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import WebSocket, expect

from graph.app import App, create_app
from graph.settings import Settings, SettingsError, read_settings
from models.token import Scope
from models.tokens import Tokens
from tests.conftest import running
from tests.page.test_playground import opened, run, shows
from tests.tools.api import Api
from tests.tools.browser import Visits, card, stat
from tests.tools.domain import opened_domain
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

browsers = pytest.mark.asyncio(loop_scope="session")
PREFIX = "/team/monitor"


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that is told of a proxy's prefix."""
    path = tmp_path_factory.mktemp("below") / "test.sqlite3"
    with ServerProcess(f"sqlite://{path}", "--root-path", PREFIX) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def its_trainer(below: ServerProcess) -> AsyncIterator[Api]:
    """A client of that server, past the proxy."""
    async with httpx.AsyncClient(base_url=below.url, timeout=PATIENCE) as http:
        yield Api(http)


@pytest_asyncio.fixture(loop_scope="session")
async def below_visits(visits: Visits, below: ServerProcess) -> Visits:
    """Pages on which every request and socket goes below the prefix."""
    visits.only_below(below.url + PREFIX)
    return visits


@browsers
class TestEveryPage:
    async def test_of_the_list_is_live_and_leads_to_the_monitor(
        self, below_visits: Visits, below: ServerProcess, its_trainer: Api
    ) -> None:
        page = await below_visits.page(f"{PREFIX}/", url=below.url)
        id = await its_trainer.started(name="seen below")
        await its_trainer.log(id, [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}])
        await card(page, "seen below").get_by_role("link", name="seen below", exact=True).click()
        await expect(page).to_have_url(f"{below.url}{PREFIX}/training/jobs/{id}")
        await expect(stat(page, "Step")).to_contain_text("2 of")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.get_by_role("link", name="All jobs").click()
        await expect(page).to_have_url(f"{below.url}{PREFIX}/training/jobs")

    async def test_is_itself_again_when_it_is_loaded_anew(
        self, below_visits: Visits, below: ServerProcess, its_trainer: Api
    ) -> None:
        id = await its_trainer.started(name="loaded anew")
        page = await below_visits.page(f"{PREFIX}/training/jobs/{id}", url=below.url)
        await expect(page.get_by_role("heading", name="loaded anew")).to_be_visible()
        await page.goto(f"{PREFIX}/training/compare?jobs={id}")
        await expect(page.get_by_role("link", name="loaded anew")).to_be_visible()
        await page.goto(f"{PREFIX}/training/jobs?status=running&search=anew")
        await expect(card(page, "loaded anew")).to_be_visible()

    async def test_skips_to_its_content_and_stays_where_it_is(self, below_visits: Visits, below: ServerProcess) -> None:
        page = await below_visits.page(f"{PREFIX}/training/jobs?search=nothing", url=below.url)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#page")).to_be_focused()
        await expect(page).to_have_url(f"{below.url}{PREFIX}/training/jobs?search=nothing")

    async def test_of_the_playground_asks_and_watches(self, below_visits: Visits, below: ServerProcess) -> None:
        page = await below_visits.page(f"{PREFIX}/", url=below.url)
        await page.get_by_role("link", name="Playground").click()
        await expect(page).to_have_url(f"{below.url}{PREFIX}/playground")
        await opened(page, f"{PREFIX}/playground")
        await run(page, "TryJobs")
        await shows(page, '"jobs": [')
        async with page.expect_websocket() as opening:
            await run(page, "TryJobChanged")
        socket: WebSocket = await opening.value
        assert socket.url == below.url.replace("http", "ws", 1) + f"{PREFIX}/graphql"
        await page.get_by_role("link", name="Training Jobs").click()
        await expect(page).to_have_url(f"{below.url}{PREFIX}/")


@browsers
async def test_signing_in_and_out_stays_below_the_prefix(visits: Visits, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'test.sqlite3'}"
    async with opened_domain(url) as domain:
        job = await domain.job(name="for members")
        secret = (await Tokens(domain.database).create("browser", Scope.WRITE)).secret
    with ServerProcess(url, "--root-path", PREFIX) as server:
        visits.only_below(server.url + PREFIX)
        page = await visits.page(f"{PREFIX}/training/jobs/{job.id}", url=server.url)
        await expect(page).to_have_url(re.compile(f"{PREFIX}/sign-in"))
        await page.get_by_label("Token").fill(secret)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(f"{server.url}{PREFIX}/training/jobs/{job.id}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        (cookie,) = await page.context.cookies()
        assert cookie.get("path") == PREFIX
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(re.compile(f"{PREFIX}/sign-in"))
        async with asyncio.timeout(PATIENCE):  # the page may leave when its session ends, before the answer is there
            while await page.context.cookies():
                pass


@pytest.mark.sqlite_alone("of the store nothing is asked but whether it is there")
class TestTheServer:
    @pytest.fixture
    async def app(self, settings: Settings) -> AsyncIterator[App]:
        app = create_app(settings.model_copy(update={"root_path": PREFIX}))
        async with running(app):
            yield app

    @pytest.mark.parametrize("path", ["/", "/training/jobs/1", "/playground", "/healthz", "/favicon.svg", "/session"])
    async def test_answers_alike_whether_the_proxy_has_removed_the_prefix_or_not(self, app: App, path: str) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            kept, removed = await http.get(PREFIX + path), await http.get(path)
        assert (kept.status_code, kept.content) == (removed.status_code, removed.content)
        assert kept.status_code == 200

    @pytest.mark.parametrize("sent", [PREFIX, "/%74eam/monitor", "/team%2Fmonito%72"])
    @pytest.mark.parametrize("path", ["/training/jobs?search=%61", "/"])
    async def test_leads_back_from_the_sign_in_however_the_prefix_is_encoded(
        self, app: App, settings: Settings, sent: str, path: str
    ) -> None:
        async with opened_domain(settings.database_url) as domain:
            secret = (await Tokens(domain.database).create("ada", Scope.READ)).secret
        transport, headers = httpx.ASGITransport(app), {"Accept": "text/html"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            assert (await http.post("/sign-in", data={"token": secret})).status_code == 303  # from here it takes one
            http.cookies.clear()
            url = httpx.URL("http://localhost").copy_with(raw_path=(sent + path).encode())
            led = await http.get(url)
        assert (led.status_code, led.headers["location"]) == (303, f"{PREFIX}/sign-in?next={quote(PREFIX + path)}")

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


@pytest.mark.parametrize(
    ("given", "prefix"),
    [("/monitor", "/monitor"), ("/monitor/", "/monitor"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f"), ("/", "")],
)
def test_a_prefix_is_a_path_without_the_slash_at_its_end(given: str, prefix: str) -> None:
    assert read_settings(root_path=given).root_path == prefix


@pytest.mark.parametrize(
    "given", ["monitor", "//other.example.org", "/a//b", "/../up", '/"><script>', "/a?b", "/a%2fb", "/graphql"]
)
def test_what_is_no_prefix_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="--root-path"):
        read_settings(root_path=given)
