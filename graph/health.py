"""Whether the process lives, and whether it can serve: for load balancers and those who restart what has died."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.feed.channel import Feed, FeedError
from models.store.database import OUTAGES, Database

__all__ = ["Health"]

log = logging.getLogger(__name__)

PROBE_SECONDS = 1.0
"""How long the store and the feed may take to answer before they count as gone."""
NOT_CACHED = {"Cache-Control": "no-store"}


class Health:
    """What is asked at /healthz and /readyz. What exactly is wrong is for the log, not for whoever asks."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._feed = feed
        self._probes: Mapping[str, Callable[[], Awaitable[None]]] = {"store": database.check, "feed": self._heard}
        self._asking: dict[str, asyncio.Task[bool]] = {}

    @property
    def routes(self) -> list[Route]:
        """The two addresses."""
        return [Route("/healthz", self._lives), Route("/readyz", self._is_ready)]

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Inside, probes may be under way: what is still waited for at the end is given up, and lets go of its ends."""
        try:
            yield
        finally:
            asking = [task for task in self._asking.values() if not task.done()]
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _lives(self, _: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def _is_ready(self, _: Request) -> Response:
        # One probe of each at a time, however many ask, and nobody waits for one longer than its limit: a server that
        # does not answer keeps its probe, not ours.
        asked = {name: self._asked(name) for name in self._probes}
        await asyncio.wait(asked.values(), timeout=PROBE_SECONDS)
        well = {name: task.done() and task.result() for name, task in asked.items()}
        status = "ok" if all(well.values()) else "unavailable"
        parts = {name: "ok" if is_well else "unavailable" for name, is_well in well.items()}
        return _answer(200 if status == "ok" else 503, {"status": status, **parts})

    def _asked(self, name: str) -> "asyncio.Task[bool]":
        task = self._asking.get(name)
        if task is None or task.done():
            task = self._asking[name] = asyncio.create_task(self._is_well(name))
        return task

    async def _is_well(self, name: str) -> bool:
        try:
            await self._probes[name]()
        except (*OUTAGES, FeedError) as error:
            log.warning("the %s is unavailable: %s", name, error)
            return False
        except Exception:  # told as what it is: it does not work
            log.exception("the %s is unavailable", name)
            return False
        return True

    async def _heard(self) -> None:
        await self._feed.check()
        if not self._feed.connected:
            raise FeedError("other processes are not heard yet")


def _answer(status: int, body: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, NOT_CACHED, media_type="application/json")
