"""People sign in on a page, which works without scripts, and stay signed in by a cookie that no script can read."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from graph.admission.access import COOKIE, PUBLIC
from graph.app import App
from models.store.database import Database
from models.token import Scope
from models.tokens import Tokens
from tests.tools.api import Api
from tests.tools.browser import Visits, toast
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess

NOT_KNOWN = "tm_" + "x" * 43
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser says where a person follows a link of another site."""
ELSEWHERE = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example",
    "javascript:alert(1)", "/\t/evil.example", "evil.example", "", "/\n/evil.example",
]  # fmt: skip

pytestmark = pytest.mark.sqlite_alone("test_sessions has both stores")


@pytest.fixture
async def secret(app: App, database_url: str) -> str:
    """That of a token which may write, of a server that is running."""
    return await made(database_url, Scope.WRITE)


async def made(url: str, scope: Scope) -> str:
    async with Database(url) as database:
        return (await Tokens(database).create("ada", scope)).secret


@pytest.fixture
async def http(app: App, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=HTML) as http:
        # From here on it takes a token.
        assert (await http.post("/sign-in", data={"token": secret})).status_code == 303
        http.cookies.clear()
        yield http


class TestAPage:
    @pytest.mark.parametrize("path", ["/training/jobs?status=RUNNING", "/playground", "/nothing"])
    async def test_leads_to_the_sign_in_and_that_back_to_it(
        self, http: httpx.AsyncClient, secret: str, path: str
    ) -> None:
        led = await http.get(path)
        assert led.status_code == 303
        page = await http.get(led.headers["location"])
        assert page.status_code == 200
        (after,) = re.findall(r'name="next" value="([^"]*)"', page.text)
        back = await http.post("/sign-in", data={"token": f" {secret}\n", "next": after})
        assert (back.status_code, back.headers["location"]) == (303, path)
        assert (await http.get(path)).status_code == (404 if path == "/nothing" else 200)

    async def test_that_a_link_of_another_site_leads_to_is_requested_once_more(self, http: httpx.AsyncClient) -> None:
        """The browser left the cookie out, and sends it when a page of this site requests."""
        response = await http.get('/training/jobs?search="><script>', headers=LINK)
        assert response.status_code == 200
        assert 'url=/training/jobs?search=%22%3E%3Cscript%3E"' in response.text
        assert "<script" not in response.text

    async def test_leads_to_no_other_site_whatever_the_path(self, http: httpx.AsyncClient) -> None:
        for path in ("//evil.example/x", "/\\evil.example", "//evil.example?a=b", "/%0a/evil.example"):
            for site in ("cross-site", "none"):
                url = httpx.URL("http://localhost").copy_with(raw_path=path.encode())
                response = await http.get(url, headers=LINK | {"Sec-Fetch-Site": site})
                assert response.status_code != 403
                assert "//evil" not in unquote(response.headers.get("location", "") + response.text), (path, site)

    async def test_is_all_that_is_redirected(self, http: httpx.AsyncClient) -> None:
        for response in (
            await http.get("/", headers={"Accept": "*/*"}),
            await http.post("/"),
            await http.get("/session", headers={"Accept": "application/json"}),
        ):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"

    async def test_that_is_public_needs_no_session(self, http: httpx.AsyncClient) -> None:
        for path in PUBLIC - {"/sign-out"}:
            assert (await http.get(path)).status_code == 200, path
        assert (await http.get("/assets/nothing.js")).status_code == 404


class TestTheCookie:
    async def test_is_for_this_site_and_no_script(self, http: httpx.AsyncClient, secret: str) -> None:
        response = await http.post("/sign-in", data={"token": secret})
        value, *attributes = response.headers["set-cookie"].lower().split("; ")
        assert value.startswith(f"{COOKIE}=tms_")
        assert {"httponly", "samesite=strict", "path=/"} <= set(attributes)
        assert not any(attribute.startswith("domain") for attribute in attributes)

    async def test_is_for_https_alone_where_the_first_of_several_proxies_was_called_by_it(
        self, http: httpx.AsyncClient, secret: str
    ) -> None:
        for proto, secure in {
            "https": True, "HTTPS": True, "https, http": True, "https ,http,http": True, "http": False,
            "http, https": False, "": False, ",https": False,
        }.items():  # fmt: skip
            headers = {"X-Forwarded-Proto": proto}
            made = await http.post("/sign-in", data={"token": secret}, headers=headers)
            taken_back = await http.post("/sign-out", headers=headers)
            for response in (made, taken_back):
                assert ("; secure" in response.headers["set-cookie"].lower()) == secure, proto

    async def test_is_taken_back_by_the_form_and_not_by_a_link(self, http: httpx.AsyncClient, secret: str) -> None:
        await http.post("/sign-in", data={"token": secret})
        assert "set-cookie" not in (await http.get("/sign-out")).headers
        assert (await http.get("/session")).json() == {"session": "SIGNED_IN", "mayWrite": True}
        out = await http.post("/sign-out")
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert not http.cookies


