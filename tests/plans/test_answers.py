"""What is answered by a compiled plan is what Strawberry answers, byte for byte, and is never older than the store."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from graph.app import App
from graph.execution.body import Body
from graph.execution.documents import REMEMBERED_LONG, _remembered
from graph.plans.answers import KEPT_BYTES, Answers, _plan
from graph.plans.subscription import plan_of
from graph.transport.request import _quick_media_type
from models.store.database import Database
from tests.tools.api import JOB, METRIC, Api
from tests.tools.domain import PATIENCE
from tests.tools.outside import Outside

QUICK = "application/json"
PLAIN = 'application/json; charset="utf-8"'
"""The same in a form that no plan is asked for."""
STEP = """mutation ($id: ID!) { simulateStep(id: $id) { __typename ... on SimulateStepSuccess {
    complete progress metric { %s } job { %s } } ... on Error { message } ... on IllegalTransition { job { id } } } }"""
LOG = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logged: logMetrics(id: $id, metrics: $metrics) { __typename
    ... on LogMetricsSuccess { recorded job { %s } } ... on Error { message } ... on InvalidInput { field } } }"""
DIVERGED = [{"name": "loss", "nonFinite": "NAN"}, {"name": "norm", "nonFinite": "NEGATIVE_INFINITY"}]


class Both:
    """Asks for the same in both ways."""

    def __init__(self, http: httpx.AsyncClient, answers: Answers, database: Database) -> None:
        self._http = http
        self._answers = answers
        self._database = database

    async def raw(self, body: bytes, content_type: str) -> tuple[int, str]:
        """The status and the text of the answer in one of the ways."""
        response = await self._http.post(
            "/graphql", content=body, headers={"Content-Type": content_type, "X-Request-Id": "same"}
        )
        return response.status_code, response.text

    async def same(self, query: str, variables: Any = None, operation_name: Any = None) -> str:
        """The text of the answer, which must be the same in both, and a second time."""
        body = body_of(query, variables, operation_name)
        quick, again, plain = [await self.raw(body, way) for way in (QUICK, QUICK, PLAIN)]
        assert quick == plain
        assert again == plain
        return plain[1]

    async def alike(self, query: str, variables: Any, operation_name: Any) -> None:
        """Both give the same, but for the errors of fields that failed at the same time."""
        body = body_of(query, variables, operation_name)
        (status, quick), (_, again), plain = [await self.raw(body, way) for way in (QUICK, QUICK, PLAIN)]
        assert (status, without_chance(quick)) == (plain[0], without_chance(plain[1]))
        assert without_chance(again) == without_chance(plain[1])

    async def is_planned(self, query: str, variables: Any = None) -> bool:
        """Whether a query is answered by a plan."""

        async def receive() -> Message:
            return {"type": "http.request", "body": raw}

        raw = body_of(query, variables)
        with self._database.scope():
            return isinstance(await self._answers.answer(Body(receive, len(raw))), bytes)


def body_of(query: str, variables: Any = None, operation_name: Any = None) -> bytes:
    body = {"query": query, "variables": variables, "operationName": operation_name}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


def without_chance(text: str) -> tuple[str, list[str]]:
    """An answer's data, to the byte, and of its errors what is the same each time.

    Fields are resolved at the same time. Where the null of a field that must not be null takes others along that were
    to fail too, GraphQL leaves open which of them are told; that the null has an error is sure.
    """
    data, _, _ = text.partition(',"errors":')
    answer = json.loads(text)
    return data, sorted({null_of(answer.get("data"), error) for error in answer.get("errors", ())})


def null_of(data: Any, error: dict[str, Any]) -> str:
    """Where the null is that an error put into the data; of an error that is of no field, all of it."""
    if "path" not in error:
        return json.dumps(error)
    place = []
    for key in error["path"]:
        if data is None:
            break
        data = data[key]
        place.append(key)
    assert data is None
    return json.dumps(place)


