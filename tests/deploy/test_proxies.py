"""The product behind the nginx and the Caddy of docs/deploy.md: under a prefix, with TLS, nothing buffered."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import trustme
from playwright.async_api import WebSocket, expect

from graph.settings import ENV_PREFIX, Settings, flag_name, variable_name
from models.token import Scope
from models.tokens import Tokens
from tests.page.test_playground import opened, run, shows
from tests.tools.api import Api
from tests.tools.browser import Visits, card, stat
from tests.tools.domain import opened_domain
from tests.tools.process import ServerProcess
from tests.tools.proxies import DOCUMENT, PROXIES, Proxy, block, served_by
from tests.tools.streaming import METRICS, TRANSPORTS, Begin
from tests.tools.waiting import PATIENCE, eventually

browsers = pytest.mark.asyncio(loop_scope="session")
ENVIRONMENT = dict(re.findall(r"^Environment=(\w+)=(.*)$", block("ini"), re.MULTILINE))
"""The settings of the server, as the systemd unit has them."""


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[trustme.CA]:
    """An authority that clients of these tests trust."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield ca


def serving(path: Path, *more: str) -> ServerProcess:
    """A server with the settings of the document, but a database of its own."""
    flags = []
    for name, value in ENVIRONMENT.items():
        if name != variable_name("database_url"):
            flags += [flag_name(name.removeprefix(ENV_PREFIX).lower()), value.replace("runs.example.org", "localhost")]
    return ServerProcess(f"sqlite://{path}", *flags, *more)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind all the proxies, without tokens."""
    with serving(tmp_path_factory.mktemp("behind") / "test.sqlite3", "--insecure") as server:
        yield server


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest, behind: ServerProcess, ca: trustme.CA) -> Iterator[Proxy]:
    with served_by(request.param, behind.url, ca) as proxy:
        yield proxy


@pytest.fixture
async def http(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the proxy."""
    async with httpx.AsyncClient(base_url=proxy.address, timeout=PATIENCE) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="session")
async def its_trainer(behind: ServerProcess) -> AsyncIterator[Api]:
    """A client of the server itself."""
    async with httpx.AsyncClient(base_url=behind.url, timeout=PATIENCE) as http:
        yield Api(http)


@pytest.mark.parametrize("begin", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_each_event_of_a_stream_arrives_before_the_next_is_made(
    proxy: Proxy, http: httpx.AsyncClient, begin: Begin
) -> None:
    api = Api(http)
    id = await api.started()
    async with begin(proxy.address, METRICS, id=id, after=0) as stream:
        for step in range(1, 9):
            await api.log(id, [{"step": step}])
            assert (await stream.data()) == {"metricAdded": {"seq": step}}
        await api.complete(id)
        assert await stream.told() == ("complete", None)


@browsers
async def test_the_list_is_live_and_leads_to_a_live_monitor(proxy: Proxy, visits: Visits, its_trainer: Api) -> None:
    visits.only_below(proxy.address)
    page = await visits.page("/monitor/", url=proxy.origin, ignore_https_errors=True)
    id = await its_trainer.started(name=f"behind {proxy.origin}", stepsPerEpoch=100)
    await card(page, f"behind {proxy.origin}").get_by_role("link", name="behind", exact=False).first.click()
    await expect(page).to_have_url(f"{proxy.address}/training/jobs/{id}")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    for step in (1, 2):
        await its_trainer.log(id, [{"step": step, "loss": 1 / step}])
        await expect(stat(page, "Step")).to_contain_text(f"{step} of 100")


@browsers
async def test_the_playground_queries_and_subscribes(proxy: Proxy, visits: Visits) -> None:
    visits.only_below(proxy.address)
    page = await visits.page("/monitor/playground", url=proxy.origin, ignore_https_errors=True)
    await opened(page, "/monitor/playground")
    await run(page, "TryJobs")
    await shows(page, '"jobs": [')
    async with page.expect_websocket() as opening:
        await run(page, "TryJobChanged")
    socket: WebSocket = await opening.value
    assert socket.url == proxy.address.replace("https", "wss") + "/graphql"


async def test_the_prefix_leads_to_the_page_and_to_health_and_the_rest_is_not_the_servers(
    http: httpx.AsyncClient, proxy: Proxy
) -> None:
    unencrypted = await http.get(f"{proxy.unencrypted}/")
    assert unencrypted.status_code == 308
    assert re.fullmatch(r"https://localhost(:\d+)?/monitor/", unencrypted.headers["location"])
    page = await http.get(proxy.address, follow_redirects=True)
    assert (page.status_code, str(page.url)) == (200, f"{proxy.address}/")
    for path in ("/healthz", "/readyz"):
        assert (await http.get(path)).json()["status"] == "ok"
    elsewhere = await http.get(f"{proxy.origin}/graphql", params={"query": "{ __typename }"})
    assert "__typename" not in elsewhere.text
    refusal = await http.post("/graphql", json={"query": "x" * Settings().max_message_bytes})
    assert refusal.status_code == 413
    assert refusal.json()["errors"]


async def test_the_address_of_the_client_is_logged_and_not_one_that_it_invents(
    proxy: Proxy, behind: ServerProcess
) -> None:
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.5")
    async with httpx.AsyncClient(transport=transport, headers={"X-Forwarded-For": "203.0.113.7"}) as http:
        answer = await http.get(proxy.address + "/healthz")
    of_it = f"request_id={answer.headers['x-request-id']}"
    await eventually(lambda: of_it in behind.log)  # a line is written once its answer is on the way
    (line,) = [line for line in behind.log.splitlines() if of_it in line]
    assert "client=127.0.0.5" in line


@browsers
@pytest.mark.parametrize("kind", PROXIES)
async def test_signing_in_gives_a_cookie_for_the_prefix_and_tls_alone(
    kind: str, ca: trustme.CA, visits: Visits, tmp_path: Path
) -> None:
    path = tmp_path / "test.sqlite3"
    async with opened_domain(f"sqlite://{path}") as domain:
        secret = (await Tokens(domain.database).create("me", Scope.WRITE)).secret
    with serving(path) as server, served_by(kind, server.url, ca) as proxy:
        visits.only_below(proxy.address)
        page = await visits.page("/monitor/training/jobs", url=proxy.origin, ignore_https_errors=True)
        await expect(page).to_have_url(re.compile("/monitor/sign-in"))
        await page.get_by_label("Token").fill(secret)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(f"{proxy.address}/training/jobs")
        (cookie,) = await page.context.cookies()
        assert (cookie.get("path"), cookie.get("secure"), cookie.get("httpOnly")) == ("/monitor", True, True)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(re.compile("/monitor/sign-in"))
        async with asyncio.timeout(PATIENCE):  # the page may leave when its session ends, before the answer is there
            while await page.context.cookies():
                pass


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"])
async def test_streams_forbid_proxies_to_buffer_or_transform_them(behind: ServerProcess, accept: str) -> None:
    body = {"query": "subscription { jobChanged { id } }"}
    async with (
        httpx.AsyncClient(base_url=behind.url, headers={"Accept": accept}) as http,
        http.stream("POST", "/graphql", json=body) as answer,
    ):
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-transform" in answer.headers["cache-control"]


def test_every_setting_in_the_document_is_one() -> None:
    names = {variable_name(name) for name in Settings.model_fields}
    flags = {flag_name(name) for name in Settings.model_fields}
    assert set(re.findall(r"TRAINING_MONITOR_[A-Z_]+", DOCUMENT)) <= names
    assert set(re.findall(r"(?<=`)--[a-z-]+", DOCUMENT)) <= flags
