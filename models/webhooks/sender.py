"""Delivers alerts to receivers, until they have answered: over failures, restarts, and ends of processes.

All deliveries that are due are in the store; which process of a deployment sends them does not matter. Each receiver
has a task of its own, so that one that does not answer delays no other.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from models.alerts.outbox import ATTEMPTS, Delivery, claimed, due_deliveries, postponed, removed
from models.feed.channel import AlertRaised, Event, Feed
from models.job import now
from models.store.database import Database, uninterrupted
from models.store.errors import StoreFailure
from models.webhooks.message import body_of, headers_of
from models.webhooks.receiver import NotDelivered, Receivers, Refused

AT_ONCE = 100
"""Receivers that one process sends to at once."""

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"


class Webhooks:
    """The deliveries of one process."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        receivers: Receivers,
        *,
        secret: bytes = b"",
        public_url: str = "",
        check_seconds: float,
        counted: Callable[[Outcome], object] = lambda _: None,
    ) -> None:
        """`secret`: signs what is sent, empty for no signature; `check_seconds`: between two looks for what is due.

        `counted`: called with what came of each attempt.
        """
        self.database = database
        self._feed = feed
        self._receivers = receivers
        self._secret = secret
        self._public_url = public_url
        self._check_seconds = check_seconds
        self._counted = counted
        self._sending: dict[str, asyncio.Task[None]] = {}
        """By the host and port of the receiver, as its address has them."""
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, what is due is delivered."""
        with self._feed.overhearing(self._hear):
            looking = asyncio.create_task(self._repeat())
            try:
                yield
            finally:
                tasks = {looking, *self._sending.values()}
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    def _hear(self, event: Event) -> None:
        if isinstance(event, AlertRaised) and event.alert.rule_id is not None:
            self._news.set()

    async def _repeat(self) -> None:
        while True:
            self._news.clear()
            with _logged("look for webhooks"):
                await self._begin()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._news.wait()

    async def _begin(self) -> None:
        """Begin to send to each receiver that nothing is being sent to. Raises StoreFailure."""
        for due in await due_deliveries(self.database.reader, now()):
            receiver = urlsplit(due.webhook or "").netloc
            if receiver not in self._sending and len(self._sending) < AT_ONCE:
                self._sending[receiver] = asyncio.create_task(self._send(receiver, due.id))

    async def _send(self, receiver: str, id: int) -> None:
        try:
            with _logged("send a webhook"):
                delivery = await self._claim(id)
                if delivery is not None:
                    await self._deliver(delivery)
                self._news.set()  # the next one
        finally:
            del self._sending[receiver]

    async def _deliver(self, delivery: Delivery) -> None:
        """One attempt, and what comes of it. Raises StoreFailure."""
        problem, is_refused = "its last attempt never ended", False  # with its process, it may be
        if delivery.attempt <= ATTEMPTS:
            try:
                problem = await self._attempt(delivery)
            except NotDelivered as error:
                problem, is_refused = str(error), isinstance(error, Refused)
        is_over = is_refused or delivery.attempt >= ATTEMPTS
        if problem:
            what = "alert %d was not delivered to %s by attempt %d of %d: %s"
            values = (delivery.alert.id, delivery.rule.webhook_host, delivery.attempt, ATTEMPTS, problem)
            log.log(logging.WARNING if is_over else logging.INFO, f"gave up: {what}" if is_over else what, *values)
        await self._settle(delivery, is_over=is_over or not problem)
        self._counted(Outcome.DELIVERED if not problem else Outcome.GIVEN_UP if is_over else Outcome.FAILED)

    async def _attempt(self, delivery: Delivery) -> str:
        """Send the request; what was wrong with its answer, if anything. Raises NotDelivered."""
        assert delivery.rule.webhook is not None
        body = body_of(delivery, self._public_url)
        headers = headers_of(delivery, body, self._secret, time.time())
        status = await self._receivers.post(delivery.rule.webhook, headers, body)
        return "" if 200 <= status < 300 else f"it answered with {status}"

    @uninterrupted
    async def _claim(self, id: int) -> Delivery | None:
        return await self.database.write(lambda: claimed(id, now()), lambda _: None)

    @uninterrupted
    async def _settle(self, delivery: Delivery, *, is_over: bool) -> None:
        id, attempt, part = delivery.alert.id, delivery.attempt, random.random()  # noqa: S311  # no secret
        end = (lambda: removed(id)) if is_over else (lambda: postponed(id, attempt, now(), part))
        await self.database.write(end, lambda _: None)


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except StoreFailure as outage:  # what is due is found by the next look
        log.warning("could not %s: %s", what, outage)
    except Exception:
        log.exception("could not %s", what)