class TestTheSignIn:
    async def test_leads_to_no_other_site(self, http: httpx.AsyncClient, secret: str) -> None:
        for after in ELSEWHERE:
            page = await http.get("/sign-in", params={"next": after})
            assert 'name="next" value="/"' in page.text, after
            response = await http.post("/sign-in", data={"token": secret, "next": after})
            assert (response.status_code, response.headers["location"]) == (303, "/"), after

    async def test_page_has_no_script_and_sends_its_form_only_here(self, http: httpx.AsyncClient) -> None:
        page = await http.get("/sign-in", params={"next": '/"><script>alert(1)</script>'})
        assert "<script" not in page.text
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        wanted = {"default-src": "'none'", "form-action": "'self'", "frame-ancestors": "'none'"}
        assert wanted.items() <= policy.items()
        assert "script-src" not in policy
        assert page.headers["cache-control"] == "no-store"

    async def test_reports_a_wrong_token(self, http: httpx.AsyncClient) -> None:
        page = await http.post("/sign-in", data={"token": NOT_KNOWN, "next": "/training/jobs"})
        assert page.status_code == 401
        assert "not known here, or was revoked" in page.text
        assert 'value="/training/jobs"' in page.text
        assert NOT_KNOWN not in page.text
        assert "set-cookie" not in page.headers

    async def test_takes_no_form_that_is_long(self, http: httpx.AsyncClient) -> None:
        assert (await http.post("/sign-in", content=b"token=" + b"x" * 20_000)).status_code == 413

    async def test_is_open_to_all_whatever_wrong_tokens_others_send(self, http: httpx.AsyncClient, secret: str) -> None:
        """A token has 256 random bits: it cannot be guessed, and needs no guard that would lock people out."""
        for _ in range(20):
            wrong = await http.post("/sign-in", data={"token": "Sesame"})
            assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, "Bearer")
        assert (await http.post("/sign-in", data={"token": secret})).status_code == 303

    async def test_is_unavailable_while_the_store_is(self, http: httpx.AsyncClient, database_url: str) -> None:
        with Outside(database_url) as outside:
            outside.execute("ALTER TABLE token RENAME TO away")
            page = await http.post("/sign-in", data={"token": NOT_KNOWN})
            outside.execute("ALTER TABLE away RENAME TO token")
        assert page.status_code == 503

    async def test_is_passed_by_while_there_was_never_a_token(self, api: Api) -> None:
        response = await api.http.get("/sign-in", params={"next": "/training/jobs"})
        assert (response.status_code, response.headers["location"]) == (303, "/training/jobs")
        assert (await api.http.get("/session")).json() == {"session": "OPEN", "mayWrite": True}


