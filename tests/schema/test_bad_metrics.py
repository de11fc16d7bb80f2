"""What logMetrics answers to a batch that breaks a rule: where in the batch, and why; and nothing of it is stored."""

from typing import Any

import pytest

from tests.tools.api import JOB, METRIC, Api

pytestmark = pytest.mark.sqlite_alone("refused before the store is asked")

WHOLE_JOB = f"{JOB} updatedAt metrics {{ {METRIC} }}"
TWICE = "is named twice in one point."
ONE_OF = "must have exactly one of value and nonFinite."
CONTROL = "must not contain control characters."


def value(name: str, **given: Any) -> dict[str, Any]:
    """A point of one value."""
    return {"step": 7, "values": [{"name": name, **given}]}


BAD_POINTS = [
    ({"step": -1}, ".step", "must be 0 or more, got -1."),
    ({"step": 7, "epoch": -1}, ".epoch", "must be 0 or more, got -1."),
    (value("a"), ".values[0]", ONE_OF),
    (value("a", value=None, nonFinite=None), ".values[0]", ONE_OF),
    (value("a", value=1, nonFinite="NAN"), ".values[0]", ONE_OF),
    (value("", value=1), ".values[0].name", "must have 1 to 200 characters, got 0."),
    (value("x" * 201, value=1), ".values[0].name", "must have 1 to 200 characters, got 201."),
    (value("val\x00loss", value=1), ".values[0].name", CONTROL),
    (value("\u0085", value=1), ".values[0].name", CONTROL),
    ({"step": 7, "loss": 1, "values": [{"name": "loss", "value": 1}]}, ".values[0].name", f"'loss' {TWICE}"),
    (
        {"step": 7, "learningRate": 1, "values": [{"name": "learningRate", "nonFinite": "NAN"}]},
        ".values[0].name",
        f"'learningRate' {TWICE}",
    ),
    (
        {"step": 7, "values": [{"name": "a", "value": 1}, {"name": "b", "value": 1}, {"name": "a", "value": 2}]},
        ".values[2].name",
        f"'a' {TWICE}",
    ),
]
"""A point, the place of what is wrong in it, and what is wrong with it."""

WRONG_TYPES = [
    ({}, "[0]", "required field 'step'"),
    ({"step": None}, "step", "not to be None"),
    ({"step": "7"}, "step", "Int cannot represent non-integer value: '7'"),
    ({"step": 1.5}, "step", "Int cannot represent non-integer value: 1.5"),
    ({"step": 2**31}, "step", "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ({"step": 7, "epoch": 2**31}, "epoch", "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ({"step": 7, "loss": "NaN"}, "loss", "Float cannot represent non numeric value: 'NaN'"),
    ({"step": 7, "loss": False}, "loss", "Float cannot represent non numeric value: False"),
    ({"step": 7, "values": None}, "values", "not to be None"),
    ({"step": 7, "values": [{"value": 1}]}, "values", "name"),
    (value("a", nonFinite="NaN"), "nonFinite", "does not exist in 'NonFinite' enum"),
    ({"step": 7, "val_loss": 1}, "val_loss", "unknown field 'val_loss'"),
]
"""Points that GraphQL itself refuses: the answer is its own error."""


async def test_a_point_that_breaks_a_rule_is_refused_by_its_place(api: Api) -> None:
    id, before = await running(api)
    for point, place, message in BAD_POINTS:
        field = f"metrics[0]{place}"
        expected = {"__typename": "InvalidInput", "field": field, "message": f"{field}: {message}"}
        assert await api.log(id, [point]) == expected
    assert await api.job(id, WHOLE_JOB) == before


async def test_a_point_of_another_shape_is_an_error_of_the_request(api: Api) -> None:
    id, before = await running(api)
    query = "mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) { __typename } }"
    for point, place, message in WRONG_TYPES:
        error = await api.error(query, id=id, metrics=[point])
        assert message in error["message"]
        assert place in error["message"]
    assert await api.job(id, WHOLE_JOB) == before


async def test_one_bad_point_refuses_the_whole_batch(api: Api) -> None:
    """Whichever it is: the first, one amid hundreds, the last."""
    id, before = await running(api)
    good: list[dict[str, Any]] = [{"step": step, "loss": 1} for step in range(10, 410)]
    for place in (0, 200, 400):
        batch = [*good[:place], value("a"), *good[place:]]
        answer = await api.log(id, batch)
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", f"metrics[{place}].values[0]")
    assert await api.job(id, WHOLE_JOB) == before
    assert (await api.log(id, good))["recorded"] == 400


async def test_a_batch_is_one_to_ten_thousand_points(api: Api) -> None:
    id, before = await running(api)
    points: list[dict[str, Any]] = [{"step": step, "loss": 1} for step in range(10, 10_011)]
    for batch in ([], points):
        answer = await api.log(id, batch)
        message = f"metrics: a batch is 1 to 10000 points, and this one has {'more' if batch else 'none'}."
        assert answer == {"__typename": "InvalidInput", "field": "metrics", "message": message}
    assert await api.job(id, WHOLE_JOB) == before
    answer = await api.log(id, points[:-1])
    assert (answer["recorded"], answer["job"]["metricCount"]) == (10_000, 10_001)


async def test_a_name_may_be_as_long_as_two_hundred_characters_of_any_kind_but_controls(api: Api) -> None:
    id, _ = await running(api)
    names = ["x" * 200, "é" * 200, " ", "train/loss", "loss:1", "{}", '"', "\\", "损失", "🔥", "__typename", "NaN"]
    answer = await api.log(id, [{"step": 2, "values": [{"name": name, "value": 1} for name in names]}])
    assert answer["__typename"] == "LogMetricsSuccess"
    assert [given["name"] for given in (await api.metrics(id))[-1]["values"]] == names


async def test_a_number_beyond_the_largest_is_not_taken_for_infinity(api: Api) -> None:
    """It can be written in a document. Infinity itself is given by nonFinite."""
    id, before = await running(api)
    for point, place in (
        ("loss: {}", "loss"),
        ("accuracy: -{}", "accuracy"),
        ("learningRate: {}", "learningRate"),
        ('values: [{{name: "a", value: {}}}]', "values[0].value"),
    ):
        for number in ("1e400", "1" + "0" * 400):
            metric = f"{{step: 7, {point.format(number)}}}"
            answer = await api.data(f"""mutation {{ logMetrics(id: {id}, metrics: [{metric}]) {{
                __typename ... on InvalidInput {{ field }} }} }}""")
            assert answer == {"logMetrics": {"__typename": "InvalidInput", "field": f"metrics[0].{place}"}}
    assert await api.job(id, WHOLE_JOB) == before


async def running(api: Api) -> tuple[str, dict[str, Any]]:
    """A running job with a point, and all that there is of it."""
    id = await api.started()
    await api.log(id, [{"step": 1, "loss": 0.5}])
    return id, await api.job(id, WHOLE_JOB)
