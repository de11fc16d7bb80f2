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
    ("name", "safe\u202egnp.exe", "must not contain characters that turn the direction of text."),
    ("project", " ", "must not be empty or blank."),
    ("group", "x" * 201, "must have at most 200 characters, got 201."),
    ("key", "", "must not be empty or blank."),
    ("notes", "a\x00b", "must not contain control characters."),
    ("notes", "x" * 10_001, "must have at most 10000 characters, got 10001."),
    ("tags", ["x"] * 101, "a job has at most 100 tags, got 101."),
    ("parentId", "9", "there is no job with the id 9."),
    ("parentId", "none", "'none' is no job id: ids are whole numbers from 1."),
    ("epochs", 0, "must be 1 or more, got 0."),
    ("stepsPerEpoch", 0, "must be 1 or more, got 0."),
    ("totalSteps", 0, "must be 1 or more, got 0."),
    ("learningRate", 0, "must be above 0 and at most 1000, got 0."),
    ("learningRate", -0.0, "must be above 0 and at most 1000, got -0."),
    ("learningRate", 1000.1, "must be above 0 and at most 1000, got 1000.1."),
    ("learningRate", 10**300, "must be above 0 and at most 1000, got 1e+300."),
    ("batchSize", 0, "must be 1 or more, got 0."),
    ("seed", -1, "must be 0 to 2147483647, got -1."),
]
"""Those that GraphQL lets pass: the answer is data."""

WRONG_TYPES = [
    ("name", None, "not to be None"),
    ("name", 5, "String cannot represent a non string value: 5"),
    ("epochs", "3", "Int cannot represent non-integer value: '3'"),
    ("epochs", 1.5, "Int cannot represent non-integer value: 1.5"),
    ("epochs", 2**31, "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ("tags", None, "not to be None"),
    ("totalSteps", 2**53, "Long cannot represent 9007199254740992"),
    ("createdAt", "yesterday", "DateTime cannot represent 'yesterday'"),
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


NOT_SIMULATED = [
    ("epochs", 100_001, "must be 1 to 100000 for a simulation, got 100001."),
    ("stepsPerEpoch", 1_000_001, "must be 1 to 1000000 for a simulation, got 1000001."),
    ("batchSize", 52, "must be a power of two, at most 1048576, for a simulation, got 52."),
    ("batchSize", 2**21, "must be a power of two, at most 1048576, for a simulation, got 2097152."),
]


@pytest.mark.parametrize(("field", "value", "message"), NOT_SIMULATED)
async def test_what_the_simulator_cannot_run_is_refused_where_a_simulation_is_asked_for_and_only_there(
    api: Api, field: str, value: Any, message: str
) -> None:
    answer = await api.create(scenario="NOISY", **{field: value})
    assert answer == {"__typename": "InvalidInput", "field": field, "message": f"{field}: {message}"}
    id = await api.created(**{field: value})
    assert (await api.job(id, field))[field] == value
    await api.start(id)
    refused = await api.step(id)
    assert refused["__typename"] == "IllegalTransition"
    assert message.rstrip(".") in refused["message"]


@pytest.mark.parametrize(("field", "value", "message"), WRONG_TYPES)
async def test_a_setting_of_another_type_is_an_error_of_the_request(
    api: Api, field: str, value: Any, message: str
) -> None:
    settings = {"name": "run", "modelName": "m", "epochs": 1, "learningRate": 0.1, field: value}
    error = await api.error(CREATE, input=settings)
    assert message in error["message"]
    assert field in error["message"]
    assert await api.data("{ jobs { id } }") == {"jobs": []}


async def test_a_name_must_be_given_and_nothing_else(api: Api) -> None:
    error = await api.error(CREATE, input={"modelName": "m"})
    assert "'name'" in error["message"] or ".name" in error["message"]
    assert (await api.data(CREATE, input={"name": "run"}))["createJob"] == {"__typename": "CreateJobSuccess"}


async def test_a_simulation_has_no_more_steps_than_an_int_can_tell(api: Api) -> None:
    """Each factor may pass where the product does not."""
    most = {"epochs": 2_147, "stepsPerEpoch": 1_000_000, "seed": 1}
    id = await api.created(**most)
    assert (await api.job(id, "totalSteps"))["totalSteps"] == 2_147_000_000
    for epochs in (2_148, 100_000):
        answer = await api.create(**{**most, "epochs": epochs})
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", "totalSteps")
        reason = f"a simulation has at most 2147483647 steps, got {epochs}000000."
        assert answer["message"] == f"totalSteps: {reason}"


async def test_the_first_setting_that_breaks_a_rule_is_named_and_the_others_beside_it(api: Api) -> None:
    """Case 40: one at a time would take as many calls as there are faults."""
    document = CREATE.replace("__typename", "... on InvalidInput { field others { field message } }")
    settings = {"name": "", "modelName": "", "epochs": 0, "learningRate": -1, "tags": ["a", "\n"], "parentId": "x"}
    answer = (await api.data(document, input=settings))["createJob"]
    assert answer["field"] == "name"
    assert answer["others"] == [
        {"field": "modelName", "message": "must not be empty or blank."},
        {"field": "tags[1]", "message": "must not be empty or blank."},
        {"field": "epochs", "message": "must be 1 or more, got 0."},
        {"field": "learningRate", "message": "must be above 0 and at most 1000, got -1."},
        {"field": "parentId", "message": "'x' is no job id: ids are whole numbers from 1."},
    ]


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
