"""Two replicas on PostgreSQL and Valkey while one part after another breaks, each a real process.

Each test ends with the same audit: every acknowledged change is there once, every watcher has seen 1 to N in order, who
follows the list knows each job as it is, and all that should run does.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Self

import httpx
import pytest
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.tools.api import Api
from tests.tools.lives import CHANGED, DELETED, Follower, Lives, changed_since
from tests.tools.outside import Outside
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE, eventually

PAUSE = 0.02
"""Before a client that was turned away comes back."""
BATCH = 3
LOG = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) {
    __typename ... on LogMetricsSuccess { recorded } ... on Error { message } } }"""
STEP = """mutation ($id: ID!) { simulateStep(id: $id) {
    __typename ... on SimulateStepSuccess { metric { seq step } } ... on Error { message } } }"""
STREAM = "subscription ($id: ID!, $after: Int!) { metricAdded(jobId: $id, after: $after) { seq } }"


def unavailable(errors: Sequence[dict[str, Any]]) -> bool:
    """Whether these are the errors that ask a client to try again, and nothing else."""
    return [error["extensions"]["code"] for error in errors] == ["SERVICE_UNAVAILABLE"]


async def _stored(api: Api, id: str) -> list[tuple[int, int]]:
    """(seq, step) of all points of a job."""
    stored: list[tuple[int, int]] = []
    while page := await api.metrics(id, after=len(stored)):
        stored += [(point["seq"], point["step"]) for point in page]
    return stored


