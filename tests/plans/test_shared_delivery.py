"""Shared delivery gives what plain Strawberry gives, and does the work once for all who select the same."""

import asyncio
import gc
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strawberry.types.execution import ExecutionResult, PreExecutionError

from graph.admission.caller import Caller
from graph.context import Context, Services
from graph.execution.results import Encoded
from graph.execution.running import Operations
from graph.live.stream import Streams
from graph.plans.answers import Answers
from graph.plans.delivery import SHARED_CHARACTERS, PartKey, Parts
from graph.schema import schema
from graph.settings import Settings
from models.alerts.alerts import Alerts
from models.curves.chunks import Chunks
from models.curves.reading import Curves
from models.lifecycle import JobStatus
from models.metric import Point
from tests.tools.domain import Domain, all_has_begun, opened_domain, statements
from tests.tools.outside import Outside
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("what is sent is made from points, wherever they were stored")

VALUES = {"loss": 0.5, "val/loss 🚂": float("nan"), "grad": float("-inf"), "learningRate": 1e-9}


EVERYONE = Caller(may_write=True)


class CountingParts(Parts):
    """Parts that know how often one was made."""

    made = 0

    def keep(self, key: PartKey, json: str) -> Encoded:
        self.made += 1
        return super().keep(key, json)


class ForgetfulParts(Parts):
    """Parts of which none is kept."""

    def keep(self, key: PartKey, json: str) -> Encoded:
        return Encoded(data=None, errors=None, json=json)


class Both:
    """A store with a job that has ended, and the two ways to subscribe to it."""

    def __init__(self, domain: Domain, job_id: int) -> None:
        self.domain = domain
        self.job_id = job_id
        operations, database = Operations(schema.graphql, Settings()), domain.database
        self.answers = Answers(schema.graphql, operations, database, domain.jobs)
        self.answers.parts = self.parts = CountingParts()
        streams, curves = Streams(database, domain.feed, 500, 3_600), Curves(Chunks(database))
        self.services = Services(
            operations, database, domain.jobs, Alerts(database, domain.feed), streams, curves, self.answers
        )

    def context(self, *, plans: bool = True) -> Context:
        return Context(self.services if plans else self.services._replace(answers=None), EVERYONE)

    async def shared(self, query: str, variables: dict[str, Any], name: str | None = None) -> list[Any]:
        return await messages_of(await schema.stream(query, variables, self.context(), operation_name=name))

    async def plain(self, query: str, variables: dict[str, Any], name: str | None = None) -> list[Any]:
        """The same without a plan."""
        before = self.answers.count
        messages = await messages_of(
            await schema.stream(query, variables, self.context(plans=False), operation_name=name)
        )
        assert self.answers.count == before
        return messages

    async def has_plan(self, query: str) -> bool:
        return await self.answers.find(query, None) is not None


async def messages_of(results: Any) -> list[Any]:
    """What a client receives, to the order of its members."""
    messages = []
    async with aclosing(results):
        async for result in results:
            if isinstance(result, Encoded):
                payload = json.loads(result.json)
            else:
                assert isinstance(result, ExecutionResult)
                payload = {"data": result.data}
                if result.errors:
                    payload["errors"] = [error.formatted for error in result.errors]
            kind = "error" if isinstance(result, PreExecutionError) else "next"
            messages.append((kind, json.dumps(payload)))
    return messages


@pytest.fixture
async def both(database_url: str) -> AsyncIterator[Both]:
    async with opened_domain(database_url) as domain:
        job = await domain.job()
        await domain.jobs.log(job.id, [Point(step, VALUES, None) for step in (1, 2)] + [Point(3, {"accuracy": 1.0}, 9)])
        await domain.jobs.complete(job.id)
        yield Both(domain, job.id)


ALIASES = st.sampled_from([*[""] * 8, "a: ", "seq: "])
DIRECTIVES = st.sampled_from(
    ["", "", "", "", "@include(if: $yes)", "@skip(if: $yes)", "@include(if: $no)", "@skip(if: $no) @include(if: $yes)"]
)
NAMES = st.sampled_from(["", "", '(names: ["loss", "grad"])', "(names: $names)", "(names: $names)", "(names: $others)"])
WRONG = st.sampled_from(
    ["nobody", "seq { x }", "values", "values(names: 5) { name }", "values { nobody }", "seq(x: 1)"]
)


