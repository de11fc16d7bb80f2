"""How long an operation may take."""

import asyncio

import httpx
import pytest

from graph.app import App, create_app
from graph.execution.results import TimedOut
from graph.execution.turns import within
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.outside import Outside
from tests.tools.scraped import scrape
from tests.tools.sockets import Socket
from tests.tools.waiting import PATIENCE


class TestTime:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, operation_seconds=0.3)

    @pytest.fixture
    async def job(self, database_url: str, app: App) -> str:
        """A running job, made by an app without that limit."""
        other = create_app(Settings(database_url=database_url))
        transport = httpx.ASGITransport(other)
        async with running(other), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await Api(http).started()

    @pytest.mark.parametrize("plans", [True, False], ids=["by a plan", "by Strawberry"])
    async def test_a_mutation_that_waits_too_long_is_answered_and_done_when_it_can_be(
        self, app: App, api: Api, outside: Outside, job: str, socket: Socket
    ) -> None:
        stream = await socket.subscribe(f"subscription {{ metricAdded(jobId: {job}, after: 0) {{ seq }} }}")
        query = f"mutation {{ simulateStep(id: {job}) {{ __typename }} }}"
        async with asyncio.timeout(PATIENCE):
            while not (await app.view.operations.documents.get(query)).valid:  # reading it has the same time limit
                pass
        with outside.writing():
            response = await api.http.post("/graphql", json={"query": query})
            late = await socket.subscribe(query)
            message = await socket.message(late)
        assert response.status_code == 200
        for answer in (response.json(), message["payload"]):
            assert answer["data"] is None
            (error,) = answer["errors"]
            assert error["extensions"] == {"code": "TIMED_OUT"}
            assert "0.3 seconds" in error["message"]
            assert "may still be done" in error["message"]
        assert (await socket.message(late))["type"] == "complete"
        seqs = [(await socket.next(stream))["metricAdded"]["seq"] for _ in range(2)]
        assert seqs == [1, 2], "both were done, and the stream, which is older, was not cut"
        counted = (await scrape(api.http)).values("requests_total")
        assert counted["<anonymous>", "timeout"] == 2


class TestTheTimeLimit:
    async def test_one_that_takes_too_long_is_ended_and_a_quick_one_is_not(self) -> None:
        async def quick() -> str:
            return "done"

        with pytest.raises(TimedOut, match="longer than"):
            await within(0.05, asyncio.Event().wait())
        assert await within(PATIENCE, quick()) == "done"

    async def test_one_that_another_task_cancels_is_cancelled(self) -> None:
        task = asyncio.create_task(within(PATIENCE, asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_what_the_operation_raises_is_raised(self) -> None:
        async def broken() -> None:
            raise TimeoutError("the store's own")

        with pytest.raises(TimeoutError, match="the store's own"):
            await within(PATIENCE, broken())
