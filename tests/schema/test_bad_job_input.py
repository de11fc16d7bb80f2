"""What createJob answers to settings that no job can have: which one it is, by the name it was given under, and why."""

from typing import Any

import pytest

from tests.tools.api import Api

pytestmark = pytest.mark.sqlite_alone("refused before the store is asked")

CREATE = "mutation ($input: CreateJobInput!) { createJob(input: $input) { __typename } }"
BAD_SETTINGS = [
    ("name", "", "must not be empty or blank."),
    ("name", " \t\n", "must not be empty or blank."),
    ("name", "\u00a0\u3000", "must not be empty or blank."),  # spaces, too
    ("name", "x" * 201, "must have at most 200 characters, got 201."),
    ("name", "two\nlines", "must not contain control characters."),
    ("name", "a\x00b", "must not contain control characters."),
    ("name", "red \x1b[31m", "must not contain control characters."),
    ("name", "a\u0085b", "must not contain control characters."),
    ("modelName", "", "must not be empty or blank."),
    ("modelName", "res\tnet", "must not contain control characters."),
    ("epochs", 0, "must be 1 to 100000, got 0."),
    ("epochs", 100_001, "must be 1 to 100000, got 100001."),
    ("stepsPerEpoch", 0, "must be 1 to 1000000, got 0."),
    ("stepsPerEpoch", 1_000_001, "must be 1 to 1000000, got 1000001."),
    ("learningRate", 0, "must be above 0 and at most 1000, got 0."),
    ("learningRate", -0.0, "must be above 0 and at most 1000, got -0."),
    ("learningRate", 1000.1, "must be above 0 and at most 1000, got 1000.1."),
    ("learningRate", 10**300, "must be above 0 and at most 1000, got 1e+300."),
    ("batchSize", 0, "must be 1 to 1048576, got 0."),
    ("batchSize", 3, "must be a power of two, got 3."),
    ("batchSize", 2**21, "must be 1 to 1048576, got 2097152."),
    ("seed", -1, "must be 0 to 2147483647, got -1."),
]
"""Those that GraphQL lets pass: the answer is data."""

WRONG_TYPES = [
    ("name", None, "not to be None"),
    ("name", 5, "String cannot represent a non string value: 5"),
    ("epochs", "3", "Int cannot represent non-integer value: '3'"),
    ("epochs", 1.5, "Int cannot represent non-integer value: 1.5"),
    ("epochs", 2**31, "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ("stepsPerEpoch", None, "not to be None"),
    ("learningRate", "NaN", "Float cannot represent non numeric value: 'NaN'"),
    ("learningRate", "Infinity", "Float cannot represent non numeric value: 'Infinity'"),
    ("learningRate", True, "Float cannot represent non numeric value: True"),
    ("scenario", "healthy", "does not exist in 'Scenario' enum"),
    ("schedule", "WARMUP", "does not exist in 'Schedule' enum"),
    ("seed", 2**31, "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ("colour", "blue", "not to include unknown field 'colour'"),
]
"""Those that GraphQL refuses itself: the answer is its own error."""


async def test_a_setting_that_breaks_a_rule_is_named_and_no_job_is_made(api: Api) -> None:
    for field, value, message in BAD_SETTINGS:
        answer = await api.create(**{field: value})
        assert answer == {"__typename": "InvalidInput", "field": field, "message": f"{field}: {message}"}
    answer = await api.create(name="", modelName="", epochs=0, learningRate=-1)
    assert answer["field"] == "name", "the first"
    assert await api.data("{ jobs { id } }") == {"jobs": []}


async def test_a_setting_of_another_type_or_missing_is_an_error_of_the_request(api: Api) -> None:
    settings: dict[str, Any] = {"name": "run", "modelName": "m", "epochs": 1, "learningRate": 0.1}
    for field, value, message in WRONG_TYPES:
        error = await api.error(CREATE, input={**settings, field: value})
        assert message in error["message"]
        assert field in error["message"]
    for field in settings:
        error = await api.error(CREATE, input={name: value for name, value in settings.items() if name != field})
        assert f"'{field}'" in error["message"] or f".{field}" in error["message"]
    assert await api.data("{ jobs { id } }") == {"jobs": []}


async def test_a_run_has_no_more_steps_than_an_int_can_tell(api: Api) -> None:
    """Each factor may pass where the product does not: totalSteps is a GraphQL Int, at most 2^31 - 1."""
    most = {"epochs": 2_147, "stepsPerEpoch": 1_000_000}
    id = await api.created(**most)
    assert (await api.job(id, "totalSteps"))["totalSteps"] == 2_147_000_000
    for epochs in (2_148, 100_000):
        answer = await api.create(**{**most, "epochs": epochs})
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", "stepsPerEpoch")
        reason = f"epochs × steps an epoch must be at most 2147483647, got {epochs}000000."
        assert answer["message"] == f"stepsPerEpoch: {reason}"


async def test_a_number_in_the_document_is_a_finite_one_and_no_larger_than_the_largest(api: Api) -> None:
    for word in ("NaN", "Infinity", "INFINITY"):
        error = await api.error(create_with(f"learningRate: {word}"))
        assert error["message"] == f"Float cannot represent non numeric value: {word}"
    for number, shown in (("1e400", "inf"), ("-1e400", "-inf"), ("1" + "0" * 300, "1e+300")):
        answer = (await api.data(create_with(f"learningRate: {number}")))["createJob"]
        assert answer["message"] == f"learningRate: must be above 0 and at most 1000, got {shown}."


def create_with(field: str) -> str:
    return f"""mutation {{ createJob(input: {{name: "run", modelName: "m", epochs: 1, {field}}}) {{
        __typename ... on InvalidInput {{ field message }} }} }}"""
