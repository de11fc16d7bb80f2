"""The feed between processes: by a real Valkey, and where there is none."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from models.feed.channel import Event, FeedError, JobChanged, MetricsRecorded
from models.feed.encoding import EVENT_BYTES, decode, encode
from models.feed.redis import WAITING_BYTES, RedisFeed
from models.job import now
from models.metric import Point, Recorded
from tests.tools.domain import Domain, a_job, opened_domain, points
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE, eventually

SECONDS = 0.5
"""What feeds wait for Valkey here."""


@contextlib.asynccontextmanager
async def opened(valkey: Valkey, store: str = "one store") -> AsyncIterator[RedisFeed]:
    """A feed as another process would have it."""
    feed = RedisFeed(valkey.url + "?decode_responses=true", SECONDS)  # messages are bytes all the same
    async with feed.open(store):
        yield feed


@pytest.fixture
async def here(valkey: Valkey) -> AsyncIterator[RedisFeed]:
    async with opened(valkey) as feed:
        yield feed


@pytest.fixture
async def there(valkey: Valkey) -> AsyncIterator[RedisFeed]:
    async with opened(valkey) as feed:
        yield feed


@pytest.fixture
async def domain(sqlite_url: str, here: RedisFeed) -> AsyncIterator[Domain]:
    async with opened_domain(sqlite_url, here) as domain:
        yield domain


@contextlib.contextmanager
def hearing(feed: RedisFeed, job_id: int | None = None) -> Iterator[list[Event]]:
    """The events that are heard inside the block."""
    events: list[Event] = []
    with feed.listening(events.append, job_id):
        yield events


def changed(id: int = 1, name: str = "run") -> JobChanged:
    """A job took on a status, as far as a feed looks."""
    return JobChanged(a_job(id=id, name=name))


def contents(event: Event) -> object:
    """All that an event says, comparable."""
    if isinstance(event, JobChanged):
        return event.job
    assert isinstance(event, MetricsRecorded)
    return event.job, [(*point[:7], repr(dict(point.values)), point.recorded_at) for point in event.metrics]


class TestBetweenProcesses:
    async def test_each_event_arrives_there_once_as_it_was_published_in_order_and_here_once_at_once(
        self, domain: Domain, here: RedisFeed, there: RedisFeed
    ) -> None:
        with hearing(here) as heard_here, hearing(there) as heard_there:
            job = await domain.job()
            values = {"loss": math.nan, "up": math.inf, "down": -math.inf, "zero": -0.0, "third": 1 / 3}
            await domain.jobs.log(job.id, [*points(1, 3), Point(4, values)])
            await domain.jobs.fail(job.id, "Zu heiß: \N{FIRE}")
            assert len(heard_here) == 4
            await eventually(lambda: len(heard_there) >= 4)
            here.publish(JobChanged(job))  # behind whatever may have come twice
            await eventually(lambda: len(heard_there) == 5)
        assert [contents(event) for event in heard_there] == [contents(event) for event in heard_here]
        assert [type(event) for event in heard_there[:4]] == [JobChanged, JobChanged, MetricsRecorded, JobChanged]

    async def test_one_that_overhears_receives_what_is_published_here_only_and_is_no_listener(
        self, here: RedisFeed, there: RedisFeed
    ) -> None:
        overheard: list[Event] = []
        with here.overhearing(overheard.append), hearing(there) as heard:
            there.publish(changed(1))
            here.publish(changed(2))
            assert not here.has_listeners(2)
            assert here.listener_count == 0
            await eventually(lambda: len(heard) == 2)
        assert [event.job.id for event in overheard] == [2]

    async def test_events_of_another_job_or_of_another_store_do_not_arrive(
        self, valkey: Valkey, here: RedisFeed, there: RedisFeed
    ) -> None:
        """The jobs of two stores have the same ids."""
        async with opened(valkey, "another store") as stranger:
            with hearing(there, 1) as heard:
                stranger.publish(changed(1, "theirs"))
                here.publish(changed(2, "another"))
                here.publish(changed(1, "ours"))
                await eventually(lambda: bool(heard))
        assert [event.job.name for event in heard] == ["ours"]

    async def test_points_too_many_to_carry_are_left_to_the_store(self, domain: Domain, there: RedisFeed) -> None:
        job = await domain.job()
        with hearing(there) as heard:
            await domain.jobs.log(job.id, points(1, 10_000))
            await eventually(lambda: any(isinstance(event, MetricsRecorded) for event in heard))
        event = heard[-1]
        assert isinstance(event, MetricsRecorded)
        assert (event.metrics, event.job.metric_count) == ((), 10_000)

    async def test_what_is_no_event_is_ignored(self, valkey: Valkey, here: RedisFeed, there: RedisFeed) -> None:
        async with Redis.from_url(valkey.url) as stranger:
            with hearing(there) as heard:
                for text in (
                    b"",
                    b"x\nnonsense",
                    b"x\n1 {",
                    b'x\n1 {"job": 5}',
                    b'x\n1 {"job": {"id": 1}}',
                    b"x\n1 []",
                    b"\xff\n\xff \xff",
                ):
                    await stranger.publish(there._channel, text)
                here.publish(changed())
                await eventually(lambda: bool(heard))
        assert [event.job.id for event in heard] == [1]

    async def test_events_of_another_version_are_taken_where_they_have_what_this_one_needs(
        self, valkey: Valkey, here: RedisFeed, there: RedisFeed, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In a rolling upgrade a column is new to some: those warn once, and read the store instead."""
        id, _, content = encode(changed()).partition(b" ")
        event = json.loads(content)
        newer = {**event, "new": 1, "job": {**event["job"], "new_column": [1]}}
        older = {**event, "job": {name: value for name, value in event["job"].items() if name != "status"}}
        async with Redis.from_url(valkey.url) as stranger:
            with hearing(there) as heard:
                for each in (newer, older, older, newer, older):
                    await stranger.publish(there._channel, b"x\n%b %b" % (id, json.dumps(each).encode()))
                here.publish(changed())
                await eventually(lambda: len(heard) == 3)
        assert [each.job.id for each in heard] == [1, 1, 1]
        assert caplog.text.count("no event of this version") == 1

    async def test_a_listener_that_fails_costs_no_other_event(self, here: RedisFeed, there: RedisFeed) -> None:
        def fails(_: Event) -> None:
            raise RuntimeError("a bug")

        with there.listening(fails, 1), hearing(there, 2) as heard:
            here.publish(changed(1))
            here.publish(changed(2))
            await eventually(lambda: bool(heard))
        assert there.connected

    @pytest.mark.parametrize("fails", ["hearing", "sending"])
    async def test_an_unexpected_fault_is_logged_and_events_arrive_again_afterwards(
        self,
        valkey: Valkey,
        here: RedisFeed,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        fails: str,
    ) -> None:
        def failing(*_: object) -> None:
            raise RuntimeError("a bug")

        async with opened(valkey) as feed:
            if fails == "hearing":
                monkeypatch.setattr(feed, "_take", failing)
                here.publish(changed())
            else:
                monkeypatch.setattr(feed._client, "publish", failing)
                feed.publish(changed())
            await eventually(lambda: "a bug" in caplog.text)
            monkeypatch.undo()
            await eventually(lambda: feed.connected and feed._sent.is_set())
            with hearing(feed) as heard, hearing(here) as heard_there:
                here.publish(changed(3))
                await eventually(lambda: bool(heard))
                feed.publish(changed(4))
                await eventually(lambda: [event.job.id for event in heard_there] == [3, 4])


