"""Three transports, one behaviour: each of these rules holds over graphql-transport-ws, SSE and multipart alike."""

import asyncio
from typing import Any

import pytest

from graph.app import App
from tests.tools.api import Api
from tests.tools.inside import Inside
from tests.tools.streaming import METRICS, TRANSPORTS, Begin

pytestmark = pytest.mark.sqlite_alone("what a store gives a stream is held in tests/live")

BATCHES = """subscription ($id: ID!, $after: Int, $everyMs: Int! = 100) {
    metricsAdded(jobId: $id, after: $after, everyMs: $everyMs) { seq } }"""
CHANGES = "subscription ($id: ID) { jobChanged(id: $id) { id status failureReason } }"


@pytest.fixture(params=TRANSPORTS)
def begin(request: pytest.FixtureRequest) -> Begin:
    return TRANSPORTS[request.param]


@pytest.fixture
async def inside(app: App, address: str) -> Inside:
    return Inside(app)


def points(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [{"step": step, "loss": step / 8} for step in range(first, first + count)]


def seqs(messages: list[Any]) -> list[list[int]]:
    return [[point["seq"] for point in message["metricsAdded"]] for message in messages]


class TestPoints:
    async def test_what_is_stored_comes_first_then_what_is_recorded_then_the_end(
        self, api: Api, address: str, begin: Begin
    ) -> None:
        id = await api.started()
        await api.log(id, points(2))
        async with begin(address, METRICS, id=id, after=0) as stream:
            assert [await stream.data() for _ in range(2)] == [{"metricAdded": {"seq": seq}} for seq in (1, 2)]
            await api.log(id, points(2, first=3))
            assert (await stream.data())["metricAdded"] == {"seq": 3}
            await api.complete(id)
            assert [data async for data in stream.rest()] == [{"metricAdded": {"seq": 4}}]

    async def test_with_a_cursor_they_begin_behind_it(self, api: Api, address: str, begin: Begin) -> None:
        id = await api.started()
        await api.log(id, points(1_200))
        await api.complete(id)
        async with begin(address, METRICS, id=id, after=600) as stream:
            seen = [data["metricAdded"]["seq"] async for data in stream.rest()]
        assert seen == [*range(601, 1_201)]

    async def test_every_character_of_a_name_arrives(self, api: Api, address: str, begin: Begin) -> None:
        name = "--graphql \u2028 \u2029 \\u0000 é 🚂 data: x"
        id = await api.started()
        await api.log(id, [{"step": 1, "values": [{"name": name, "value": 1}]}])
        await api.complete(id)
        query = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { values { name } } }"
        async with begin(address, query, id=id) as stream:
            assert await stream.data() == {"metricAdded": {"values": [{"name": name}]}}


class TestRefusals:
    async def test_an_argument_that_breaks_a_rule_ends_the_operation_with_the_code_of_its_error(
        self, api: Api, address: str, begin: Begin
    ) -> None:
        id = await api.started()
        unknown, bad = "NOT_FOUND", "BAD_USER_INPUT"
        for query, variables, code in (
            (METRICS, {"id": "99"}, unknown),
            (BATCHES, {"id": "99"}, unknown),
            (CHANGES, {"id": "99"}, unknown),
            (METRICS, {"after": -1}, bad),
            (METRICS, {"id": "abc"}, bad),
            (BATCHES, {"after": -1}, bad),
            (BATCHES, {"everyMs": -1}, bad),
            (BATCHES, {"everyMs": 10_001}, bad),
            ("subscription { jobChanged(current: true) { id } }", {}, bad),
        ):
            async with begin(address, query, **{"id": id, **variables}) as stream:
                (error,) = await stream.refusal()
            assert error["extensions"]["code"] == code, (query, variables)

    async def test_a_document_that_is_wrong_is_refused_with_what_is_wrong(self, address: str, begin: Begin) -> None:
        for query, said in (
            ("subscription {", "Syntax Error"),
            ("subscription { jobChanged { nme } }", "Cannot query field 'nme'"),
            ("subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }", "$id"),
            ("subscription { metricAdded(jobId: 1, after: 99999999999) { seq } }", "Int cannot represent"),
            ("subscription { jobChanged " + "{ a " * 2_000, ""),
        ):
            async with begin(address, query) as stream:
                assert said in (await stream.refusal())[0]["message"]


class TestBatches:
    async def test_a_message_has_all_that_is_ready_up_to_a_thousand_points(
        self, api: Api, address: str, begin: Begin
    ) -> None:
        id = await api.started()
        await api.log(id, points(2_300))
        async with begin(address, BATCHES, id=id, after=0, everyMs=0) as stream:
            stored = seqs([await stream.data() for _ in range(3)])
            assert stored == [[*range(1, 1_001)], [*range(1_001, 2_001)], [*range(2_001, 2_301)]]
            await api.log(id, points(3, first=2_301))
            assert seqs([await stream.data()]) == [[2_301, 2_302, 2_303]]
            await api.complete(id)
            assert [data async for data in stream.rest()] == []

    async def test_at_an_interval_nothing_is_left_out_and_nothing_comes_twice(
        self, api: Api, address: str, begin: Begin
    ) -> None:
        """That there is at most one each interval, and that the end does not wait for it, is held in tests/live."""
        id = await api.started()
        await api.log(id, points(1))
        seen = []
        async with begin(address, BATCHES, id=id, after=0, everyMs=100) as stream:
            async for message in stream.rest():
                seen += [point["seq"] for point in message["metricsAdded"]]
                if seen[-1] == 16:
                    await api.complete(id)
                elif seen[-1] % 5 == 1:
                    await asyncio.gather(*(api.log(id, points(1, first=seen[-1] + more)) for more in range(1, 6)))
        assert seen == [*range(1, 17)]


class TestChanges:
    async def test_one_job_is_told_of_until_it_has_ended(
        self, api: Api, address: str, begin: Begin, inside: Inside
    ) -> None:
        id, other = await api.created(), await api.created()
        async with begin(address, CHANGES, id=id) as stream:
            await inside.holds(followers=1)
            await inside.changes_are_heard()
            await api.start(other)
            await api.start(id)
            assert await stream.data() == {"jobChanged": {"id": id, "status": "RUNNING", "failureReason": None}}
            await api.fail(id, "enough")
            rest = [data async for data in stream.rest()]
        assert rest == [{"jobChanged": {"id": id, "status": "FAILED", "failureReason": "enough"}}]