@pytest.fixture
async def both(api: Api, app: App, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Both]:
    """Over a store with jobs in several statuses, with points of several kinds and without."""
    failed = await api.started(name="fäiled \U0001f600", scenario="DIVERGENCE", seed=3)
    await api.log(failed, [{"step": 1, "accuracy": 0.5, "values": DIVERGED}, {"step": 0}, {"step": 7, "loss": 1e-300}])
    await api.fail(failed, 'because of "quotes"\n')
    await api.created(schedule="LINEAR")
    running = await api.started(stepsPerEpoch=10, seed=1)
    for _ in range(5):
        await api.step(running)
    yield Both(api.http, app.view._answers, app.view._database)
    assert "a plan failed" not in caplog.text


POINT_FIELDS = (
    *("seq", "step", "epoch", "loss", "accuracy", "learningRate", "recordedAt", "__typename", "at: recordedAt"),
    *("values { name value nonFinite }", "v: values { value }", "... on Metric { seq }", "...Point"),
    *('only: values(names: ["loss"]) { name }', "seq @include(if: $yes)", "... @skip(if: $yes) { step }"),
)
PAGES = (
    *("metrics", "metrics(limit: 2)", "metrics(limit: $n)", "metrics(after: 2, limit: $n)", "metrics(after: $after)"),
    *("metrics(limit: $m)", "metrics(after: $k)", "latestMetrics(count: $k)"),
    *("latestMetrics", "latestMetrics(count: $n)", "metrics(limit: 0)", "metrics(after: -1)"),
)
JOB_FIELDS = (
    *("id", "name", "modelName", "status", "epochs", "stepsPerEpoch", "totalSteps", "learningRate", "batchSize"),
    *("scenario", "schedule", "seed", "metricCount", "progress", "createdAt", "updatedAt", "startedAt", "finishedAt"),
    *("failureReason", "__typename", "other: name", "...Job", "... on Job { status id }", "... { seed }"),
    *("curve { step value }", "name @skip(if: $no)"),
)
ROOTS = (
    *('job(id: "1")', "job(id: 2)", "job(id: $id)", "jobs", "jobs(limit: $n)", "jobs(limit: 501)", "jobs(after: 2)"),
    *("jobs(status: [FAILED])", "jobs(status: $status)", "jobs(status: [], limit: 1)", 'jobs(search: "R")'),
    *("jobs(status: [RUNNING, QUEUED])", 'job(id: "x")', "job(id: $i)", "jobs(limit: $k)"),
)
VARIABLES = {
    "id": "ID!",
    "n": "Int! = 3",
    "m": "Int",
    "k": "Int = 3",
    "i": 'ID = "1"',
    "after": "Int! = 1",
    "status": "[JobStatus!]",
    "yes": "Boolean! = true",
    "no": "Boolean! = false",
}
FRAGMENTS = {
    "Job": "on Job { id updatedAt progress }",
    "Point": "on Metric { loss values { name } }",
    "Root": "on Query { __typename }",
}


def document(fields: list[str]) -> str:
    """A query of these fields, with the variables and the fragments that they use."""
    text = " ".join(fields)
    used = [f"${name}: {type}" for name, type in VARIABLES.items() if re.search(rf"\${name}\b", text)]
    fragments = [f"fragment {name} {of}" for name, of in FRAGMENTS.items() if f"...{name}" in text]
    return f"query Q{'(' + ', '.join(used) + ')' if used else ''} {{ {text} }} {' '.join(fragments)}"


