"""A client that leaves is forgotten, however it leaves; and quiet streams show that they live. Over every transport."""

from collections.abc import Awaitable, Callable
from itertools import product

import pytest

from graph.app import App
from graph.settings import Settings
from tests.tools.api import Api
from tests.tools.inside import Inside
from tests.tools.sockets import opened, websocket_url
from tests.tools.streaming import METRICS, TRANSPORTS, Begin, Stream

pytestmark = pytest.mark.sqlite_alone("what is kept of clients that leave is kept in the process")

JOBS = "subscription { jobChanged { id } }"
BATCHES = "subscription ($id: ID!) { metricsAdded(jobId: $id, after: 0, everyMs: 10000) { seq } }"
WIDE = """subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) {
    seq step epoch loss accuracy learningRate recordedAt values { name value nonFinite } } }"""


@pytest.fixture(params=TRANSPORTS)
def begin(request: pytest.FixtureRequest) -> Begin:
    return TRANSPORTS[request.param]


@pytest.fixture
async def inside(app: App, address: str) -> Inside:
    return Inside(app)


async def close(stream: Stream) -> None:
    await stream.close()


async def hang_up(stream: Stream) -> None:
    stream.hang_up()


WAYS: tuple[Callable[[Stream], Awaitable[None]], ...] = (close, hang_up)


class TestLeaving:
    async def test_a_client_that_leaves_a_quiet_stream_is_forgotten(
        self, api: Api, address: str, inside: Inside, begin: Begin
    ) -> None:
        id = await api.started()
        for query, leave in product((METRICS, BATCHES, JOBS), WAYS):
            async with begin(address, query, id=id) as stream:
                await inside.holds(listeners=1)
                await leave(stream)
                await inside.is_as_before()

    async def test_a_client_that_leaves_in_the_middle_of_a_replay_is_forgotten(
        self, api: Api, address: str, inside: Inside, begin: Begin
    ) -> None:
        id = await api.started(epochs=1_000)
        await api.log(id, [{"step": step, "loss": 0.5} for step in range(3_000)])
        for leave in WAYS:
            async with begin(address, WIDE, id=id) as stream:
                assert (await stream.data())["metricAdded"]["seq"] == 1
                await leave(stream)
                await inside.is_as_before()

    async def test_a_client_that_leaves_takes_nothing_from_the_others(
        self, api: Api, address: str, inside: Inside, begin: Begin
    ) -> None:
        id = await api.started()
        async with begin(address, METRICS, id=id, after=0) as stays:
            for leave in WAYS:
                async with begin(address, METRICS, id=id, after=0) as leaves:
                    await inside.holds(watchers=2)
                    await leave(leaves)
                    await inside.holds(watchers=1)
            await api.step(id)
            assert await stays.data() == {"metricAdded": {"seq": 1}}

    async def test_a_stream_that_ended_by_itself_is_forgotten(
        self, api: Api, address: str, inside: Inside, begin: Begin
    ) -> None:
        id = await api.started()
        await api.step(id)
        await api.complete(id)
        async with begin(address, METRICS, id=id, after=0) as stream:
            assert [data async for data in stream.rest()] == [{"metricAdded": {"seq": 1}}]
        await inside.is_as_before()

    async def test_an_operation_that_a_socket_completes_is_forgotten_and_the_socket_stays(
        self, api: Api, address: str, inside: Inside
    ) -> None:
        id = await api.started()
        async with opened(websocket_url(address)) as socket:
            operation = await socket.subscribe(METRICS, id=id, after=0)
            await inside.holds(watchers=1)
            await socket.send({"id": operation, "type": "complete"})
            await inside.comes_to(sockets=1)
            await api.step(id)
            assert await socket.next(await socket.subscribe("{ __typename }")) == {"__typename": "Query"}
        await inside.is_as_before()


class TestSignsOfLife:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, ping_seconds=0.5)

    async def test_a_quiet_stream_shows_that_it_lives_again_and_again(
        self, api: Api, address: str, begin: Begin
    ) -> None:
        id = await api.started()
        async with begin(address, METRICS, id=id) as stream:
            assert [await stream.message() for _ in range(2)] == [("alive", None)] * 2
            await api.step(id)
            assert await stream.data() == {"metricAdded": {"seq": 1}}
            await api.complete(id)
            assert [data async for data in stream.rest()] == []
