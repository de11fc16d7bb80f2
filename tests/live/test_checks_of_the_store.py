"""Checks of the store are shared by all who watch: they belong to none of their requests."""

import asyncio
import logging
from contextvars import ContextVar

import pytest

from graph.live.stream import Streams
from tests.tools.domain import opened_domain
from tests.tools.outside import Outside
from tests.tools.waiting import eventually
from tests.tools.watchers import BUFFER, OFTEN, Watcher

request: ContextVar[str] = ContextVar("request")


class Requests(logging.Handler):
    """Of which requests the lines about checks are."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "could not check the store" in record.getMessage():
            self.seen.append(request.get(None))


@pytest.mark.parametrize("kind", ["points", "changes"])
async def test_their_lines_in_the_log_bear_no_id_of_a_request(database_url: str, outside: Outside, kind: str) -> None:
    async with opened_domain(database_url) as domain:
        job = await domain.job()
        streams, requests = Streams(domain.database, domain.feed, BUFFER, OFTEN), Requests()
        request.set("the first watcher's")
        if kind == "points":
            watcher = Watcher(streams, job.id)
            watching = asyncio.create_task(watcher.end())
        else:
            stream = streams.changes.follow(None)
            watching = asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # a coroutine in all but name
        await eventually(lambda: streams.watchers == 1)
        logging.getLogger("graph.live").addHandler(requests)
        outside.execute("ALTER TABLE job RENAME TO gone")
        await eventually(lambda: bool(requests.seen))
        logging.getLogger("graph.live").removeHandler(requests)
        assert set(requests.seen) == {None}
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
