"""What a verb's plan answers is what Strawberry answers, byte for byte: its success, and each of its failures."""

import re
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.api import JOB, METRIC, Api
from tests.tools.both import Both, body_of
from tests.tools.outside import Outside

STEP = """mutation ($id: ID!) { simulateStep(id: $id) { __typename ... on SimulateStepSuccess {
    complete progress metric { %s } job { %s } } ... on Error { message } ... on IllegalTransition { job { id } } } }"""
LOG = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logged: logMetrics(id: $id, metrics: $metrics) { __typename
    ... on LogMetricsSuccess { recorded job { %s } } ... on Error { message } ... on InvalidInput { field } } }"""


def alike(answer: tuple[int, str]) -> tuple[int, str]:
    """An answer without what differs from one job to the next."""
    text = re.sub(r'"(created|updated|started|finished|recorded)At":"[^"]+"', r'"\1At":"…"', answer[1])
    return answer[0], re.sub(r'("id":"|Job )\d+', r"\1…", text)


async def in_both(both: Both, query: str, pair: list[str], **variables: Any) -> list[tuple[int, str]]:
    """The answers about the first job of a pair by its plan, about the second by Strawberry."""
    first, second = (body_of(query, {"id": id, **variables}) for id in pair)
    return [alike(await both.planned(first)), alike(await both.plain(second))]


class TestVerbs:
    async def test_steps_to_the_end_and_beyond_are_answered_the_same(self, both: Both, api: Api) -> None:
        query = STEP % (METRIC + " recordedAt", JOB + " createdAt updatedAt seed scenario")
        pair = [await api.started(stepsPerEpoch=4, seed=5, scenario="DIVERGENCE") for _ in range(2)]
        for _ in range(6):
            planned, plain = await in_both(both, query, pair)
            assert planned == plain
        assert "IllegalTransition" in plain[1]
        assert [len(await api.metrics(id)) for id in pair] == [4, 4]

    async def test_an_id_that_is_none_is_refused_the_same(self, both: Both) -> None:
        ids: list[Any] = ["999", "x", 0, None, 1.5, [], "9" * 30]
        for id in ids:
            for query, extra in ((STEP % ("seq", "id"), {}), (LOG % "id", {"metrics": [{"step": 1}]})):
                await both.same(query, {"id": id, **extra})

    async def test_a_crash_fails_the_job_once_and_is_answered_the_same(self, both: Both, api: Api) -> None:
        failed = "... on SimulationFailed { job { status failureReason } } ... on Error"
        query = STEP.replace("... on Error", failed) % ("seq", "id")
        pair = [await api.started(stepsPerEpoch=5, seed=5, scenario="CRASH") for _ in range(2)]
        for _ in range(5):
            planned, plain = await in_both(both, query, pair)
            assert planned == plain

    async def test_a_store_that_is_busy_is_answered_the_same(self, both: Both, api: Api, outside: Outside) -> None:
        outside.execute("ALTER TABLE metric RENAME TO gone")
        for query, extra in ((STEP % ("seq", "id"), {}), (LOG % "id", {"metrics": [{"step": 1}]})):
            pair = [await api.started() for _ in range(2)]
            planned, plain = await in_both(both, query, pair, **extra)
            assert planned == plain
            assert "recorded" not in planned[1]


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


@pytest.mark.sqlite_alone("what differs is how the batch is read")
@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches)
async def test_any_batch_is_stored_or_refused_as_strawberry_has_it(both: Both, api: Api, batch: Any) -> None:
    pair = [await api.started() for _ in range(2)]
    query = LOG % (JOB + " updatedAt")
    planned, plain = await in_both(both, query, pair, metrics=batch)
    assert planned == plain
    stored = [await api.metrics(id) for id in pair]
    assert cast("object", stored[0]) == stored[1]
