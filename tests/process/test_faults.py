"""Two replicas on PostgreSQL and Valkey while one part after another breaks, each a real process.

Each test ends with the same audit: every acknowledged point is stored once, every watcher has seen 1 to N in order, and
all that should run does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest

from tests.tools.api import Api
from tests.tools.load import BATCH, LOG, Load, unavailable
from tests.tools.outside import Outside
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE


class Site:
    """Two replicas, and what they stand on."""

    def __init__(self, postgres: Postgres, valkey: Valkey) -> None:
        self.postgres = postgres
        self.valkey = valkey
        self.database_url = postgres.new()
        flags = ("--feed-url", valkey.url, "--live-check-seconds", "0.5", "--database-seconds", "5")
        self.replicas = [ServerProcess(self.database_url, *flags) for _ in range(2)]

    @property
    def urls(self) -> list[str]:
        """Where the replicas are."""
        return [replica.url for replica in self.replicas]

    async def states(self, path: str) -> list[tuple[int, Any]]:
        """What each replica reports of itself."""
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            answers = await asyncio.gather(*(http.get(url + path) for url in self.urls))
        return [(answer.status_code, answer.json()) for answer in answers]

    async def is_well(self) -> None:
        """Return once both replicas can serve. Raises TimeoutError."""
        await self._comes_to(200, {"status": "ok", "store": "ok", "feed": "ok"})

    async def lacks(self, **parts: str) -> None:
        """Return once both replicas report these states of their parts, and live. Raises TimeoutError."""
        await self._comes_to(503, {"status": "unavailable", **parts})
        assert await self.states("/healthz") == [(200, {"status": "ok"})] * 2

    async def _comes_to(self, status: int, state: dict[str, str]) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.states("/readyz") != [(status, state)] * 2:
                pass

    @contextlib.asynccontextmanager
    async def loaded(self) -> AsyncIterator[Load]:
        """A new job under load, which has begun; audited at the end, when the replicas must be well again."""
        async with httpx.AsyncClient(base_url=self.urls[0], timeout=PATIENCE) as http:
            id = await Api(http).started(epochs=100_000)
        async with Load(id, lambda: self.urls) as load:
            await load.goes_on()
            yield load
            await self.is_well()
            assert await load.audited() > 0
        assert [replica.process.poll() for replica in self.replicas] == [None, None]
        with Outside(self.database_url) as outside:
            stuck = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            assert outside.execute(stuck) == []


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        site = Site(stack.enter_context(Postgres()), stack.enter_context(Valkey()))
        with ThreadPoolExecutor() as starting:
            for started in [starting.submit(stack.enter_context, replica) for replica in site.replicas]:
                started.result()
        yield site


async def test_a_replica_killed_under_load_loses_nothing_and_its_watchers_move_to_the_other(site: Site) -> None:
    async with site.loaded() as load:
        for replica in site.replicas:
            replica.kill()
            await load.goes_on()
            await asyncio.to_thread(replica.start)
            await load.goes_on()


async def test_while_valkey_is_gone_writes_go_on_and_streams_come_from_the_store(site: Site) -> None:
    async with site.loaded() as load:
        site.valkey.stop()
        await site.lacks(store="ok", feed="unavailable")
        for _ in range(10):
            await load.goes_on(1)
        await site.lacks(store="ok", feed="unavailable")
        site.valkey.start()
        await site.is_well()
        await load.goes_on()
        assert load.turned_away == 0


async def test_a_valkey_that_no_longer_answers_holds_up_no_client(site: Site) -> None:
    """Its connections stay open, as over a network that is cut."""
    async with site.loaded() as load:
        site.valkey.freeze()
        try:
            for _ in range(5):
                await load.goes_on(1)
            await site.lacks(store="ok", feed="unavailable")
        finally:
            site.valkey.thaw()
        await site.is_well()
        assert load.turned_away == 0


async def test_while_postgresql_is_gone_verbs_report_it_and_afterwards_all_goes_on_by_itself(site: Site) -> None:
    async with site.loaded() as load:
        site.postgres.stop()
        try:
            await site.lacks(store="unavailable", feed="ok")
            away = load.turned_away
            await load.until(lambda: load.turned_away > away + 5)
            async with httpx.AsyncClient(base_url=site.urls[1]) as http:
                for query in (
                    f'{{ job(id: "{load.id}") {{ name }} }}',
                    f'mutation {{ startJob(id: "{load.id}") {{ __typename }} }}',
                ):
                    answer = await Api(http).post(query)
                    assert unavailable(answer["errors"]), answer
        finally:
            site.postgres.start()
        await site.is_well()
        await load.goes_on()


async def test_postgresql_crashes_under_load(site: Site) -> None:
    async with site.loaded() as load:
        for _ in range(2):
            site.postgres.crash()
            site.postgres.start()
            await load.goes_on()


async def test_while_postgresql_no_longer_answers_verbs_give_up_and_afterwards_all_goes_on(site: Site) -> None:
    """Its connections stay open, as over a network that is cut."""
    async with site.loaded() as load:
        site.postgres.freeze()
        try:
            await site.lacks(store="unavailable", feed="ok")
            away = load.turned_away
            await load.until(lambda: load.turned_away > away)
        finally:
            site.postgres.thaw()
        await site.is_well()
        await load.goes_on()


async def test_connections_that_are_cut_are_made_anew(site: Site) -> None:
    async with site.loaded() as load:
        for _ in range(5):
            assert site.postgres.cut(site.database_url) > 0
            await load.goes_on(3)


async def test_a_batch_whose_answer_never_came_is_sent_again_to_the_other_replica_and_stored_once(site: Site) -> None:
    """Its connection is cut at every moment between the request and the answer."""
    async with site.loaded() as load:
        steps = count(1_000_000_000, BATCH)
        for attempt in range(12):
            first = next(steps)
            points = [{"step": step, "loss": 1.0} for step in range(first, first + BATCH)]
            body = {"query": LOG, "variables": {"id": load.id, "metrics": points}}
            cut, whole = (site.urls[(attempt + turn) % 2] for turn in range(2))
            async with httpx.AsyncClient() as http:
                asking = asyncio.create_task(http.post(cut + "/graphql", json=body))
                await asyncio.wait({asking}, timeout=attempt / 400)  # spread over the time that a call takes
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            async with httpx.AsyncClient(timeout=PATIENCE) as http:
                answers = [(await http.post(whole + "/graphql", json=body)).json()["data"]["logMetrics"] for _ in "12"]
            assert answers[0]["recorded"] in {0, BATCH}
            assert answers[1]["recorded"] == 0
            load.logged += range(first, first + BATCH)


async def test_replicas_end_though_store_and_feed_are_gone(site: Site) -> None:
    async with site.loaded() as load:
        site.valkey.freeze()
        site.postgres.stop()
        try:
            stopping = [asyncio.to_thread(replica.stop) for replica in site.replicas]
            assert await asyncio.gather(*stopping) == [0, 0]
        finally:
            site.valkey.thaw()
            site.postgres.start()
            for replica in site.replicas:
                await asyncio.to_thread(replica.start)
        await site.is_well()
        await load.goes_on()
