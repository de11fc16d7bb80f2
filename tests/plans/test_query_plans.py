"""What is answered by a compiled plan is what Strawberry answers, byte for byte."""

import asyncio
import json
import re
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.app import App
from graph.plans.query import QueryPlan
from models.store.statements import Query, Reader, Row
from tests.tools.api import JOB, METRIC, Api
from tests.tools.both import Both, body_of
from tests.tools.domain import statements
from tests.tools.outside import Outside
from tests.tools.waiting import PATIENCE

POINT_FIELDS = (
    *(
        "id",
        "loggedAt",
        "seq",
        "step",
        "epoch",
        "loss",
        "accuracy",
        "learningRate",
        "recordedAt",
        "__typename",
        "at: recordedAt",
    ),
    *("values { name value nonFinite }", "v: values { value }", "... on Metric { seq }", "...Point"),
    *('only: values(names: ["loss"]) { name }', "seq @include(if: $yes)", "... @skip(if: $yes) { step }"),
)
RUN = "project group tags notes cursor attempt outcome endedEarly lastSeenAt lostSince archivedAt lastPointAt"
PAGES = (
    *("metrics", "metrics(limit: 2)", "metrics(limit: $n)", "metrics(after: 2, limit: $n)", "metrics(after: $after)"),
    *("metrics(limit: $m)", "metrics(after: $k)", "latestMetrics(count: $k)"),
    *("latestMetrics", "latestMetrics(count: $n)", "metrics(limit: 0)", "metrics(after: -1)"),
)
JOB_FIELDS = (
    *("id", "name", "modelName", "status", "epochs", "stepsPerEpoch", "totalSteps", "learningRate", "batchSize"),
    *("scenario", "schedule", "seed", "metricCount", "progress", "createdAt", "updatedAt", "startedAt", "finishedAt"),
    *("failureReason", "__typename", "other: name", "...Job", "... on Job { status id }", "... { seed }"),
    *("curve { step value }", "name @skip(if: $no)", "project", "group", "tags", "notes", "cursor", "attempt"),
    *("outcome", "endedEarly", "lastSeenAt", "lostSince", "archivedAt", "lastPointAt", "config", "source"),
    *("simulation { seed scenario s: schedule __typename }", "stop { requestedAt receivedAt }", "stop { ...Stop }"),
    *("simulation { seed @skip(if: $no) }", "series { name count last { step value } isMain }", "parent { id }"),
    *("attempts { number startedAt outcome }", "children { totalCount nodes { id } }"),
)
SERIES_FIELDS = (
    *("name", "count", "nonFiniteCount", "goal", "unit", "isMain", "__typename", "n: name", "...Series"),
    *("last { seq step value nonFinite at }", "lowest { value __typename }", "highest { ...Place }", "l: last { at }"),
    *("lowest { at @skip(if: $no) }", "name @include(if: $yes)", "... on Series { unit }"),
)
SERIES = ("series", 'series(names: ["loss", " loss ", "x"])', "series(names: $names)", "series(names: [])")
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
    "names": "[String!]",
    "yes": "Boolean! = true",
    "no": "Boolean! = false",
}
FRAGMENTS = {
    "Stop": "on Stop { reason requestedAt }",
    "Job": "on Job { id updatedAt progress }",
    "Series": "on Series { count highest { seq } }",
    "Place": "on SeriesPoint { step at }",
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
series = st.builds(
    lambda number, of, inner: f"s{number}: {of} {{ {' '.join(inner)} }}",
    st.integers(0, 99),
    st.sampled_from(SERIES),
    st.lists(st.sampled_from(SERIES_FIELDS), min_size=1, max_size=5),
)
jobs = st.lists(st.sampled_from(JOB_FIELDS) | nested | series, min_size=1, max_size=8).map(" ".join)
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
        "names": st.sampled_from([None, [], ["loss"], "accuracy", ["\0"], [None], 1]),
        "yes": st.booleans(),
        "unknown": st.just({"a": [1]}),
    },
)


@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries, given_variables=variables, name=st.sampled_from([None, "Q", "R", ""]))
async def test_any_query_is_answered_as_strawberry_answers_it(
    both: Both, query: str, given_variables: dict[str, Any], name: str | None
) -> None:
    await both.alike(query, given_variables, name)


async def test_what_dashboards_ask_for_has_a_plan(both: Both) -> None:
    for query in (
        "{ __typename }",
        f'{{ job(id: "1") {{ {JOB} metrics {{ {METRIC} }} }} }}',
        f"{{ jobs {{ {JOB} latestMetrics(count: 2) {{ {METRIC} }} metrics(limit: 1) {{ recordedAt }} }} }}",
        "{ jobs(status: [RUNNING], limit: 5) { createdAt } job(id: 2) { scenario schedule updatedAt } }",
        '{ job(id: "99") { name } }',
        f"{{ jobs {{ {RUN} simulation {{ scenario schedule seed }} stop {{ requestedAt receivedAt reason }} }} }}",
    ):
        assert await both.is_planned(query)
        assert "errors" not in await both.same(query)
    for name in ("A", "B"):
        before = both.answers.count
        assert "errors" not in await both.same("query A { __typename } query B { jobs { id } }", None, name)
        assert both.answers.count == before + 2


