"""The stream of alerts: each once, in order, whatever the feed does."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from graph.app import App
from graph.live.raised_alerts import RaisedAlerts
from graph.live.wakeups import Wakeups
from models.alert import Alert, AlertLevel
from models.alerts.alerts import Alerts
from models.feed.channel import AlertRaised, Event, Feed
from models.feed.encoding import decode, encode
from models.job import Job
from tests.tools.api import Api
from tests.tools.domain import Domain
from tests.tools.sockets import Socket
from tests.tools.waiting import PATIENCE, eventually


class Follower:
    """One who follows the alerts."""

    def __init__(self, raised: RaisedAlerts, job_id: int | None = None, project: str | None = None) -> None:
        self._raised = raised
        self._events: AsyncGenerator[AlertRaised, None] = raised.follow(job_id, project)
        self._next = asyncio.ensure_future(anext(self._events))

    async def next(self) -> int:
        """The id of the next alert."""
        async with asyncio.timeout(PATIENCE):
            event = await self._next
        self._next = asyncio.ensure_future(anext(self._events))
        return event.alert.id

    async def leave(self) -> None:
        self._next.cancel()
        await asyncio.wait([self._next])
        await self._events.aclose()


async def followed(raised: RaisedAlerts, job_id: int | None = None, project: str | None = None) -> Follower:
    """A follower who has begun."""
    follower = Follower(raised, job_id, project)
    await eventually(raised._ready.is_set)
    for _ in range(3):
        await asyncio.sleep(0)
    return follower


async def raised_by(alerts: Alerts, job: Job) -> Alert:
    return await alerts.raise_by_loop(job.id, "look", "at this", AlertLevel.INFO)


@pytest.mark.parametrize(("buffer", "is_heard"), [(100, True), (2, True), (100, False)])
async def test_each_alert_comes_once_heard_or_found_in_the_store(domain: Domain, buffer: int, is_heard: bool) -> None:
    feed = domain.feed if is_heard else Feed()
    alerts = Alerts(domain.database, domain.feed)
    job = await domain.job()
    await raised_by(alerts, job)
    raised = RaisedAlerts(domain.database, feed, buffer, 0.05, Wakeups())
    follower = await followed(raised)
    for _ in range(10):
        await raised_by(alerts, job)
    assert [await follower.next() for _ in range(10)] == [*range(2, 12)]
    await raised_by(alerts, job)
    assert await follower.next() == 12
    await follower.leave()
    assert feed.listener_count == 0


async def test_what_the_feed_lost_doubled_or_turned_round_comes_once_in_order(domain: Domain) -> None:
    kept: list[Event] = []
    feed = Feed()
    alerts = Alerts(domain.database, domain.feed)
    job = await domain.job()
    raised = RaisedAlerts(domain.database, feed, 100, PATIENCE, Wakeups())
    follower = await followed(raised)
    with domain.feed.listening(kept.append):
        for _ in range(4):
            await raised_by(alerts, job)
    events = [event for event in kept if isinstance(event, AlertRaised)]
    for place in (1, 0, 3, 3, 2):
        feed.publish(events[place])
    assert [await follower.next() for _ in range(4)] == [1, 2, 3, 4]
    await follower.leave()


async def test_those_of_a_job_or_a_project_come_alone(domain: Domain) -> None:
    alerts = Alerts(domain.database, domain.feed)
    one, other = await domain.job(project="a"), await domain.job(project="b")
    raised = RaisedAlerts(domain.database, domain.feed, 100, PATIENCE, Wakeups())
    of_one, of_b = await followed(raised, job_id=one.id), await followed(raised, project="b")
    for job in (other, one, other):
        await raised_by(alerts, job)
    assert await of_one.next() == 2
    assert [await of_b.next(), await of_b.next()] == [1, 3]
    await of_one.leave()
    await of_b.leave()


async def test_between_processes_an_alert_is_carried_whole(domain: Domain) -> None:
    job = await domain.job()
    event = AlertRaised(job, await raised_by(Alerts(domain.database, domain.feed), job))
    assert decode(encode(event)) == event


async def test_a_subscriber_is_sent_what_a_loop_raises(api: Api, socket: Socket, app: App) -> None:
    job, other = await api.started(), await api.started()
    follow = "subscription ($id: ID) { alertRaised(jobId: $id) { title text level job { id } rule { id } } }"
    id = await socket.subscribe(follow, id=job)
    streams = app.services.streams
    await eventually(lambda: streams.alerts.followers == 1 and streams.alerts._ready.is_set())
    raise_one = 'mutation ($id: ID!) { raiseAlert(id: $id, title: "hot", level: ERROR) { __typename } }'
    for each in (other, job):
        assert (await api.data(raise_one, id=each))["raiseAlert"] == {"__typename": "AlertSuccess"}
    alert = (await socket.next(id))["alertRaised"]
    assert alert == {"title": "hot", "text": None, "level": "ERROR", "job": {"id": job}, "rule": None}


async def test_a_subscription_to_a_job_that_is_not_there_is_refused(api: Api, socket: Socket) -> None:
    id = await socket.subscribe('subscription { alertRaised(jobId: "99") { id } }')
    message = await socket.message(id)
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
