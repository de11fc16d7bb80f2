"""A server that goes away, and news that comes while nobody listens: nothing of it is missing on the page."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, WebSocketRoute, expect

from tests.tools.api import Api
from tests.tools.browser import Visits, card, rows_of, stat
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sqlite_alone("a page sees no more of the store than the API shows"),
]

AWAY = "The server cannot be reached"


@pytest.fixture
def mortal(database_url: str) -> Iterator[ServerProcess]:
    """A server that comes back at the port it had."""
    with ServerProcess(database_url) as process:
        process.arguments += ["--port", process.url.rpartition(":")[2]]
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def its_trainer(mortal: ServerProcess) -> AsyncIterator[Api]:
    """A client of that server, with a new connection for each request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=mortal.url, timeout=PATIENCE, limits=limits) as http:
        yield Api(http)


async def log(trainer: Api, id: str, first: int, last: int) -> None:
    await trainer.log(id, [{"step": step, "loss": 1 / step} for step in range(first, last + 1)])


async def test_a_server_killed_under_the_monitor_leaves_no_hole_in_the_curve(
    mortal: ServerProcess, its_trainer: Api, visits: Visits
) -> None:
    visits.expects("net::ERR_")
    id = await its_trainer.started(name="survives", epochs=100, stepsPerEpoch=100)
    await log(its_trainer, id, 1, 500)
    page = await visits.page(f"/training/jobs/{id}", url=mortal.url)
    await expect(stat(page, "Step")).to_contain_text("500 of")
    for first in (501, 1001):
        mortal.kill()
        await expect(page.get_by_text(AWAY).first).to_be_visible()
        await expect(page.get_by_text("Reconnecting", exact=True)).to_be_visible()
        mortal.start()
        await log(its_trainer, id, first, first + 299)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await expect(page.get_by_text(AWAY)).to_have_count(0)
        await log(its_trainer, id, first + 300, first + 499)
        await expect(stat(page, "Step")).to_contain_text(f"{first + 499:,} of")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="CSV").click()
    rows = rows_of((await (await downloading.value).path()).read_text())
    stored = await its_trainer.metrics(id)
    assert [(int(row["seq"]), int(row["step"]), float(row["loss"])) for row in rows] == [
        (point["seq"], point["step"], point["loss"]) for point in stored
    ]
    assert len(rows) == 1500


async def test_what_happened_while_the_server_was_away_is_on_the_monitor_and_in_the_list(
    mortal: ServerProcess, its_trainer: Api, visits: Visits
) -> None:
    visits.expects("net::ERR_")
    id = await its_trainer.started(name="old one")
    await its_trainer.created(name="in vain")
    jobs, monitor = [await visits.page(path, url=mortal.url) for path in ("/", f"/training/jobs/{id}")]
    await expect(card(jobs, "old one")).to_be_visible()
    await expect(monitor.get_by_text("Live", exact=True)).to_be_visible()
    await monitor.context.set_offline(True)
    mortal.kill()
    for page in (jobs, monitor):
        await expect(page.get_by_text(AWAY).first).to_be_visible()
    start = card(jobs, "in vain").get_by_role("button", name="Start")
    await start.click()
    await expect(jobs.locator("[data-sonner-toast]")).to_contain_text(AWAY)
    await expect(start).to_have_attribute("aria-busy", "false")
    mortal.start()
    await its_trainer.fail(id, "nobody saw it")
    await its_trainer.created(name="new one")
    await monitor.context.set_offline(False)
    await expect(monitor.get_by_text("nobody saw it").first).to_be_visible()
    for shown in (monitor.locator("main"), card(jobs, "old one")):
        await expect(shown.get_by_text("Failed", exact=True)).to_be_visible()
    await expect(card(jobs, "new one")).to_be_visible()
    await expect(jobs.get_by_text("Trying again")).to_have_count(0)


async def test_pages_that_are_opened_while_the_store_is_away_come_alive_by_themselves(visits: Visits) -> None:
    visits.expects("503")
    visits.expects("net::ERR_")  # once the server has ended
    with Postgres() as postgres, ServerProcess(postgres.new(), "--database-seconds", "1") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            trainer = Api(http)
            id = await trainer.started(name="outlives", stepsPerEpoch=100)
            await log(trainer, id, 1, 5)
            postgres.stop()
            pages = [await visits.page(path, url=server.url) for path in ("/", f"/training/jobs/{id}")]
            await expect(pages[0].get_by_role("alert")).to_contain_text("out of reach")
            postgres.start()
            await expect(card(pages[0], "outlives")).to_be_visible()
            await expect(pages[0].get_by_role("alert")).to_have_count(0)
            await expect(stat(pages[1], "Step")).to_contain_text("5 of")
            await log(trainer, id, 6, 8)
            await expect(stat(pages[1], "Step")).to_contain_text("8 of")
            await trainer.fail(id, "seen")
            await expect(card(pages[0], "outlives").get_by_text("Failed", exact=True)).to_be_visible()
            await expect(pages[1].get_by_text("Failed", exact=True)).to_be_visible()


UNAVAILABLE = [{"message": "away", "extensions": {"code": "SERVICE_UNAVAILABLE"}}]
REFUSED = [{"type": "error", "payload": UNAVAILABLE}]
BROKEN = [{"type": "next", "payload": {"data": None, "errors": UNAVAILABLE}}, {"type": "complete"}]


@pytest.mark.parametrize("answers", [REFUSED, BROKEN], ids=["refused at first", "broken in between"])
async def test_a_stream_that_the_server_cannot_serve_is_begun_anew(
    page: Page, trainer: Api, answers: list[dict[str, Any]]
) -> None:
    id = await trainer.started(name="begun anew", stepsPerEpoch=100)
    await log(trainer, id, 1, 3)
    turned_away: set[str] = set()

    def turn_away(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            said = json.loads(message)
            operation = str(said.get("payload", {}).get("query"))
            if said["type"] != "subscribe" or operation in turned_away:
                server.send(message)
            else:
                turned_away.add(operation)
                for answer in answers:
                    socket.send(json.dumps({"id": said["id"], **answer}))

        socket.on_message(pass_on)

    await page.route_web_socket(re.compile("/graphql"), turn_away)
    await page.goto(f"/training/jobs/{id}")
    await expect(stat(page, "Step")).to_contain_text("3 of")
    await expect(page.get_by_role("group", name="Curve of loss")).to_be_visible()  # what it shows has come over both
    assert len(turned_away) == 2


@pytest.mark.parametrize("path", ["/?search=missed", "/training/jobs/{id}"])
async def test_news_between_the_first_answer_and_the_subscription_is_not_lost(
    page: Page, trainer: Api, path: str
) -> None:
    id = await trainer.started(name="missed")

    async def wait_with_subscriptions(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        async def pass_on(message: str | bytes) -> None:
            if "jobChanged" in str(message):
                await page.wait_for_load_state("networkidle")  # what it asked at first is answered
                await trainer.fail(id, "nobody saw it")
            server.send(message)

        socket.on_message(pass_on)

    await page.route_web_socket(re.compile("/graphql"), wait_with_subscriptions)
    await page.goto(path.format(id=id))
    shown = card(page, "missed").first if "search" in path else page.locator("main")
    await expect(shown.get_by_text("Failed", exact=True)).to_be_visible()