async def test_what_has_no_plan_is_answered_all_the_same(both: Both) -> None:
    for query in (
        "{ __typename",
        "{ nothing }",
        "query A { __typename } query B { jobs { id } }",
        "subscription { jobChanged { id } }",
        "{ __schema { queryType { name } } }",
        "{ jobs(limit: 501) { id } }",
        '{ job(id: "x") { id } }',
        '{ __typename job(id: "1") { name metrics(after: -1) { seq } } }',
        "query ($a: Int) { __typename }",
        "{ jobs { id } } #" + "x" * 3_000,
        "{" * 900,
    ):
        await both.same(query)
    query = "{ jobs(limit: 20) { metrics(limit: 10000) { seq } } }"
    assert not await both.is_planned(query), "too many points at once"
    assert "errors" not in await both.same(query)


@pytest.mark.parametrize("table", ["job", "metric"])
async def test_a_store_that_fails_is_answered_by_the_plan_and_not_asked_again(
    both: Both, outside: Outside, table: str
) -> None:
    outside.execute(f"ALTER TABLE {table} RENAME TO gone")
    for jobs in ('job(id: "1") { name latestMetrics', 'job(id: "1") { p: metrics', "jobs { id latestMetrics"):
        query = f"{{ {jobs} {{ seq }} }} other: __typename }}"
        assert await both.is_planned(query)
        assert "SERVICE_UNAVAILABLE" in await both.same(query)


async def test_only_a_read_of_many_points_that_there_are_is_made_in_a_thread(both: Both, api: Api, app: App) -> None:
    long, short = await api.started(), await api.started()
    await api.log(long, [{"step": step} for step in range(600)])
    for page in ("metrics(after: 3, limit: {})", "latestMetrics(count: {})"):
        for count, is_long in ((500, False), (501, True)):
            reader = Recorder(app.services.database.reader)
            for id in (short, long):
                planned = await both.answers.find(f'{{ job(id: "{id}") {{ {page.format(count)} {{ seq }} }} }}', None)
                assert planned is not None
                assert isinstance(planned.plan, QueryPlan)
                assert await planned.plan.read(cast("Reader", reader), {})
            assert reader.in_thread == [False, False, False, is_long], "of each job, then its points"


async def test_series_of_a_list_take_as_many_statements_however_many_jobs_have_them(both: Both, api: Api) -> None:
    query = """{ jobs(limit: 500) { id series { name count nonFiniteCount goal unit isMain
        last { seq step value nonFinite at } lowest { value at } highest { value at } } } }"""
    found: list[str] = []
    for jobs in (2, 6):
        while len(found) < jobs:
            found.append(await api.started())
            scalars = {"loss": 0.5, "train/acc": "NaN", "system/gpu": jobs}
            await api.log(found[-1], [{"step": step, "scalars": scalars} for step in range(3)])
        answered = both.answers.count
        with statements() as asked:
            _, answer = await both.planned(body_of(query))
        assert both.answers.count == answered + 1, "by a plan"
        assert len(asked.about("series")) == 2, "how many there are, and they themselves"
        assert answer.count('"system/gpu"') == jobs
        assert answer == await both.same(query)


async def test_too_many_unnamed_series_of_several_jobs_are_refused_as_by_strawberry(
    both: Both, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("graph.context", "graph.plans.series"):
        monkeypatch.setattr(f"{module}.MOST_SERIES", 3)
    for _ in range(2):
        await api.log(await api.started(), [{"step": 1, "scalars": {"a": 1, "b": 2}}])
    assert "TOO_COSTLY" in await both.same("{ jobs { series { name } } }")
    assert "TOO_COSTLY" not in await both.same('{ jobs { series(names: ["a"]) { name } } }')


class Recorder:
    """Takes down which queries are to be run in a thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.in_thread: list[bool] = []

    async def rows(self, query: Query, *, in_thread: bool = False) -> list[Row]:
        self.in_thread.append(in_thread)
        return await self._reader.rows(query, in_thread=in_thread)


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

    async def test_what_is_long_is_not_remembered(self, both: Both) -> None:
        before = both.answers.remembered_bytes
        for place in ("operationName", "variables"):
            long: Any = "x" * 2_000_000
            request = {"query": "{ __typename }", place: long if place == "operationName" else {"unused": long}}
            await both.planned(json.dumps(request).encode())
            assert both.answers.remembered_bytes == before

    @pytest.mark.sqlite_alone("what takes long is making the answer")
    async def test_others_have_a_turn_while_many_values_are_answered(self, both: Both, api: Api) -> None:
        id = await api.started()
        values = [{"name": f"value {number}", "value": number} for number in range(100)]
        await api.log(id, [{"step": step, "values": values} for step in range(100)])
        await api.log(id, [{"step": step, "loss": 1.0} for step in range(100, 1_500)])
        query = f'{{ job(id: "{id}") {{ metrics(limit: 10000) {{ values {{ name value }} }} }} }}'
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(others())
        assert await both.is_planned(query)
        with_plan, turns = turns, 0
        await both.plain(body_of(query))
        counting.cancel()
        assert with_plan >= 2
        assert turns >= 10, "also where graphql-core goes through the list"
