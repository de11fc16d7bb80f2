"""The feed between processes, by the pub/sub of Redis or Valkey.

All of a store's processes publish to one channel and hear it. A channel for each job would have the broker sort the
news, but a subscription takes a round trip in which news is lost, and news that nobody here listens to costs little:
what one process has to tell while its last message is under way goes out as the next one, so messages grow and do not
multiply, and of an event about a job without listeners no more than the job's id is read.
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

__all__ = ["RedisFeed"]

log = logging.getLogger(__name__)

WAITING_BYTES = 4 * 2**20
"""Encoded events that may wait to be sent; what comes beyond is dropped, and found in the store by who misses it."""
MESSAGE_BYTES = 256 * 2**10
"""Where a message is full, and the rest goes into the next."""
RECONNECT_SECONDS = 0.25
LAST_SECONDS = 0.5
"""How long closing waits for the last news to go out."""
SCHEMES = {"valkey": "redis", "valkeys": "rediss"}


class RedisFeed(Feed):
    """A feed that also tells, and hears of, other processes. Publishing never waits: the store has the truth."""

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
                retry=Retry(NoBackoff(), 0),  # we connect anew ourselves, and know then that news was lost
                client_name="training-monitor",
            )
            pool = self._client.connection_pool
            pool.connection_kwargs["decode_responses"] = False  # whatever the address says: messages are bytes
            pool.connection_class(**pool.connection_kwargs)  # or a parameter it does not know is found at first use
        except (ValueError, TypeError, RedisError) as error:
            raise FeedError(
                f"Cannot use the feed {self._shown}: {error}. It looks like redis://host:6379/0."
            ) from error
        self._me = secrets.token_hex(8).encode()
        """Who we are, to know our own messages when they come back."""
        self._prefix = f"training-monitor:{FORMAT}:{pool.connection_kwargs.get('db', 0)}:"
        self._channel = ""
        self._has_warned = False
        """Whether a message that cannot be read was logged: in a rolling upgrade each event may be one."""
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._news = asyncio.Event()
        self._sent = asyncio.Event()
        """Whether nothing waits, and nothing is under way."""
        self._sent.set()
        self._hearing = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Tell listeners here at once, and other processes soon."""
        super().publish(event)
        if not self._hearing.is_set():
            return  # whoever cannot hear cannot be heard either: it is the same broker
        line = encode(event)
        if self._outgoing_bytes + len(line) <= WAITING_BYTES:
            self._outgoing.append(line)
            self._outgoing_bytes += len(line)
            self._sent.clear()
            self._news.set()

    async def check(self) -> None:
        """Return if the broker carries news for us. Raises FeedError."""
        probe = self._prefix + "probe"  # not the channel itself, which is heard by all
        try:
            async with asyncio.timeout(self._seconds), self._client.pubsub() as channel:
                await channel.subscribe(probe)
                await channel.get_message(timeout=None)  # that it is subscribed to, or why it is not
                await self._client.publish(probe, b"")
        except (RedisError, OSError) as error:
            message = (
                f"Cannot use the feed {self._shown}: {_reason(error)}. Check that it answers, or change --feed-url."
            )
            raise FeedError(message) from error

    async def close(self) -> None:
        """Forget the connections."""
        await self._client.aclose()

    @property
    def connected(self) -> bool:
        """Whether other processes are heard now."""
        return self._hearing.is_set()

    @contextlib.asynccontextmanager
    async def open(self, store: str) -> AsyncIterator[None]:
        """Inside, processes that use the same store and the same broker hear each other.

        Begins once they do. Where they do not within the time limit, it begins all the same, and goes on trying.
        """
        self._channel = self._prefix + store
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._hearing.wait()
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._sent.wait()
        finally:
            await _ended(tasks)
            self._hearing.clear()
            await self.close()

    async def _send(self) -> None:
        told = ""
        while True:
            await self._news.wait()
            message = self._next_message()
            try:
                await self._client.publish(self._channel, message)
                told = ""
            except Exception as error:  # noqa: BLE001  # or one message that cannot be sent would be the last
                # Lost. Whoever listens elsewhere finds it in the store, as it does what came while we were cut off.
                told = self._complain("did not take news", error, told)
                await asyncio.sleep(RECONNECT_SECONDS)
                self._outgoing.clear()
                self._outgoing_bytes = 0
            if not self._outgoing:
                self._news.clear()
                self._sent.set()

    def _next_message(self) -> bytes:
        """What waits, as much of it as one message takes."""
        size = count = 0
        while count < len(self._outgoing) and (not count or size + len(self._outgoing[count]) <= MESSAGE_BYTES):
            size += len(self._outgoing[count])
            count += 1
        lines, self._outgoing = self._outgoing[:count], self._outgoing[count:]
        self._outgoing_bytes -= size
        return b"\n".join([self._me, *lines])

    async def _receive(self) -> None:
        told = ""
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    await self._hear_all(channel)
            except Exception as error:  # noqa: BLE001  # or one message that cannot be read would leave us deaf for ever
                lost = self._hearing.is_set()
                told = self._complain("was lost" if lost else "is not heard", error, "" if lost else told)
            self._hearing.clear()
            # Or the first news after this would be sent on a connection that is as dead.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _complain(self, what: str, error: Exception, told: str) -> str:
        """Log what went wrong, once for each reason: it is tried again and again. Gives what was `told`."""
        reason = f"{what}: {_reason(error)}"
        if reason != told:
            bug = None if isinstance(error, RedisError | OSError) else error
            log.warning("the feed %s %s", self._shown, reason, exc_info=bug)
        return reason

    async def _hear_all(self, channel: PubSub) -> None:
        """Hear what comes. Raises RedisError, OSError where the broker is gone, or silent when it is asked."""
        asked = False
        while True:
            message = await channel.get_message(timeout=self._seconds)
            if message is None:
                if asked:
                    raise TimeoutError(f"no answer within {self._seconds:g} seconds")
                await channel.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "subscribe":
                self._hearing.set()
            elif message["type"] == "message":
                self._hear(message["data"])

    def _hear(self, message: bytes) -> None:
        sender, *lines = message.split(b"\n")
        if sender == self._me:
            return  # listeners here were told when it was published
        for line in lines:
            try:
                event = decode(line) if self.is_heard(job_id_of(line)) else None
            except (ValueError, KeyError, TypeError, AttributeError):
                if not self._has_warned:
                    self._has_warned = True
                    log.warning("the feed %s brought what is no event of this version; reading the store", self._shown)
                continue
            try:
                if event:
                    self._tell(event)
            except Exception:  # one event that a listener cannot bear must not cost the others theirs
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