class Load:
    """Two clients that log batches of a job, three that watch it, and two that step another, at several replicas.

    Beside them, a loop takes jobs through their whole lives, and the list of jobs is followed.
    """

    def __init__(self, id: str, simulated: str, since: str, urls: Callable[[], list[str]]) -> None:
        self.id = id
        self.simulated = simulated
        self.logged: list[int] = []
        """Steps of batches that were acknowledged."""
        self.stepped: list[tuple[int, int]] = []
        """(seq, step) of simulated points that were acknowledged."""
        self.turned_away = 0
        """Answers that said to try again."""
        self.seen: list[list[int]] = [[], [], []]
        self.lives = Lives(f"beside {id}")
        self.changes = Follower(since)
        self.deletions = Follower(since)
        self._since = since
        self._urls = urls
        self._happened = asyncio.Event()
        self._stopping = False
        self._writers: list[asyncio.Task[None]] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._followers: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        self._http: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
        self._writers = [asyncio.create_task(self._log(number)) for number in range(2)]
        self._writers += [asyncio.create_task(self._step(number)) for number in range(2)]
        self._writers.append(asyncio.create_task(self._live()))
        self._watchers = [asyncio.create_task(self._watch(number)) for number in range(3)]
        self._followers = [
            asyncio.create_task(self._follow(number, query, follower))
            for number, (query, follower) in enumerate(((CHANGED, self.changes), (DELETED, self.deletions)))
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._writers, *self._watchers, *self._followers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds; raises at once what a writer or a watcher has raised, and TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                for task in (*self._writers, *self._watchers, *self._followers):
                    if task.done():
                        task.result()
                self._happened.clear()
                await self._happened.wait()

    async def goes_on(self, count: int = 10) -> None:
        """Return once so many more writes of each kind were acknowledged, and each watcher has seen as many points."""
        logged, stepped, acts = len(self.logged) + count, len(self.stepped) + count, self.lives.acts + count
        seen = [len(those) + count for those in self.seen]
        await self.until(
            lambda: (
                len(self.logged) >= logged
                and len(self.stepped) >= stepped
                and self.lives.acts >= acts
                and all(len(those) >= enough for those, enough in zip(self.seen, seen, strict=True))
            )
        )

    async def audited(self) -> int:
        """End the job, and give how many points it has; each acknowledged one is stored once, and was seen once."""
        await self.until(lambda: self.lives.gone != [])
        self._stopping = True
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._writers)
            async with httpx.AsyncClient(base_url=self._urls()[0], timeout=PATIENCE) as http:
                api = Api(http)
                assert (await api.complete(self.id))["__typename"] == "CompleteJobSuccess"
                stored, stepped = [await _stored(api, job) for job in (self.id, self.simulated)]
                await self.lives.check(api)
                changed = await changed_since(api, self._since)
            await asyncio.gather(*self._watchers)
        from_the_start = Follower(self._since)
        self._followers.append(asyncio.create_task(self._follow(0, CHANGED, from_the_start)))
        await self.until(lambda: all(each.has(changed) for each in (self.changes, from_the_start)))
        await self.until(lambda: len(self.deletions.told) >= len(self.lives.gone))
        assert [*from_the_start.told.items()] == [(job["id"], job["cursor"]) for job in changed]
        assert [*self.deletions.told] == self.lives.gone
        everything = [*range(1, len(stored) + 1)]
        assert [seq for seq, _ in stored] == everything
        assert self.seen == [everything] * 3
        times = Counter(step for _, step in stored)
        assert set(times.values()) == {1}, "a point is there twice"
        assert set(self.logged) <= set(times)
        assert stepped == [(seq, seq) for seq in range(1, len(stepped) + 1)]
        assert set(self.stepped) <= set(stepped)
        return len(stored)

    async def _log(self, number: int) -> None:
        first = (number + 1) * 10_000_000
        while not self._stopping:
            steps = range(first, first := first + BATCH)
            points = [{"step": step, "loss": 1 / step} for step in steps]
            answer = await self._answered(number, LOG, insist=True, id=self.id, metrics=points)
            # Fewer than all only where an answer was lost, and then none: a batch is there whole or not at all.
            assert answer["recorded"] in {0, BATCH}, answer
            self.logged += steps
            self._happened.set()

    async def _step(self, number: int) -> None:
        while not self._stopping:
            answer = await self._answered(number, STEP, insist=False, id=self.simulated)
            if answer is not None:
                self.stepped.append((answer["metric"]["seq"], answer["metric"]["step"]))
            self._happened.set()

    async def _live(self) -> None:
        turn = 0
        while not (self._stopping and self.lives.is_between):
            try:
                await self.lives.act(Turn(self._http, self, turn))
            except Unanswered:
                await asyncio.sleep(PAUSE)
            turn += 1
            self._happened.set()

    async def _answered(self, turn: int, query: str, *, insist: bool, **variables: Any) -> Any:
        """What a verb answers, of whichever replica; None where the answer got lost and it must not be repeated."""
        while True:
            try:
                body = await self.answer(turn, query, variables)
            except Unanswered:
                self._happened.set()
                if not insist:
                    return None
                turn += 1
                await asyncio.sleep(PAUSE)
                continue
            (answer,) = body["data"].values()
            assert answer["__typename"].endswith("Success"), answer
            return answer

    async def answer(self, turn: int, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What the replica whose turn it is answers.

        The only other answer that may come is that it was not done, and may be tried again. Raises Unanswered.
        """
        urls = self._urls()
        try:
            response = await self._http.post(
                urls[turn % len(urls)] + "/graphql", json={"query": query, "variables": variables}
            )
        except httpx.TransportError as error:
            raise Unanswered from error
        if response.status_code != 200:
            assert response.status_code == 503, response.text  # it is being stopped
            raise Unanswered
        body: dict[str, Any] = response.json()
        if "errors" in body:
            assert unavailable(body["errors"]), body
            self.turned_away += 1
            raise Unanswered
        return body

    async def _watch(self, number: int) -> None:
        seen = self.seen[number]
        await self._told(number, STREAM, lambda: {"id": self.id, "after": len(seen)}, lambda it: seen.append(it["seq"]))

    async def _follow(self, number: int, query: str, follower: Follower) -> None:
        await self._told(number, query, lambda: {"since": follower.since}, follower.see)

    async def _told(
        self, turn: int, query: str, after: Callable[[], dict[str, Any]], see: Callable[[Any], None]
    ) -> None:
        """Show what a subscription tells to `see`, at one replica after the other, until it completes."""
        while True:
            urls = self._urls()
            try:
                async with opened(websocket_url(urls[turn % len(urls)])) as socket:
                    operation = await socket.subscribe(query, **after())
                    while (message := await socket.message(operation))["type"] == "next":
                        payload = message["payload"]
                        if "errors" in payload:
                            assert unavailable(payload["errors"]), payload
                            break
                        see(*payload["data"].values())
                        self._happened.set()
                    if message["type"] == "complete":
                        return
                    assert message["type"] == "next" or unavailable(message["payload"]), message
            except (OSError, EOFError, InvalidHandshake, WebSocketException):
                pass  # that replica is gone: on to the next
            turn += 1
            await asyncio.sleep(PAUSE)


class Unanswered(Exception):
    """A call was not done, or its answer was lost."""


class Turn(Api):
    """The replica whose turn it is."""

    def __init__(self, http: httpx.AsyncClient, load: Load, turn: int) -> None:
        super().__init__(http)
        self._load = load
        self._turn = turn

    async def post(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return await self._load.answer(self._turn, query, variables or {})


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
            id, simulated = [await Api(http).started(epochs=100_000) for _ in range(2)]
            since = (await Api(http).job(simulated, "cursor"))["cursor"]
        async with Load(id, simulated, since, lambda: self.urls) as load:
            await load.goes_on()
            yield load
            await self.is_well()
            assert await load.audited() > 0
        assert [replica.process.poll() for replica in self.replicas] == [None, None]
        with Outside(self.database_url) as outside:
            stuck = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            await eventually(lambda: outside.execute(stuck) == [])  # the one that is seen may just have begun


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
    with Outside(site.database_url) as outside:
        await eventually(lambda: load.lives.left(outside) == 0)


async def test_while_valkey_is_gone_writes_go_on_and_streams_come_from_the_store(site: Site) -> None:
    async with site.loaded() as load:
        site.valkey.stop()
        await site.lacks(store="ok", feed="unavailable")
        for _ in range(3):
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
            for _ in range(2):
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
        for _ in range(2):
            assert site.postgres.cut(site.database_url) > 0
            await load.goes_on(3)


async def test_a_batch_whose_answer_never_came_is_sent_again_to_the_other_replica_and_stored_once(site: Site) -> None:
    """Its connection is cut at every moment between the request and the answer."""
    async with site.loaded() as load:
        steps = count(1_000_000_000, BATCH)
        for attempt in range(6):
            first = next(steps)
            points = [{"step": step, "loss": 1.0} for step in range(first, first + BATCH)]
            body = {"query": LOG, "variables": {"id": load.id, "metrics": points}}
            cut, whole = (site.urls[(attempt + turn) % 2] for turn in range(2))
            async with httpx.AsyncClient() as http:
                asking = asyncio.create_task(http.post(cut + "/graphql", json=body))
                await asyncio.wait({asking}, timeout=attempt / 200)  # spread over the time that a call takes
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
