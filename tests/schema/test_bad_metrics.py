"""What logMetrics answers to a batch that breaks a rule: where in the batch, and why; and nothing of it is stored."""

from typing import Any

import pytest

from tests.tools.api import BY_THE_VIEW, JOB, METRIC, Api

pytestmark = pytest.mark.sqlite_alone("refused before the store is asked")

WHOLE_JOB = f"{JOB} updatedAt metrics {{ {METRIC} }}"
TWICE = "is named twice in one point."
ONE_OF = "must have exactly one of value and nonFinite."
CONTROL = "must not contain control characters."
OBJECT = "must be an object from names to numbers."
NUMBER = 'the value of \'val_loss\' must be a finite number, or "NaN", "Infinity" or "-Infinity".'


def value(name: str, **given: Any) -> dict[str, Any]:
    """A point of one value."""
    return {"step": 7, "values": [{"name": name, **given}]}


NO_NUMBERS: list[Any] = [None, True, "nan", "1", [], {}]
BAD_POINTS: list[tuple[dict[str, Any], str, str]] = [
    ({"step": -1}, ".step", "must be 0 or more, got -1."),
    ({"step": 7, "epoch": -1}, ".epoch", "must be 0 or more, got -1."),
    (value("a"), ".values[0]", ONE_OF),
    (value("a", value=None, nonFinite=None), ".values[0]", ONE_OF),
    (value("a", value=1, nonFinite="NAN"), ".values[0]", ONE_OF),
    (value("", value=1), ".values[0].name", "must have 1 to 250 characters, got 0."),
    (value("x" * 251, value=1), ".values[0].name", "must have 1 to 250 characters, got 251."),
    (value(" \u3000 ", value=1), ".values[0].name", "must have 1 to 250 characters, got 0."),
    (value("a\u202eb", value=1), ".values[0].name", "must not contain characters that turn the direction of text."),
    ({"step": 7, "epoch": -0.5}, ".epoch", "must be 0 or more, got -0.5."),
    (value("a", value="NaN", nonFinite="NAN"), ".values[0]", ONE_OF),
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
    (
        {"step": 7, "values": [{"name": "e\u0301", "value": 1}, {"name": " \u00e9", "value": 1}]},
        ".values[1].name",
        f"'\u00e9' {TWICE}",
    ),
    *(({"step": 7, "scalars": scalars}, ".scalars", OBJECT) for scalars in ([], [1], 1, "NaN", False)),
    *(({"step": 7, "scalars": {"val_loss": bad}}, ".scalars", NUMBER) for bad in NO_NUMBERS),
    ({"step": 7, "scalars": {"": 1}}, ".scalars", "the name '' must have 1 to 250 characters, got 0."),
    ({"step": 7, "scalars": {"a\n": 1}}, ".scalars", f"the name 'a\\n' {CONTROL}"),
    ({"step": 7, "scalars": {"a": 1, " a": 2}}, ".scalars", f"'a' {TWICE}"),
    ({"step": 7, "loss": 1, "scalars": {"loss": 1}}, ".scalars", f"'loss' {TWICE}"),
    (value("a", value=1) | {"scalars": {"a": 1}}, ".scalars", f"'a' {TWICE}"),
    (
        {"step": 7, "scalars": {f"v{number}": 1 for number in range(1_001)}},
        ".scalars",
        "a point has at most 1000 values.",
    ),
    (
        value("a", value=1) | {"scalars": {f"v{number}": 1 for number in range(1_000)}},
        ".values",
        "a point has at most 1000 values.",
    ),
]
"""A point, the place of what is wrong in it, and what is wrong with it."""