points = st.lists(st.sampled_from(POINT_FIELDS), min_size=1, max_size=5).map(" ".join)
nested = st.builds(
    lambda number, page, inner: f"p{number}: {page} {{ {inner} }}", st.integers(0, 99), st.sampled_from(PAGES), points
)
jobs = st.lists(st.sampled_from(JOB_FIELDS) | nested, min_size=1, max_size=8).map(" ".join)
roots = st.builds(
    lambda name, root, inner: f"{name}: {root} {{ {inner} }}",
    st.sampled_from(["a", "b", "job"]),
    st.sampled_from(ROOTS),
    jobs,
)
queries = st.lists(roots | st.just("__typename") | st.just("...Root"), min_size=1, max_size=2).map(document)
variables = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "3", 3, "4", "0", "x", None, 1.5, True])},
    optional={
        "n": st.sampled_from([1, 2, 10_000, 10_001, 0, -1, 2.0, "2", None, 2**31]),
        "m": st.sampled_from([1, None, 0, "1"]),
        "k": st.sampled_from([2, None, 1.5]),
        "i": st.sampled_from(["3", 2, None]),
        "after": st.sampled_from([0, 3, 99, -1, None]),
        "status": st.sampled_from([["RUNNING"], "FAILED", [], None, ["RUNNING", "FAILED"], ["nothing"], [None]]),
        "yes": st.booleans(),
        "unknown": st.just({"a": [1]}),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries, given_variables=variables, name=st.sampled_from([None, "Q", "R", ""]))
async def test_any_query_is_answered_as_strawberry_answers_it(
    both: Both, query: str, given_variables: dict[str, Any], name: str | None
) -> None:
    await both.alike(query, given_variables, name)


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        f'{{ job(id: "1") {{ {JOB} metrics {{ {METRIC} }} }} }}',
        f"{{ jobs {{ {JOB} latestMetrics(count: 2) {{ {METRIC} }} metrics(limit: 1) {{ recordedAt }} }} }}",
        "{ jobs(status: [RUNNING], limit: 5) { createdAt } job(id: 2) { scenario schedule updatedAt } }",
        '{ job(id: "99") { name } }',
    ],
)
async def test_what_dashboards_ask_for_has_a_plan(both: Both, query: str) -> None:
    assert await both.is_planned(query)
    assert "errors" not in await both.same(query)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("{ __typename", None),
        ("{ nothing }", None),
        ("query A { __typename } query B { jobs { id } }", None),
        ("query A { __typename } query B { jobs { id } }", "B"),
        ("subscription { jobChanged { id } }", None),
        ("{ __schema { queryType { name } } }", None),
        ("{ jobs(limit: 501) { id } }", None),
        ('{ job(id: "x") { id } }', None),
        ('{ __typename job(id: "1") { name metrics(after: -1) { seq } } }', None),
        ("query ($a: Int) { __typename }", None),
        ("{ jobs { id } } #" + "x" * 3_000, None),
        ("{" * 900, None),
    ],
)
async def test_what_has_no_plan_is_answered_all_the_same(both: Both, query: str, name: str | None) -> None:
    await both.same(query, None, name)


async def test_who_asks_for_too_many_points_at_once_is_answered_the_usual_way(both: Both) -> None:
    query = "{ jobs(limit: 20) { metrics(limit: 10000) { seq } } }"
    assert not await both.is_planned(query)
    assert "errors" not in await both.same(query)


