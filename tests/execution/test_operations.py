"""What takes long is done in the worker thread or in a turn of its own, where clients do not wait for each other."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from graphql import GraphQLError

from graph.app import App
from graph.execution.body import LONG
from graph.execution.documents import CACHE_BYTES
from graph.execution.running import READS, Operations
from graph.execution.turns import MAX_WAITING, SWITCH_SECONDS
from graph.schema import schema
from graph.settings import Settings
from graph.telemetry.calls import Call
from tests.tools.api import Api
from tests.tools.waiting import PATIENCE, eventually

pytestmark = pytest.mark.sqlite_alone("the store has no part in it")

LIMITS = Settings()
LONG_VARIABLES: list[tuple[str, dict[str, Any], str]] = [
    ("query ($s: [JobStatus!]) { jobs(status: $s) { id } }", {"s": ["R"] * 50_000}, "TOO_MANY_VALUES"),
    (
        "query ($n: [String!]) { jobs(limit: 1) { metrics(limit: 1) { values(names: $n) { name } } } }",
        {"n": ["a"] * 19_000},
        '"data"',
    ),
    (
        "mutation ($m: [MetricInput!]!) { logMetrics(id: 1, metrics: $m) { ... on InvalidInput { message } } }",
        {"m": [{"step": 1}] * 60_000},
        "1 to 10000 points",
    ),
]


def task_of(client: str, work: Coroutine[Any, Any, Any], token_id: int | None = None) -> asyncio.Task[Any]:
    """A task that works for a client."""

    async def run() -> Any:
        call = Call(None, lambda _: None)
        call.client, call.token_id = client, token_id
        call.begin()
        return await work

    return asyncio.create_task(run())


@contextlib.asynccontextmanager
async def busy(operations: Operations) -> AsyncIterator[None]:
    """Inside, the worker thread computes."""
    begun, done = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def compute() -> None:
        loop.call_soon_threadsafe(begun.set)
        done.wait(PATIENCE)

    working = task_of("another", operations.worker.run(compute))
    try:
        await begun.wait()
        yield
    finally:
        done.set()
        await working


@contextlib.asynccontextmanager
async def reading(operations: Operations) -> AsyncIterator[None]:
    """Inside, all turns for long reads are taken."""
    done = asyncio.Event()
    readings = [task_of("another", operations.read(done.wait())) for _ in range(READS)]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        done.set()
        await asyncio.gather(*readings)


class TestTheWorkerThread:
    @pytest.mark.parametrize(("other", "token_id"), [("10.0.0.2", None), ("10.0.0.1", 2)], ids=["address", "token"])
    async def test_one_client_with_many_long_documents_delays_another_by_one(
        self, other: str, token_id: int | None
    ) -> None:
        operations = Operations(schema.graphql, LIMITS)
        order: list[str] = []

        async def read(client: str, query: str) -> None:
            assert (await operations.documents.get(query)).valid
            order.append(client)

        async with busy(operations):
            tasks = [
                task_of("10.0.0.1", read("many", f"query Q{number} {{ {'__typename ' * 200} }}"), 1)
                for number in range(30)
            ]
            await asyncio.sleep(0)
            tasks.append(task_of(other, read("one", "query Short { __typename }"), token_id))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert order.index("one") <= 1

    async def test_what_is_not_computed_in_time_is_refused(self) -> None:
        operations = Operations(schema.graphql, Settings(operation_seconds=0.001))
        done = threading.Event()
        for _ in range(2):
            with pytest.raises(GraphQLError, match="took longer") as refused:
                await operations.worker.run(done.wait, PATIENCE)
            assert refused.value.extensions == {"code": "TIMED_OUT"}
        done.set()

    async def test_of_two_apps_leave_the_interpreter_as_it_was(self) -> None:
        await eventually(lambda: sys.getswitchinterval() > 2 * SWITCH_SECONDS)  # once no app of another test computes
        usual = sys.getswitchinterval()
        apps = [Operations(schema.graphql, LIMITS) for _ in range(2)]
        async with contextlib.AsyncExitStack() as second, contextlib.AsyncExitStack() as first:
            await first.enter_async_context(busy(apps[0]))
            await second.enter_async_context(busy(apps[1]))
            assert sys.getswitchinterval() < usual
        assert sys.getswitchinterval() == usual

    async def test_while_long_variables_are_coerced_others_are_served(self, app: App, api: Api) -> None:
        for query, variables, part in LONG_VARIABLES:
            for known in (query, "{ __typename }"):
                await api.post(known, {})
            async with busy(app.view.operations):
                long = asyncio.create_task(api.http.post("/graphql", json={"query": query, "variables": variables}))
                for _ in range(10):
                    assert await api.data("{ __typename }") == {"__typename": "Query"}
            assert part in (await long).text


class TestDocuments:
    async def test_are_read_once_and_kept_within_their_bytes(self) -> None:
        documents = Operations(schema.graphql, LIMITS).documents
        queries = [" ".join(f"query Q{n}_{each} {{ __typename }}" for each in range(400)) for n in range(10)]
        first = await documents.get(queries[0])
        assert await documents.get(queries[0]) is first
        kept = [await documents.get(query) for query in queries]
        assert sum(document.bytes for document in kept) > CACHE_BYTES
        assert await documents.get(queries[-1]) is kept[-1]
        assert await documents.get(queries[0]) is not first


class TestLongReads:
    async def test_one_client_with_many_delays_another_by_one(self) -> None:
        operations = Operations(schema.graphql, LIMITS)
        order: list[str] = []

        async def read(client: str) -> None:
            order.append(client)

        async with reading(operations):
            tasks = [task_of("10.0.0.1", operations.read(read("many"))) for _ in range(50)]
            await asyncio.sleep(0)
            tasks.append(task_of("10.0.0.2", operations.read(read("one"))))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert order.index("one") <= 1

    async def test_a_search_a_curve_and_a_preview_take_turns_and_a_page_of_jobs_does_not(
        self, app: App, api: Api
    ) -> None:
        await api.started()
        for query in (
            '{ jobs(search: "a") { id } }',
            "{ jobs { curve(points: 2) { step } } }",
            '{ jobs { curve(points: 2, name: "never logged") { step } } }',
            '{ previewJob(input: {name: "n", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }',
        ):
            async with reading(app.view.operations):
                long = asyncio.create_task(api.post(query))
                for _ in range(10):
                    assert len((await api.data("{ jobs { id metrics { seq } } }"))["jobs"]) == 1
                assert not long.done()
            assert "errors" not in await long


class TestTheBudget:
    async def test_operations_wait_where_they_cost_more_together_than_one_may(self) -> None:
        operations = Operations(schema.graphql, LIMITS)
        done, begun = asyncio.Event(), list[str]()

        async def operate(name: str) -> str:
            begun.append(name)
            await done.wait()
            return name

        most = LIMITS.max_cost
        tasks = [asyncio.create_task(operations.run(operate(name), most)) for name in ("first", "second")]
        tasks.append(asyncio.create_task(operations.run(operate("small"), 10_000)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == ["first", "small"]
        done.set()
        assert await asyncio.gather(*tasks) == ["first", "second", "small"]

    @pytest.mark.parametrize("directive", ["", "@include(if: true)"], ids=["with a plan", "without"])
    async def test_one_client_may_have_so_many_waiting_and_those_it_gives_up_leave_nothing(
        self, app: App, api: Api, directive: str
    ) -> None:
        id = await api.started()
        query = f"{{ jobs(limit: 50) {{ id metrics(limit: 1000) {directive} {{ seq }} }} }}"
        operations, done = app.view.operations, asyncio.Event()
        holding = task_of("another", operations.run(done.wait(), LIMITS.max_cost))
        asking = [asyncio.create_task(api.post(query)) for _ in range(MAX_WAITING + 1)]
        (refused,), waiting = await asyncio.wait(asking, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert refused.result()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        again = asyncio.create_task(api.data(query))
        done.set()
        await holding
        assert await again == {"jobs": [{"id": id, "metrics": []}]}


async def test_long_json_is_parsed_and_refused_where_it_is_none(api: Api) -> None:
    http = api.http
    long = b'{"query": "{ __typename }", "variables": {"a": "' + b"x" * 2**20 + b'"}}'
    assert (await http.post("/graphql", content=long, headers={"Content-Type": "application/json"})).status_code == 200
    for text in (long[:-1], long + b"}", long.replace(b"x", b"\\", 1), b"[" * 2**20):
        answer = await http.post("/graphql", content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert "Unable to parse" in answer.text


@pytest.mark.parametrize("content_type", ["application/json", "application/json; a=b"], ids=["quick", "Strawberry's"])
async def test_long_json_that_cannot_be_parsed_now_is_refused_with_a_code(
    app: App, api: Api, content_type: str
) -> None:
    long, headers = b'{"query": "{ __typename }"}'.ljust(2 * LONG), {"Content-Type": content_type}
    async with busy(app.view.operations):
        asking = [api.http.post("/graphql", content=long, headers=headers) for _ in range(MAX_WAITING + 1)]
        tasks = [asyncio.create_task(each) for each in asking]
        (first,), _ = await asyncio.wait(tasks, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        refused = first.result()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        assert refused.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
    assert sorted(answer.status_code for answer in await asyncio.gather(*tasks)) == [200] * MAX_WAITING + [503]
