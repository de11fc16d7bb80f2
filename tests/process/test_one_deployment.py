"""Two processes of one deployment: what one of them must do is done once, also over kill -9."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.tools.api import Api
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.receivers import receiving
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE

FLAGS = ("--allowed-webhooks", "127.0.0.1", "--live-check-seconds", "0.2")
RULE = """mutation ($input: AlertRuleInput!) { createAlertRule(input: $input) { __typename } }"""
ALERTS = "query ($id: ID!) { alerts(jobId: $id) { nodes { title seq } totalCount } }"
RAISED = "subscription ($id: ID!) { alertRaised(jobId: $id) { rule { name } } }"
RAISE = 'mutation ($id: ID!) { raiseAlert(id: $id, title: "the last") { __typename } }'
BEAT = "mutation ($id: ID!) { heartbeat(id: $id, everySeconds: 1) { __typename } }"
CHANGED = "subscription ($since: String) { jobChanged(since: $since) { id status cursor lostSince } }"


@pytest.fixture
async def pair(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[list[ServerProcess]]:
    """Two servers of one store; those on PostgreSQL with a feed. A parameter: further flags."""
    flags = [*FLAGS, *getattr(request, "param", [])]
    if database_url.startswith("postgres"):
        valkey: Valkey = request.getfixturevalue("valkey")
        flags += ["--feed-url", valkey.url]
    async with AsyncExitStack() as stack:
        yield [stack.enter_context(ServerProcess(database_url, *flags)) for _ in range(2)]


@asynccontextmanager
async def client(server: ServerProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Api(http)


async def restarted(server: ServerProcess) -> None:
    server.kill()
    await asyncio.to_thread(server.start)


async def changes(socket: Socket, since: str, until: str) -> list[Any]:
    """The events after a cursor, to the first of a job."""
    id, told = await socket.subscribe(CHANGED, since=since), list[Any]()
    while not told or told[-1]["id"] != until:
        told.append((await socket.next(id))["jobChanged"])
    return told


async def test_each_crossing_is_raised_and_told_once_though_points_come_to_both_and_one_is_killed(
    pair: list[ServerProcess],
) -> None:
    killed, other = pair
    async with receiving() as receiver, client(other) as there, opened(websocket_url(other.url)) as socket:
        async with client(killed) as here:
            rule = {"name": "high", "condition": "ABOVE", "series": "loss", "threshold": 2}
            webhook = f"http://127.0.0.1:{receiver.port}/"
            assert (await here.data(RULE, input={**rule, "webhook": webhook}))["createAlertRule"]["__typename"] == (
                "AlertRuleSuccess"
            )
            id = await here.started()
            raised = await socket.subscribe(RAISED, id=id)
            for step in range(1, 11):
                await (here, there)[step % 2].log(id, [{"step": step, "loss": 3 if step > 4 else 1}])
            assert (await socket.next(raised))["alertRaised"] == {"rule": {"name": "high"}}
            await receiver.until(1)
        await restarted(killed)
        async with client(killed) as here:
            for step in range(11, 21):
                await (here, there)[step % 2].log(id, [{"step": step, "loss": 3}])
            # One of another job is raised, and told, after all that came before it was looked at.
            marker = await here.started()
            await there.log(marker, [{"step": 1, "loss": 3}])
            await receiver.until(2)
            await here.data(RAISE, id=id)
        assert (await socket.next(raised))["alertRaised"] == {"rule": None}
        found = (await there.data(ALERTS, id=id))["alerts"]
        assert [found["totalCount"], sorted(each["seq"] or 0 for each in found["nodes"])] == [2, [0, 5]]
        assert len({told.headers["webhook-id"] for told in receiver.requests}) == 2


@pytest.mark.parametrize("pair", [[], ["--fail-lost-after", "0.1"]], indirect=True, ids=["lost", "failed"])
async def test_a_silent_job_is_found_by_one_alone(
    pair: list[ServerProcess], outside: Outside, request: pytest.FixtureRequest
) -> None:
    ends = ["LOST", "FAILED"] if request.node.callspec.id.endswith("failed") else ["LOST"]
    first, second = pair
    change = "SELECT max(change) FROM job"
    async with client(first) as api, opened(websocket_url(second.url)) as socket:
        await api.data(RULE, input={"name": ends[-1], "condition": ends[-1]})
        id = await api.started()
        raised = await socket.subscribe(RAISED, id=id)
        await api.data(BEAT, id=id)
        ((before,),) = outside.execute(change)
        following = await socket.subscribe(CHANGED, since=(await api.job(id, "cursor"))["cursor"])
        told = [(await socket.next(following))["jobChanged"]]
        while ends[-1] == "FAILED" and told[-1]["status"] != "FAILED":  # both at once are told as one
            told.append((await socket.next(following))["jobChanged"])
        assert (await socket.next(raised))["alertRaised"] == {"rule": {"name": ends[-1]}}
        marker = await api.created()
        last = (await socket.next(following))["jobChanged"]
        assert last["id"] == marker, "nothing else is told"
        assert outside.execute(change) == [(before + len(ends) + 1,)], "one change for each, and the marker's"
        assert (await api.data(ALERTS, id=id))["alerts"]["totalCount"] == 1
        assert len({each["cursor"] for each in (*told, last)}) == len(told) + 1


async def test_changes_since_a_cursor_come_from_the_other_without_gap_or_double_after_one_is_killed(
    pair: list[ServerProcess],
) -> None:
    killed, other = pair
    async with client(killed) as api, opened(websocket_url(killed.url)) as socket:
        begin = (await api.job(await api.created(), "cursor"))["cursor"]
        jobs = [await api.created() for _ in range(5)]
        seen = await changes(socket, begin, jobs[2])
        killed.kill()
    async with client(other) as api, opened(websocket_url(other.url)) as socket:
        following = await socket.subscribe(CHANGED, since=seen[-1]["cursor"])
        rest = [(await socket.next(following))["jobChanged"] for _ in jobs[3:]]
        await asyncio.to_thread(killed.start)
        async with client(killed) as again:
            later = [await again.created(), await api.created(), await again.created()]
        rest += [(await socket.next(following))["jobChanged"] for _ in later]
    told = [*seen, *rest]
    assert [each["id"] for each in told] == [*jobs, *later]
    assert len({each["cursor"] for each in told}) == len(told)