class TestHostileRequests:
    async def test_fragments_that_double_themselves_cost_no_more_than_they_are_long(self, both: Both) -> None:
        doubling = [f"fragment F{number} on Query {{ ...F{number + 1} ...F{number + 1} }}" for number in range(40)]
        query = " ".join(["{ ...F0 }", *doubling, "fragment F40 on Query { __typename }"])
        async with asyncio.timeout(PATIENCE):
            assert "TOO_COSTLY" in await both.same(query)

    async def test_a_short_document_that_asks_for_much_is_not_compiled(self, both: Both) -> None:
        jobs = " ".join(f"j{number}: jobs(limit: 1) {{ ...Job }}" for number in range(20))
        pages = " ".join(f"p{number}: metrics {{ seq }}" for number in range(20))
        assert not await both.is_planned(f"{{ {jobs} }} fragment Job on Job {{ id }}")
        assert not await both.is_planned(f"{{ jobs {{ {pages} }} }}")

    @pytest.mark.parametrize("place", ["query", "operationName", "Accept", "Content-Type"])
    async def test_what_is_long_is_not_remembered(self, both: Both, api: Api, place: str) -> None:
        caches = (_plan, _quick_media_type, plan_of)
        for cache in caches:
            cache.cache_clear()
        for documents in _remembered.values():
            documents.clear()
        long = "x" * 5_000
        for number in range(REMEMBERED_LONG + 2):
            headers = {"Content-Type": QUICK, "Accept": "*/*"}
            body: dict[str, Any] = {"query": "{ __typename }"}
            if place in body:
                body[place] += f" # {number}{long}"
            elif place in headers:
                headers[place] += f"; a={number}{long}"
            else:
                body[place] = f"{number}{long}"
            await api.http.post("/graphql", content=json.dumps(body), headers=headers)
        assert max(len(_remembered[False]), *(cache.cache_info().currsize for cache in caches)) <= 1
        assert len(_remembered[True]) <= REMEMBERED_LONG

    async def test_others_have_a_turn_while_many_values_are_answered(self, both: Both, api: Api) -> None:
        id = await api.started()
        values = [{"name": f"value {number}", "value": number} for number in range(300)]
        await api.log(id, [{"step": step, "values": values} for step in range(100)])
        for first in range(100, 1_500, 100):
            await api.log(id, [{"step": step, "loss": 1.0} for step in range(first, first + 100)])
        query = f'{{ job(id: "{id}") {{ metrics(limit: 10000) {{ values {{ name value }} }} }} }}'
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(others())
        assert await both.is_planned(query)
        quick_turns, turns = turns, 0
        await both.raw(body_of(query), PLAIN)
        counting.cancel()
        assert quick_turns >= 2
        assert turns >= 10, "also where graphql-core goes through the list"


class TestWhatIsRemembered:
    async def test_is_read_once_while_the_store_stays_as_it_is(self, both: Both, app: App, database_url: str) -> None:
        query = '{ job(id: "3") { metricCount } }'
        first = await both.same(query)
        remembered = app.view._answers._remembered.get(body_of(query))
        assert (remembered is None) == database_url.startswith("postgres"), "which cannot tell when it has changed"
        assert await both.same(query) == first
        assert app.view._answers._remembered.get(body_of(query)) is remembered

    async def test_is_read_again_after_each_change_of_ours_and_of_others(
        self, both: Both, api: Api, outside: Outside
    ) -> None:
        query = '{ job(id: "3") { metricCount name } jobs { id } }'
        for turn in range(1, 6):
            await api.step("3")
            assert f'"metricCount":{5 + turn}' in await both.same(query)
            outside.execute("UPDATE job SET name = ? WHERE id = 3", [f"turn {turn}"])
            assert f'"name":"turn {turn}"' in await both.same(query)
            await api.created()
            assert await both.same(query) == await both.same(query)

    @pytest.mark.sqlite_alone("a file's version is known")
    async def test_is_bounded(self, both: Both, app: App) -> None:
        answers = app.view._answers
        for number in range(30):
            await both.raw(body_of("{ __typename }", {"unused": f"{number:06}" * 100_000}), QUICK)
            kept = sum(len(body) + len(known.answer) for body, known in answers._remembered.items())
            assert kept <= answers._kept_bytes <= KEPT_BYTES
        assert 1 < len(answers._remembered) < 30

    @pytest.mark.sqlite_alone("a file's version is")
    async def test_a_store_that_cannot_be_read_says_so_and_is_read_again_afterwards(
        self, both: Both, outside: Outside
    ) -> None:
        query = "{ jobs { id } }"
        before = await both.same(query)
        outside.execute("ALTER TABLE job RENAME TO gone")
        assert "SERVICE_UNAVAILABLE" in await both.same(query)
        outside.execute("ALTER TABLE gone RENAME TO job")
        assert await both.same(query) == before


def alike(answer: tuple[int, str]) -> tuple[int, str]:
    """An answer without what differs from one job to the next."""
    text = re.sub(r'"(created|updated|started|finished|recorded)At":"[^"]+"', r'"\1At":"…"', answer[1])
    return answer[0], re.sub(r'("id":"|Job )\d+', r"\1…", text)


