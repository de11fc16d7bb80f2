"""Liveness and readiness, for load balancers and supervisors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextvars import Context
from time import monotonic

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.feed.channel import Feed, FeedError
from models.store.database import Database
from models.store.errors import StoreFailure

__all__ = ["Health"]

log = logging.getLogger(__name__)

PROBE_SECONDS = 1.0
"""How long the store and the feed may take to answer before they count as unavailable."""
WRITE_SECONDS = 1.0
"""At least between two writes to the store that succeed, however often readiness is requested."""


class Health:
    """/healthz and /readyz. The reason of a failure is logged, not answered."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self._probes = {"store": self._check_store, "feed": self._check_feed}
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._wrote_at = float("-inf")

    @property
    def routes(self) -> list[Route]:
        """The two addresses."""
        return [Route("/healthz", self._lives), Route("/readyz", self._is_ready)]

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Inside, probes may run; those that still run at the end are cancelled."""
        try:
            yield
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _lives(self, _: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def _is_ready(self, _: Request) -> Response:
        # One probe of each part at a time, shared by all requests, and no request waits for one longer than its limit.
        tasks = {name: self._probe(name) for name in self._probes}
        await asyncio.wait(tasks.values(), timeout=PROBE_SECONDS)
        works = {name: task.done() and task.result() for name, task in tasks.items()}
        works = {"status": all(works.values()), **works}
        states = {name: "ok" if does else "unavailable" for name, does in works.items()}
        return _answer(200 if works["status"] else 503, states)

    def _probe(self, name: str) -> "asyncio.Task[bool]":
        task = self._running.get(name)
        if task is None or task.done():
            task = self._running[name] = asyncio.create_task(self._works(name), context=Context())  # of no request
        return task

    async def _works(self, name: str) -> bool:
        try:
            await self._probes[name]()
        except (StoreFailure, FeedError) as error:
            log.warning("not ready: %s", error)
            return False
        except Exception:
            log.exception("not ready: unexpected error while checking the %s", name)
            return False
        return True

    async def _check_store(self) -> None:
        await self._database.check()
        if monotonic() - self._wrote_at >= WRITE_SECONDS:
            await self._database.check_writes()
            self._wrote_at = monotonic()

    async def _check_feed(self) -> None:
        await self._feed.check()
        if not self._feed.connected:
            raise FeedError("the subscription to other processes' events is not open yet")


def _answer(status: int, body: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type="application/json")