class TestWithoutValkey:
    async def test_publishing_waits_for_nothing_and_listeners_here_receive_it(self) -> None:
        with Valkey() as valkey:
            async with opened(valkey) as feed:
                valkey.stop()
                with hearing(feed) as heard:
                    for _ in range(100):
                        feed.publish(changed())
                    assert len(heard) == 100
                await eventually(lambda: not feed.connected)
                feed.publish(changed())
                await eventually(lambda: not feed._outgoing)

    async def test_they_hear_each_other_again_once_it_is_back(self) -> None:
        with Valkey() as valkey:
            async with opened(valkey) as one, opened(valkey) as other:
                for _ in range(3):
                    valkey.stop()
                    await eventually(lambda: not one.connected and not other.connected)
                    valkey.start()
                    await eventually(lambda: one.connected and other.connected)
                    with hearing(other) as heard:
                        one.publish(changed())
                        await eventually(lambda: bool(heard))

    async def test_a_broker_that_answers_no_more_is_noticed(self) -> None:
        with Valkey() as valkey:
            async with opened(valkey) as feed:
                valkey.freeze()
                await eventually(lambda: not feed.connected)
                with pytest.raises(FeedError):
                    await feed.check()
                valkey.thaw()
                await eventually(lambda: feed.connected)

    async def test_what_waits_to_be_sent_is_bounded(self) -> None:
        event = MetricsRecorded(a_job(name="x" * (EVENT_BYTES // 2)), ())
        with Valkey() as valkey:
            async with opened(valkey) as feed:
                for _ in range(2 * WAITING_BYTES // EVENT_BYTES * 2):
                    feed.publish(event)
                assert sum(map(len, feed._outgoing)) <= WAITING_BYTES
                await eventually(lambda: not feed._outgoing)

    async def test_the_last_events_are_sent_before_it_closes(self, valkey: Valkey, there: RedisFeed) -> None:
        """As of a command that ends with its work: what waits, and what is being sent."""
        with hearing(there) as heard:
            for first in range(1, 100, 10):
                async with opened(valkey) as feed:
                    for id in range(first, first + 10):
                        feed.publish(changed(id))
                    if first % 20 == 1:
                        await asyncio.sleep(0)  # they are no longer among what waits
            await eventually(lambda: len(heard) == 100)
        assert [event.job.id for event in heard] == [*range(1, 101)]

    async def test_a_broker_that_refuses_its_channels_is_reported_once(self, caplog: pytest.LogCaptureFixture) -> None:
        tries = 0

        class Counted(RedisFeed):
            async def _receive_from(self, channel: PubSub) -> None:
                nonlocal tries
                tries += 1
                await super()._receive_from(channel)

        with Valkey() as valkey:
            async with Redis.from_url(valkey.url) as admin:
                await admin.acl_setuser("deaf", enabled=True, passwords="+secret", reset=True, categories=["+@all"])
                feed = Counted(valkey.url.replace("//", "//deaf:secret@"), SECONDS)
                async with feed.open("one store"):
                    with pytest.raises(FeedError, match="channel"):
                        await feed.check()
                    await eventually(lambda: tries >= 3)
                    assert len(caplog.messages) == 1
                    assert "channel" in caplog.text
                    await admin.acl_setuser("deaf", enabled=True, channels=["training-monitor:*"])
                    await eventually(lambda: feed.connected)
                    await feed.check()

    @pytest.mark.parametrize(
        "url",
        [
            "nonsense", "http://host", "redis://host:port", "redis://h/0?nothing=1", "rediss://h?ssl_cert_reqs=bogus",
            "redis://h?db=x", "redis://h?&", "redis://me:sec/ret@h", "redis://:sec?ret@h", "redis://:1?sec=ret@h",
            "redis://:sec#ret@h", "redis://h?password=sec@ret", "me:secret@h",
        ],
    )  # fmt: skip
    def test_an_address_that_is_none_is_refused_without_a_part_of_a_password(self, url: str) -> None:
        with pytest.raises(FeedError, match="redis://host:6379/0") as refused:
            RedisFeed(url, SECONDS)
        assert "sec" not in str(refused.value)
        assert "ret" not in str(refused.value)

    async def test_a_broker_out_of_reach_is_reported_without_the_password(self) -> None:
        feed = RedisFeed("redis://me:secret@127.0.0.1:1/0", SECONDS)
        with pytest.raises(FeedError) as refused:
            await feed.check()
        assert "me@127.0.0.1:1" in str(refused.value)
        assert "secret" not in str(refused.value)

    async def test_two_that_never_reach_it_begin_and_end_all_the_same(self) -> None:
        async with asyncio.timeout(PATIENCE):
            async with RedisFeed("valkey://127.0.0.1:1", SECONDS).open("store"):
                pass


def recorded(count: int, name: str) -> MetricsRecorded:
    """That points were stored, each with one value."""
    metrics = [Recorded(1, n, n, 1, 0.5, None, None, {name: 0.5}, None, now()) for n in range(1, count + 1)]
    return MetricsRecorded(a_job(metric_count=count), tuple(metrics))


@pytest.mark.parametrize("name", ["x", "x" * 200])
def test_an_event_carries_all_of_its_points_where_they_fit_and_else_none(name: str) -> None:
    longest = 0
    for count in range(1, 1000, 31):
        line = encode(recorded(count, name))
        event = decode(line)
        assert isinstance(event, MetricsRecorded)
        assert len(event.metrics) in {0, count}
        longest = max(longest, len(line))
    assert 0.9 * EVENT_BYTES < longest < 1.1 * EVENT_BYTES
    too_long = decode(encode(recorded(1, "x" * EVENT_BYTES)))
    assert isinstance(too_long, MetricsRecorded)
    assert too_long.metrics == ()