class TestVerbs:
    async def test_steps_to_the_end_and_beyond_are_answered_the_same(self, both: Both, api: Api) -> None:
        query = STEP % (METRIC + " recordedAt", JOB + " createdAt updatedAt seed scenario")
        pair = [await api.started(stepsPerEpoch=4, seed=5, scenario="DIVERGENCE") for _ in range(2)]
        for _ in range(6):
            quick, plain = [
                await both.raw(body_of(query, {"id": id}), way) for id, way in zip(pair, (QUICK, PLAIN), strict=True)
            ]
            assert alike(quick) == alike(plain)
        assert "IllegalTransition" in plain[1]
        assert [len(await api.metrics(id)) for id in pair] == [4, 4]

    @pytest.mark.parametrize("id", ["999", "x", 0, None, 1.5, [], "9" * 30])
    async def test_an_id_that_is_none_is_refused_the_same(self, both: Both, id: object) -> None:
        for query, extra in ((STEP % ("seq", "id"), {}), (LOG % "id", {"metrics": [{"step": 1}]})):
            await both.same(query, {"id": id, **extra})

    async def test_a_crash_fails_the_job_once_and_is_told_the_same(self, both: Both, api: Api) -> None:
        failed = "... on SimulationFailed { job { status failureReason } } ... on Error"
        query = STEP.replace("... on Error", failed) % ("seq", "id")
        pair = [await api.started(stepsPerEpoch=5, seed=5, scenario="CRASH") for _ in range(2)]
        for _ in range(5):
            quick, plain = [
                await both.raw(body_of(query, {"id": id}), way) for id, way in zip(pair, (QUICK, PLAIN), strict=True)
            ]
            assert alike(quick) == alike(plain)

    async def test_a_store_that_is_busy_is_told_the_same(self, both: Both, api: Api, outside: Outside) -> None:
        outside.execute("ALTER TABLE metric RENAME TO gone")
        for query, extra in ((STEP % ("seq", "id"), {}), (LOG % "id", {"metrics": [{"step": 1}]})):
            pair = [await api.started() for _ in range(2)]
            quick, plain = [
                await both.raw(body_of(query, {"id": id, **extra}), way)
                for id, way in zip(pair, (QUICK, PLAIN), strict=True)
            ]
            assert alike(quick) == alike(plain)
            assert "recorded" not in quick[1]


numbers: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, 0.5, 1e-300, 1e308, -0.0, 2**40, 10**400, None, "1", True, [], {}]
)
given_values = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["loss", "val", "a b", "", "x" * 201, "\n", None, 5]),
            "value": numbers,
            "nonFinite": st.sampled_from(["NAN", "INFINITY", "NEGATIVE_INFINITY", "nan", None, 5]),
            "more": st.just(1),
        },
    ),
    max_size=3,
)
metrics = st.fixed_dictionaries(
    {"step": st.sampled_from([0, 1, 5, 2**31 - 1, 2**31, -1, 1.0, 1.5, "1", None, True])},
    optional={
        "epoch": st.sampled_from([None, 1, 0, -1, 2**31, "1"]),
        "loss": numbers,
        "accuracy": numbers,
        "learningRate": numbers,
        "values": given_values | st.sampled_from([None, [None], "x", {"name": "val", "value": 1}]),
        "more": st.just(1),
    },
)
plain_metrics = st.builds(
    lambda step, loss, name: {"step": step, "loss": loss, "values": [{"name": name, "value": loss}]},
    st.integers(0, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["val", "norm"]),
)
batches = st.lists(plain_metrics, max_size=4) | st.lists(metrics, max_size=3) | metrics | st.none() | st.just("x")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches)
async def test_any_batch_is_stored_or_refused_as_strawberry_has_it(both: Both, api: Api, batch: Any) -> None:
    pair = [await api.started() for _ in range(2)]
    query = LOG % (JOB + " updatedAt")
    quick, plain = [
        await both.raw(body_of(query, {"id": id, "metrics": batch}), way)
        for id, way in zip(pair, (QUICK, PLAIN), strict=True)
    ]
    assert alike(quick) == alike(plain)
    stored = [await api.metrics(id) for id in pair]
    assert cast("object", stored[0]) == stored[1]
