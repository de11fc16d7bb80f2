"""Events and answers that reach the list out of order: what is shown is the latest state of each job."""

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest
from playwright.async_api import Error, Page, Route, WebSocketRoute, expect

from tests.tools.api import Api
from tests.tools.browser import card
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = "__typename id name modelName status attempt archivedAt epochs learningRate "
FIELDS += "metricCount progress createdAt updatedAt finishedAt"


class Line:
    """The socket of a page that the test speaks on as well; what the server says of jobs is lost while `deaf`."""

    def __init__(self) -> None:
        self.deaf = False
        self._begun = asyncio.Event()
        self._id = ""
        self._socket: WebSocketRoute | None = None

    async def attach(self, page: Page) -> None:
        await page.route_web_socket(re.compile("/graphql"), self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def from_page(message: str | bytes) -> None:
            said = json.loads(message)
            if "JobsChanged" in str(said.get("payload")):
                self._id, self._socket = said["id"], socket
                self._begun.set()
            server.send(message)

        def from_server(message: str | bytes) -> None:
            if not (self.deaf and json.loads(message)["type"] == "next"):
                socket.send(message)

        socket.on_message(from_page)
        server.on_message(from_server)

    async def say(self, job: dict[str, Any]) -> None:
        """Send the page an event of a job."""
        await self._begun.wait()
        assert self._socket is not None
        payload = {"data": {"jobChanged": {**job, "failureReason": None}}}
        self._socket.send(json.dumps({"id": self._id, "type": "next", "payload": payload}))


async def row(trainer: Api, id: str) -> dict[str, Any]:
    job: dict[str, Any] = (await trainer.data(f'{{ job(id: "{id}") {{ {FIELDS} }} }}'))["job"]
    return job


async def test_a_job_that_has_ended_is_shown_so_though_another_replicas_clock_differs(page: Page, trainer: Api) -> None:
    line = Line()
    await line.attach(page)
    id = await trainer.started(name="by clocks")
    running = await row(trainer, id)
    early = {"updatedAt": "2001-01-01T00:00:00+00:00", "finishedAt": running["updatedAt"]}
    ended = {**running, "status": "FAILED", **early}
    late = {**running, "updatedAt": "2099-01-01T00:00:00+00:00"}
    await page.goto("/?search=by+clocks")
    await expect(card(page, running["name"])).to_be_visible()
    for event in (late, ended, late):
        await line.say(event)
    await line.say({**running, "id": "999999", "name": "by clocks, last"})
    await expect(card(page, "by clocks, last")).to_be_visible()
    await expect(card(page, running["name"]).get_by_text("Failed", exact=True)).to_be_visible()


async def test_an_answer_that_was_overtaken_by_a_later_one_is_passed_over(page: Page, trainer: Api) -> None:
    line = Line()
    line.deaf = True
    await line.attach(page)
    answers = 0
    overtaken, answered = asyncio.Event(), asyncio.Event()

    async def answer(route: Route) -> None:
        nonlocal answers
        if "query Jobs(" not in (route.request.post_data or ""):
            await route.continue_()
            return
        answers += 1
        if answers == 1:  # of the page's first two requests
            response = await route.fetch()
            await trainer.created(name="overtaken, new")
            await overtaken.wait()
            with contextlib.suppress(Error):  # where the page waits for it no more
                await route.fulfill(response=response)
            answered.set()
        else:
            await route.continue_()

    await page.route("**/graphql", answer)
    old = await row(trainer, await trainer.created(name="overtaken, old"))
    await page.goto("/?search=overtaken")
    await expect(card(page, "overtaken, new")).to_be_visible()
    overtaken.set()
    async with asyncio.timeout(PATIENCE):
        await answered.wait()
    await line.say({**old, "id": "999998", "name": "overtaken, last"})
    await expect(card(page, "overtaken, last")).to_be_visible()
    await expect(card(page, "overtaken, new")).to_be_visible()
