"""What a subscriber is sent, over graphql-transport-ws: see test_transports for what all transports have in common."""

from typing import Any

import pytest

from graph.app import App
from graph.settings import Settings
from tests.tools.api import Api
from tests.tools.inside import Inside
from tests.tools.sockets import Socket

METRICS = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq } }"
CHANGES = "subscription ($id: ID) { jobChanged(id: $id) { id status } }"


@pytest.fixture
def settings(database_url: str) -> Settings:
    """One connection, so that reads are answered one after another: see `Inside.all_have_begun`."""
    return Settings(database_url=database_url, live_check_seconds=0.2, database_connections=1)


@pytest.fixture
async def inside(app: App, address: str) -> Inside:
    return Inside(app)


def points(first: int, count: int) -> list[dict[str, Any]]:
    return [{"step": step, "loss": step / 8} for step in range(first, first + count)]


class TestSeveralOnOneSocket:
    async def test_each_operation_gets_its_own_in_order(self, api: Api, socket: Socket, inside: Inside) -> None:
        one, other = await api.started(), await api.started()
        await api.log(one, points(1, 2))
        watching = [
            await socket.subscribe(METRICS, id=job, after=after) for job, after in ((one, 0), (one, 1), (other, 0))
        ]
        following = await socket.subscribe(CHANGES)
        await inside.all_have_begun(watchers=3, followers=1)
        await api.log(one, points(3, 1))
        await api.log(other, points(1, 3))
        for job in (one, other):
            complete = "mutation ($id: ID!) { completeJob(id: $id) { __typename } }"
            id = await socket.subscribe(complete, id=job)
            assert await socket.next(id) == {"completeJob": {"__typename": "CompleteJobSuccess"}}
        for id, seqs in zip(watching, ([1, 2, 3], [2, 3], [1, 2, 3]), strict=True):
            assert [(await socket.next(id))["metricAdded"]["seq"] for _ in seqs] == seqs
            assert (await socket.message(id))["type"] == "complete"
        ended = [(await socket.next(following))["jobChanged"] for _ in range(2)]
        assert ended == [{"id": job, "status": "COMPLETE"} for job in (one, other)]