class Guarded(NamedTuple):
    """A server with tokens, and where they are."""

    server: ServerProcess
    database_url: str
    secrets: dict[Scope, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    url = f"sqlite://{tmp_path_factory.mktemp('guarded') / 'test.sqlite3'}"
    secrets = {scope: asyncio.run(made(url, scope)) for scope in Scope}
    with ServerProcess(url) as server:
        yield Guarded(server, url, secrets)
        assert server.log == ""


@pytest_asyncio.fixture(loop_scope="session")
async def guarded_visits(browser: Browser, guarded: Guarded) -> AsyncIterator[Visits]:
    visits = Visits(browser, guarded.server.url)
    for status in (401, 403):
        visits.expects(f"the server responded with a status of {status}")
    yield visits
    await visits.end()


async def sign_in(page: Page, secret: str) -> None:
    await page.get_by_label("Token").fill(secret)
    await page.keyboard.press("Enter")


@pytest.mark.asyncio(loop_scope="session")
class TestInABrowser:
    async def test_a_person_signs_in_works_and_signs_out_and_a_link_from_elsewhere_finds_them_signed_in(
        self, guarded: Guarded, guarded_visits: Visits, tmp_path: Path
    ) -> None:
        page = await guarded_visits.page("/training/jobs?status=RUNNING")
        await expect(page.get_by_role("heading", name="training-monitor")).to_be_visible()
        await page.get_by_label("Token").fill("Sesame")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known")
        await page.get_by_label("Token").fill(guarded.secrets[Scope.WRITE])
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/training/jobs?status=RUNNING")
        await expect(page.get_by_role("heading", name="Training Jobs")).to_be_visible()
        assert await page.evaluate("document.cookie") == ""
        guarded_visits.expects("elsewhere.html")
        elsewhere = tmp_path / "elsewhere.html"
        elsewhere.write_text(f'<a href="{guarded.server.url}/training/compare">look</a>')
        await page.goto(elsewhere.as_uri())
        await page.get_by_role("link", name="look").click()
        await page.wait_for_url("**/training/compare")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()
        await page.goto("/training/jobs")
        await expect(page.get_by_label("Token")).to_be_visible()

    async def test_a_reader_sees_nothing_that_takes_more(self, guarded: Guarded, guarded_visits: Visits) -> None:
        headers = {"Authorization": f"Bearer {guarded.secrets[Scope.WRITE]}"}
        async with httpx.AsyncClient(base_url=guarded.server.url, headers=headers) as http:
            waiting, running = await Api(http).created(name="waiting"), await Api(http).started(name="running")
        page = await guarded_visits.page("/")
        for scope, may_write in ((Scope.READ, False), (Scope.WRITE, True)):
            await sign_in(page, guarded.secrets[scope])
            jobs = page.get_by_role("listitem")
            verbs = [
                page.get_by_role("button", name="Create job"),
                jobs.filter(has_text="waiting").get_by_role("button", name="Start"),
                jobs.filter(has_text="running").get_by_role("button", name="Stop"),
            ]
            await expect(page.get_by_text("Read only")).to_be_visible(visible=not may_write)
            await expect(jobs.filter(has_text="running")).to_be_visible()
            for verb in verbs:
                await expect(verb).to_be_visible(visible=may_write)
            for id in (waiting, running):
                await page.goto(f"/training/jobs/{id}")
                await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
                await expect(page.get_by_role("group", name="Job")).to_be_visible(visible=may_write)
            await page.get_by_role("button", name="Sign out").click()

    async def test_a_reader_that_tries_more_sees_the_refusal(self, guarded: Guarded, guarded_visits: Visits) -> None:
        headers = {"Authorization": f"Bearer {guarded.secrets[Scope.WRITE]}"}
        async with httpx.AsyncClient(base_url=guarded.server.url, headers=headers) as http:
            await Api(http).created(name="not yours")
        page = await guarded_visits.page("/")
        guarded_visits.expects("ERR_FAILED")
        await page.route("**/session", lambda route: route.abort())  # they are quicker than its answer
        await sign_in(page, guarded.secrets[Scope.READ])
        await page.get_by_role("listitem").filter(has_text="not yours").get_by_role("button", name="Start").click()
        await expect(toast(page, "This token may only read")).to_be_visible()

    async def test_a_revoked_token_leads_to_the_sign_in_and_back(
        self, guarded: Guarded, guarded_visits: Visits
    ) -> None:
        async with Database(guarded.database_url) as database:
            token = await Tokens(database).create("short", Scope.READ)
            page = await guarded_visits.page("/training/jobs")
            await sign_in(page, token.secret)
            await expect(page.get_by_role("heading", name="Training Jobs")).to_be_visible()
            await Tokens(database).revoke(token.token.id)
        await page.wait_for_url("**/sign-in?next=%2Ftraining%2Fjobs")
        await sign_in(page, guarded.secrets[Scope.READ])
        await page.wait_for_url("**/training/jobs")
        await expect(page.get_by_role("heading", name="Training Jobs")).to_be_visible()

    async def test_it_needs_no_scripts(self, guarded: Guarded, guarded_visits: Visits) -> None:
        page = await guarded_visits.page("/playground", java_script_enabled=False)
        await sign_in(page, guarded.secrets[Scope.READ])
        await page.wait_for_url("**/playground")
