"""The feed between processes, by the pub/sub of Redis or Valkey.

All processes of a store publish to one channel and subscribe to it. With a channel for each job the broker would
filter, but subscribing takes a round trip in which events are lost, and an event without listeners costs little: only
its job's id is read. Events that are published while a message is being sent share the next message.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Iterable

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from models.feed.channel import Event, Feed, FeedError
from models.feed.encoding import FORMAT, decode, encode, job_id_of
from models.store.urls import parts_of, without_password

log = logging.getLogger(__name__)

WAITING_BYTES = 2 * 2**20
"""Encoded events that may wait to be sent, and the most of one message. Events beyond are dropped: listeners find them
in the store."""
RECONNECT_SECONDS = 0.25
LAST_SECONDS = 0.5
"""How long closing waits for the last events to be sent."""
SCHEMES = {"valkey": "redis", "valkeys": "rediss"}


class RedisFeed(Feed):
    """A feed that also sends events to other processes and receives theirs. Publishing never waits."""

    def __init__(self, url: str, seconds: float) -> None:
        """`url`: redis:// or valkey://, with TLS rediss:// or valkeys://. `seconds`: to connect, and for an answer.

        Raises FeedError where the address is none.
        """
        super().__init__()
        self._shown = without_password(url)
        self._seconds = seconds
        scheme, separator, rest = url.partition("://")
        try:
            parts_of(url)
            self._client: Redis = Redis.from_url(
                SCHEMES.get(scheme, scheme) + separator + rest,
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                retry=Retry(NoBackoff(), 0),  # we connect anew ourselves, and know then that events were lost
                client_name="training-monitor",
            )
            pool = self._client.connection_pool
            pool.connection_kwargs["decode_responses"] = False  # whatever the address says: messages are bytes
            pool.connection_class(**pool.connection_kwargs)  # or a parameter it does not know is found at first use
        except (ValueError, TypeError, RedisError) as error:
            message = f"Cannot use the feed {self._shown}: {error}. It looks like redis://host:6379/0."
            raise FeedError(message) from error
        self._me = secrets.token_hex(8).encode()
        """The sender in our messages, which come back to us too."""
        self._prefix = f"training-monitor:{FORMAT}:{pool.connection_kwargs.get('db', 0)}:"
        self._channel = ""
        self._has_warned = False
        """Whether a message that cannot be read was logged: in a rolling upgrade each event may be one."""
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._waiting = asyncio.Event()
        """Whether an event waits to be sent."""
        self._sent = asyncio.Event()
        """Whether no event waits, and none is being sent."""
        self._sent.set()
        self._subscribed = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Deliver an event to listeners here at once, and to other processes soon."""
        super().publish(event)
        if not self._subscribed.is_set():
            return  # the broker is out of reach
        line = encode(event)
        if self._outgoing_bytes + len(line) <= WAITING_BYTES:
            self._outgoing.append(line)
            self._outgoing_bytes += len(line)
            self._sent.clear()
            self._waiting.set()

    async def check(self) -> None:
        """Return if the broker carries messages for us. Raises FeedError."""
        probe = self._prefix + "probe"  # not the channel itself, which every process receives
        try:
            async with asyncio.timeout(self._seconds), self._client.pubsub() as channel:
                await channel.subscribe(probe)
                await channel.get_message(timeout=None)  # that it is subscribed to, or why it is not
                await self._client.publish(probe, b"")
        except (RedisError, OSError) as error:
            what_to_do = "Check that it answers, or change --feed-url"
            raise FeedError(f"Cannot use the feed {self._shown}: {_reason(error)}. {what_to_do}.") from error

    async def close(self) -> None:
        """Forget the connections."""
        await self._client.aclose()

    @property
    def connected(self) -> bool:
        """Whether events of other processes are received now."""
        return self._subscribed.is_set()

    @contextlib.asynccontextmanager
    async def open(self, store: str) -> AsyncIterator[None]:
        """Inside, processes that use the same store and the same broker receive each other's events.

        Begins once it is connected, or after the time limit, and goes on trying.
        """
        self._channel = self._prefix + store
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._subscribed.wait()
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._sent.wait()
        finally:
            await _ended(tasks)
            self._subscribed.clear()
            await self.close()

    async def _send(self) -> None:
        logged = ""
        while True:
            await self._waiting.wait()
            message = b"\n".join([self._me, *self._outgoing])
            self._outgoing, self._outgoing_bytes = [], 0
            try:
                await self._client.publish(self._channel, message)
                logged = ""
            except Exception as error:  # noqa: BLE001  # or one message that cannot be sent would be the last
                logged = self._warn("did not take events", error, logged)
                await asyncio.sleep(RECONNECT_SECONDS)
                self._outgoing, self._outgoing_bytes = [], 0
            if not self._outgoing:
                self._waiting.clear()
                self._sent.set()

    async def _receive(self) -> None:
        logged = ""
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    await self._receive_from(channel)
            except Exception as error:  # noqa: BLE001  # or one message that cannot be read would be the last
                lost = self._subscribed.is_set()
                logged = self._warn("was lost" if lost else "is out of reach", error, "" if lost else logged)
            self._subscribed.clear()
            # Or the first events after this would be sent on a connection that is as dead.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _warn(self, what: str, error: Exception, logged: str) -> str:
        """Log a fault unless it is the one that was `logged` last: it comes with each attempt. Returns it."""
        reason = f"{what}: {_reason(error)}"
        if reason != logged:
            bug = None if isinstance(error, RedisError | OSError) else error
            log.warning("the feed %s %s", self._shown, reason, exc_info=bug)
        return reason

    async def _receive_from(self, channel: PubSub) -> None:
        """Take messages. Raises RedisError, OSError where the broker is gone, or does not answer a ping."""
        pinged = False
        while True:
            message = await channel.get_message(timeout=self._seconds)
            if message is None:
                if pinged:
                    raise TimeoutError(f"no answer within {self._seconds:g} seconds")
                await channel.ping()
            elif message["type"] == "subscribe":
                self._subscribed.set()
            elif message["type"] == "message":
                self._take(message["data"])
            pinged = message is None

    def _take(self, message: bytes) -> None:
        sender, *lines = message.split(b"\n")
        if sender == self._me:
            return  # delivered when it was published
        for line in lines:
            try:
                event = decode(line) if self.has_listeners(job_id_of(line)) else None
            except (ValueError, KeyError, TypeError, AttributeError):
                if not self._has_warned:
                    self._has_warned = True
                    log.warning("the feed %s brought what is no event of this version; reading the store", self._shown)
                continue
            try:
                if event:
                    self._deliver(event)
            except Exception:  # a listener that fails must not cost the others their events
                log.exception("a listener failed on what the feed %s brought", self._shown)


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


async def _ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel the tasks, and return once they have ended: redis-py swallows a cancellation that comes with an answer."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.05)