def selection(fields: st.SearchStrategy[str], on: str) -> st.SearchStrategy[str]:
    """Fields, alone, in inline fragments and in named ones."""
    field = st.builds("{}{} {}".format, ALIASES, fields, DIRECTIVES)
    plain = st.lists(field, min_size=1, max_size=4).map(" ".join)
    fragment = st.builds("... {} {} {{ {} }}".format, st.sampled_from(["", f"on {on}"]), DIRECTIVES, plain)
    spread = st.builds("...{}{} {}".format, st.just("On"), st.just(on), DIRECTIVES)
    return st.lists(plain | plain | fragment | spread, min_size=1, max_size=4).map(" ".join)


def with_values(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("values{} {{ {} }}".format, NAMES, inner)


# Mostly what is valid: two of a name that differ are refused, and so is whatever holds them.
value = st.lists(st.sampled_from(["name", "value", "nonFinite", "__typename", "v: value"]), min_size=1, max_size=4)
metric_fields = st.sampled_from(
    ["seq", "step", "epoch", "loss", "accuracy", "learningRate", "recordedAt", "__typename"]
)
metrics = st.builds(
    "{} {} {}".format,
    selection(metric_fields, "Metric"),
    with_values(value.map(" ".join)) | st.just(""),
    st.one_of(*[st.just("")] * 5, WRONG),
)
job_fields = st.sampled_from(
    ["id", "name", "status", "progress", "createdAt", "startedAt", "failureReason", "scenario", "__typename"]
)
jobs = st.builds(
    "{} {}".format,
    selection(job_fields, "Job"),
    st.builds(
        "{} {{ {} }}".format, st.sampled_from(["metrics", "latestMetrics(count: 2)", "metrics(limit: 0)"]), metrics
    )
    | st.sampled_from(
        ["", "curve { name seq step value }", 'curve(from: 2, name: "none") { seq }', "curve(points: 1) { seq }"]
    ),
)
roots_of_jobs = st.sampled_from(
    [*["jobChanged(id: $id)"] * 3, *["jobChanged(id: $id, everyMs: 100)"] * 3, "jobChanged(everyMs: 99)"]
)
FRAGMENTS = (
    "fragment OnMetric on Metric { __typename c: loss values { ...OnValue } } fragment OnValue on MetricValue { name }"
)
DECLARED = '$id: ID!, $yes: Boolean! = true, $no: Boolean = false, $names: [String!], $others: [String!] = ["grad"]'
roots = st.sampled_from(
    [
        "metricAdded(jobId: $id, after: 0)",
        "x: metricAdded(jobId: $id, after: 1)",
        "metricsAdded(jobId: $id, after: 0, everyMs: 0)",
        "y: metricsAdded(jobId: $id, after: 3, everyMs: 0)",
        "metricAdded(jobId: $id, after: -1)",
        "metricAdded(jobId: 99)",
    ]
)
variables = st.fixed_dictionaries(
    {},
    optional={
        "yes": st.booleans() | st.none(),
        "no": st.booleans() | st.sampled_from([1, None]),
        "names": st.sampled_from([None, [], ["loss"], ["grad", "loss"], "loss", [None], ["val/loss 🚂"]]),
        "others": st.sampled_from([None, [], ["loss"], ["grad"]]),
    },
)


FRAGMENTS_OF_JOBS = "fragment OnJob on Job { __typename epochs latestMetrics { ...OnMetric } } " + FRAGMENTS


def declaring_what_is_used(query: str) -> str:
    """The same, without the variables and fragments that it does not use: they would make it invalid."""
    for fragment in ("OnJob", "OnMetric", "OnValue"):
        if f"...{fragment}" not in query:
            query = re.sub(rf"fragment {fragment} on \w+ {{([^{{}}]|{{[^{{}}]*}})*}}", "", query)
    body = query.replace(DECLARED, "")
    used = [part for part in DECLARED.split(", ") if re.search(re.escape(part.partition(":")[0]) + r"\b", body)]
    return query.replace(DECLARED, ", ".join(used))


class TestTheSameAsPlainStrawberry:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
    @given(root=roots, fields=metrics, given_variables=variables)
    async def test_of_points(self, both: Both, root: str, fields: str, given_variables: dict[str, Any]) -> None:
        """One store and one set of shared parts for all examples: what was shared before must not leak into them."""
        query = f"subscription ({DECLARED}) {{ {root} {{ {fields} ...OnMetric @skip(if: $yes) }} }} {FRAGMENTS}"
        query = declaring_what_is_used(query)
        given_variables = {"id": str(both.job_id), **given_variables}
        plain = await both.plain(query, given_variables)
        event(f"{plain[0][0] if plain else 'nothing'}, shared: {await both.has_plan(query)}")
        assert await both.shared(query, given_variables) == plain
        assert await both.shared(query, given_variables) == plain, "and again, from what was kept"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(root=roots_of_jobs, fields=jobs, given_variables=variables)
    async def test_of_jobs(self, both: Both, root: str, fields: str, given_variables: dict[str, Any]) -> None:
        query = f"subscription ({DECLARED}) {{ {root} {{ {fields} }} }} {FRAGMENTS_OF_JOBS}"
        query = declaring_what_is_used(query)
        job = await both.domain.job()
        await both.domain.record(job, 1, 3)  # now: each reads them when it is told of the job, sooner or later
        given_variables = {"id": str(job.id), **given_variables}

        await both.services.operations.documents.get(query)  # so that all begin at once

        async def fail() -> None:
            await all_has_begun()
            await both.domain.jobs.fail(job.id, "enough")

        async with asyncio.timeout(PATIENCE):
            shared, again, plain, _ = await asyncio.gather(
                both.shared(query, given_variables),
                both.shared(query, given_variables),
                both.plain(query, given_variables),
                fail(),
            )
        event(f"{plain[0][0] if plain else 'nothing'}, shared: {await both.has_plan(query)}")
        assert shared == again == plain

    async def test_where_one_selection_or_one_value_stands_under_several_names(self, both: Both) -> None:
        roots = ["metricAdded", "metricsAdded", "x: metricAdded", "x: metricsAdded", "metricsAdded: metricAdded"]
        named: list[dict[str, Any]] = [{"a": ["loss"]}, {"b": ["loss"]}, {"a": ["loss"], "b": None}, {}]
        for root in (*roots, *reversed(roots)):
            query = f"""subscription ($id: ID!, $a: [String!], $b: [String!]) {{ {root}(jobId: $id, after: 0) {{
                seq a: values(names: $a) {{ name }} b: values(names: $b) {{ name value }} }} }}"""
            for names in named:
                given_variables = {"id": str(both.job_id), **names}
                assert await both.shared(query, given_variables) == await both.plain(query, given_variables), names

    async def test_what_cannot_be_shared_is_left_to_it(self, both: Both) -> None:
        for query in (
            "subscription ($id: ID!) { ...R } fragment R on Subscription { metricAdded(jobId: $id, after: 0) { seq } }",
            "subscription ($id: ID!) { ... { metricAdded(jobId: $id, after: 0) { seq } } }",
            "subscription { metricAdded(jobId: 1, after: 0) { seq } ... { metricAdded(jobId: 1, after: 0) { step } } }",
        ):
            assert not await both.has_plan(query)
            messages = await both.shared(query, {"id": str(both.job_id)})
            assert messages == await both.plain(query, {"id": str(both.job_id)})
            assert len(messages) == 3
            assert both.parts.made == 0

    async def test_what_is_selected_by_long_variables_is_not_shared(self, both: Both) -> None:
        """They are part of a shared part's key: a client that sends long ones would fill the memory with them."""
        around = len("n=['loss', '']")
        for root in ("metricAdded(jobId: $id, after: 0)", "metricsAdded(jobId: $id, after: 0)"):
            query = f"subscription ($id: ID!, $n: [String!]) {{ {root} {{ seq values(names: $n) {{ name }} }} }}"
            for length, is_shared in ((SHARED_CHARACTERS - around, True), (SHARED_CHARACTERS - around + 1, False)):
                both.parts.made = 0
                given_variables = {"id": str(both.job_id), "n": ["loss", "x" * length]}
                assert await both.shared(query, given_variables) == await both.plain(query, given_variables)
                assert (both.parts.made > 0) == is_shared

    async def test_of_several_operations(self, both: Both) -> None:
        query = """subscription A { metricAdded(jobId: 1, after: 2) { seq } }
            subscription B { metricAdded(jobId: 1, after: 2) { step } } query Q { __typename }"""
        for name in (None, "A", "B", "Q", "Nobody", ""):
            assert await both.shared(query, {}, name) == await both.plain(query, {}, name)


class TestTheWorkIsShared:
    async def test_two_with_the_same_selection_cost_one_execution_of_each_point(self, both: Both) -> None:
        query = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq values { name } } }"
        written_otherwise = "subscription Other($job: ID!) {metricAdded(jobId: $job, after: 1) {seq, values{name}}}"
        await both.shared(query, {"id": both.job_id})
        assert both.parts.made == 3
        await both.shared(query, {"id": both.job_id})
        await both.shared(written_otherwise, {"job": both.job_id})
        assert both.parts.made == 3

    async def test_so_do_two_who_hear_of_a_job_at_once_though_its_points_are_read_from_the_store(
        self, both: Both
    ) -> None:
        query = "subscription { jobChanged { id status latestMetrics { seq } } }"
        streams = [await schema.stream(query, {}, both.context()) for _ in range(2)]
        coming = [asyncio.ensure_future(anext(aiter(stream))) for stream in streams]
        await all_has_begun()
        with statements() as asked:
            job = await both.domain.job(JobStatus.QUEUED)
            async with asyncio.timeout(PATIENCE):
                first, second = await asyncio.gather(*coming)
            assert isinstance(first, Encoded)
            assert isinstance(second, Encoded)
            assert first.json == second.json
            assert json.loads(first.json)["data"]["jobChanged"] == {
                "id": str(job.id),
                "status": "QUEUED",
                "latestMetrics": [],
            }
            assert len(asked.about("metric")) <= 1
        assert both.parts.made == 1
        for stream in streams:
            await stream.aclose()

    async def test_a_part_with_an_error_is_masked_and_is_not_shared(
        self, both: Both, outside: Outside, caplog: pytest.LogCaptureFixture
    ) -> None:
        query = "subscription { jobChanged { id metrics(limit: 0) { seq } } }"
        broken = "subscription { jobChanged { id metrics { seq } } }"
        streams = [await schema.stream(text, {}, both.context()) for text in (query, broken, broken)]
        coming = [asyncio.ensure_future(anext(aiter(stream))) for stream in streams]
        await all_has_begun()
        outside.execute("ALTER TABLE metric RENAME TO taken_away")
        await both.domain.job(JobStatus.QUEUED)
        async with asyncio.timeout(PATIENCE):
            results: list[Any] = await asyncio.gather(*coming)
        refused, *outages = results
        assert [error.extensions for error in refused.errors] == [{"code": "BAD_USER_INPUT", "argument": "limit"}]
        for outage in outages:
            assert [error.extensions for error in outage.errors] == [{"code": "SERVICE_UNAVAILABLE"}]
            assert outside.says("gone") not in str(outage)
        assert outside.says("gone") in caplog.text
        assert both.parts.made == 0
        assert not both.parts.making
        for stream in streams:
            await stream.aclose()