WRONG_TYPES = [
    ({}, "[0]", "required field 'step'"),
    ({"step": None}, "step", "not to be None"),
    ({"step": "7"}, "step", "Long cannot represent '7'"),
    ({"step": 1.5}, "step", "Long cannot represent 1.5"),
    ({"step": 2**53}, "step", "Long cannot represent 9007199254740992"),
    ({"step": 7, "epoch": "NaN"}, "epoch", "Float cannot represent non numeric value: 'NaN'"),
    ({"step": 7, "loss": "nan"}, "loss", "Float cannot represent non numeric value: 'nan'"),
    ({"step": 7, "loss": "1.5"}, "loss", "Float cannot represent non numeric value: '1.5'"),
    ({"step": 7, "loggedAt": 1_000}, "loggedAt", "DateTime cannot represent 1000"),
    ({"step": 7, "loggedAt": "yesterday"}, "loggedAt", "DateTime cannot represent 'yesterday'"),
    ({"step": 7, "loggedAt": "0001-01-01T00:00:00+14:00"}, "loggedAt", "DateTime cannot represent"),
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
        field = f"metrics[1]{place}"
        expected = {"__typename": "InvalidInput", "field": field, "message": f"{field}: {message}"}
        assert await api.log(id, [{"step": 6}, point]) == expected
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


async def test_a_name_may_be_as_long_as_250_characters_of_any_kind_but_controls(api: Api) -> None:
    id, _ = await running(api)
    names = ["x" * 250, "é" * 250, "a b", "train/loss", "loss:1", "{}", '"', "\\", "损失", "🔥", "__typename", "NaN"]
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
        ("scalars: {{a: {}}}", "scalars"),
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


@pytest.mark.parametrize("headers", [{}, BY_THE_VIEW], ids=["by its plan", "by Strawberry"])
async def test_points_that_break_a_rule_can_be_left_out_each_with_its_reason(api: Api, headers: dict[str, str]) -> None:
    api.http.headers.update(headers)
    query = """mutation ($id: ID!, $metrics: [MetricInput!]!, $skip: Boolean!) {
        logMetrics(id: $id, metrics: $metrics, skipInvalid: $skip) { __typename
            ... on LogMetricsSuccess { recorded skipped { field message } stopRequested job { metricCount } }
            ... on InvalidInput { field message } } }"""
    id = await api.started()
    bad = [point for point, _, _ in BAD_POINTS]
    why = [{"field": f"metrics[{n}]{place}", "message": text} for n, (_, place, text) in enumerate(BAD_POINTS)]

    async def log(metrics: list[dict[str, Any]], **flags: bool) -> dict[str, Any]:
        return dict((await api.data(query, id=id, metrics=metrics, **flags))["logMetrics"])

    assert await log([*bad, {"step": 8, "loss": "NaN"}], skip=True) == {
        "__typename": "LogMetricsSuccess",
        "recorded": 1,
        "skipped": why,
        "stopRequested": False,
        "job": {"metricCount": 1},
    }
    assert (await log(bad, skip=True))["skipped"] == why, "all of a batch"
    assert (await log(bad, skip=False))["__typename"] == "InvalidInput"
    assert (await log([], skip=True))["field"] == "metrics"
    literal = query.replace("$skip)", "true)").replace(", $skip: Boolean!", "")
    assert (await api.data(literal, id=id, metrics=bad))["logMetrics"]["skipped"] == why


@pytest.mark.parametrize("headers", [{}, BY_THE_VIEW], ids=["by its plan", "by Strawberry"])
async def test_of_several_bad_points_the_first_is_named_and_the_others_beside_it(
    api: Api, headers: dict[str, str]
) -> None:
    """Whichever rules they break: also one that is known before the others are looked at."""
    api.http.headers.update(headers)
    query = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) {
        ... on InvalidInput { field others { field message } } } }"""
    id = await api.started()
    bad = [{"step": -1}, {"step": 1, "loss": 1}, value("", value=1), {"step": 2, "epoch": -1}]
    for order in (bad, bad[::-1]):
        first, *others = [n for n, point in enumerate(order) if point != bad[1]]
        answer = (await api.data(query, id=id, metrics=order))["logMetrics"]
        assert answer["field"].startswith(f"metrics[{first}].")
        assert [each["field"].split(".")[0] for each in answer["others"]] == [f"metrics[{n}]" for n in others]
    many = (await api.data(query, id=id, metrics=[{"step": -1}] * 10_000))["logMetrics"]
    assert len(many["others"]) == 100, "more would be a long answer to a mistake that is one"
    steps = (await api.data(query, id=id, metrics=[{"step": -1}, {"step": -2}]))["logMetrics"]
    assert steps["others"] == [{"field": "metrics[1].step", "message": "must be 0 or more, got -2."}]
