"""Writers and watchers of one job over several replicas: they outlast whatever happens, and can be audited."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

import httpx
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.tools.api import Api
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE

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


class Load:
    """Two who log batches, two who step, and three who watch, each beginning at another replica."""

    def __init__(self, id: str, urls: Callable[[], list[str]]) -> None:
        self.id = id
        self.logged: list[int] = []
        """Steps of batches that were acknowledged."""
        self.stepped: list[tuple[int, int]] = []
        """(seq, step) of simulated points that were acknowledged."""
        self.turned_away = 0
        """Answers that said to try again."""
        self.seen: list[list[int]] = [[], [], []]
        self._urls = urls
        self._happened = asyncio.Event()
        self._stopping = False
        self._writers: list[asyncio.Task[None]] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        self._http: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
        self._writers = [asyncio.create_task(self._log(number)) for number in range(2)]
        self._writers += [asyncio.create_task(self._step(number)) for number in range(2)]
        self._watchers = [asyncio.create_task(self._watch(number)) for number in range(3)]
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._writers, *self._watchers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds; raises at once what a writer or a watcher has raised, and TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                for task in (*self._writers, *self._watchers):
                    if task.done():
                        task.result()
                self._happened.clear()
                await self._happened.wait()

    async def goes_on(self, count: int = 10) -> None:
        """Return once so many more writes of each kind were acknowledged, and each watcher has seen as many points."""
        logged, stepped = len(self.logged) + count, len(self.stepped) + count
        seen = [len(those) + count for those in self.seen]
        await self.until(
            lambda: (
                len(self.logged) >= logged
                and len(self.stepped) >= stepped
                and all(len(those) >= enough for those, enough in zip(self.seen, seen, strict=True))
            )
        )

    async def audited(self) -> int:
        """End the job, and give how many points it has; each acknowledged one is stored once, and was seen once."""
        self._stopping = True
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._writers)
            async with httpx.AsyncClient(base_url=self._urls()[0], timeout=PATIENCE) as http:
                api = Api(http)
                assert (await api.complete(self.id))["__typename"] == "CompleteJobSuccess"
                stored: list[tuple[int, int]] = []
                while page := await api.metrics(self.id, after=len(stored)):
                    stored += [(point["seq"], point["step"]) for point in page]
            await asyncio.gather(*self._watchers)
        everything = [*range(1, len(stored) + 1)]
        assert [seq for seq, _ in stored] == everything
        assert self.seen == [everything] * 3
        times = Counter(step for _, step in stored)
        assert set(times.values()) == {1}, "a point is there twice"
        assert set(self.logged) <= set(times)
        assert set(self.stepped) <= set(stored)
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
            answer = await self._answered(number, STEP, insist=False, id=self.id)
            if answer is not None:
                self.stepped.append((answer["metric"]["seq"], answer["metric"]["step"]))
            self._happened.set()

    async def _answered(self, turn: int, query: str, *, insist: bool, **variables: Any) -> Any:
        """What a verb answers, of whichever replica; None where the first answer got lost and it must not be repeated.

        The only other answer that may come is that it was not done, and may be tried again.
        """
        while True:
            urls = self._urls()
            try:
                response = await self._http.post(
                    urls[turn % len(urls)] + "/graphql", json={"query": query, "variables": variables}
                )
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code == 200:
                body = response.json()
                if "errors" not in body:
                    (answer,) = body["data"].values()
                    assert answer["__typename"].endswith("Success"), answer
                    return answer
                assert unavailable(body["errors"]), body
                self.turned_away += 1
            elif response is not None:
                assert response.status_code == 503, response.text  # it is being stopped
            self._happened.set()
            if not insist:
                return None
            turn += 1
            await asyncio.sleep(PAUSE)

    async def _watch(self, number: int) -> None:
        turn, seen = number, self.seen[number]
        while True:
            urls = self._urls()
            try:
                async with opened(websocket_url(urls[turn % len(urls)])) as socket:
                    operation = await socket.subscribe(STREAM, id=self.id, after=len(seen))
                    while (message := await socket.message(operation))["type"] == "next":
                        payload = message["payload"]
                        if "errors" in payload:
                            assert unavailable(payload["errors"]), payload
                            break
                        seen.append(payload["data"]["metricAdded"]["seq"])
                        self._happened.set()
                    if message["type"] == "complete":
                        return
                    assert message["type"] == "next" or unavailable(message["payload"]), message
            except (OSError, EOFError, InvalidHandshake, WebSocketException):
                pass  # that replica is gone: on to the next
            turn += 1
            await asyncio.sleep(PAUSE)