class TestTheMemoryOfAStream:
    @pytest.mark.parametrize("way", ["shared", "plain"])
    async def test_once_it_has_ended_nothing_is_left_of_it(self, both: Both, way: str) -> None:
        query = """subscription ($id: ID!, $n: [String!]) {
            metricAdded(jobId: $id, after: 0) { values(names: $n) { name } } }"""
        stream = {"shared": both.shared, "plain": both.plain}[way]
        await stream(query, {"id": both.job_id, "n": ["loss"]})
        tracemalloc.start()
        try:
            assert await stream(query, {"id": both.job_id, "n": ["x" * 10_000_000]})
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 1_000_000
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("shared", [True, False], ids=["shared", "plain"])
    async def test_it_does_not_grow_with_what_was_sent(self, both: Both, shared: bool) -> None:
        """People leave a dashboard open for days."""
        job = await both.domain.job(epochs=100)
        await both.domain.record(job, 1, 1_600, at_once=800)
        query = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq } }"
        both.answers.parts = ForgetfulParts()
        stream = await schema.stream(query, {"id": job.id}, both.context(plans=shared))
        sizes = []
        tracemalloc.start()
        try:
            for sent in range(1, 1_601):
                await anext(stream)
                if sent % 400 == 0:
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
            await stream.aclose()
        assert sizes[-1] - sizes[0] < 100 * (1_600 - 400), "less than a hundred bytes for each point sent"
