"""What the API answers where it is asked for what cannot be: by id, by range, by status, and by what is no GraphQL."""

from itertools import product
from typing import Any

import pytest

from tests.tools.api import JOB, METRIC, Api
from tests.tools.sockets import Socket

pytestmark = pytest.mark.sqlite_alone("refused before the store is asked")

NO_IDS = [
    *["", " ", "abc", -1, 0, "-1", "+1", "007", "1.5", "1e3", "0x1", " 1", "1\n"],
    *["１２", "٣"],  # digits, full-width and Arabic
    *[2**63, 2**70, str(2**70), "1 OR 1=1", "Sm9iOjE=", "9" * 10_000],
]
NO_JOBS = ["2", "404", str(2**63 - 1)]
VERBS = {
    "startJob": "",
    "simulateStep": "",
    "completeJob": "",
    "failJob": "",
    "logMetrics": ", metrics: [{step: 1, loss: 2}]",
}
REFUSED = {
    "QUEUED": ["simulateStep", "completeJob", "logMetrics"],
    "RUNNING": ["startJob"],
    "COMPLETE": [*VERBS],
    "FAILED": [*VERBS],
}
WHOLE_JOB = f"{JOB} updatedAt metrics {{ {METRIC} }}"


async def test_a_verb_answers_that_there_is_no_job_with_an_id_that_is_none(api: Api) -> None:
    """By that id, as it was given, or its beginning: spelled another way it is not the id of the job that is there."""
    id = await api.created()
    before = await api.job(id, WHOLE_JOB)
    for verb, given in product(VERBS, [*NO_IDS, *NO_JOBS]):
        answer = await act(api, verb, given)
        shown = str(given) if len(str(given)) <= 40 else str(given)[:40] + "…"
        assert (answer["__typename"], answer["id"]) == ("JobNotFound", shown)
        assert len(answer["message"]) < 200
    assert await api.job(id, WHOLE_JOB) == before


async def test_a_job_is_read_by_an_id_and_one_that_is_not_there_is_null(api: Api) -> None:
    await api.created()
    for given in NO_IDS:
        error = await api.error("query ($id: ID!) { job(id: $id) { id } }", id=given)
        assert_bad(error, "id", "whole numbers from 1")
    for id in NO_JOBS:
        assert await api.job(id) is None


async def test_the_last_job_of_a_page_is_named_by_its_id(api: Api) -> None:
    """A page below a job that is not there would begin nowhere."""
    await api.created()
    for given in [*NO_IDS, *NO_JOBS]:
        assert_bad(await api.error("query ($after: ID) { jobs(after: $after) { id } }", after=given), "after", "id")


async def test_a_subscription_to_an_id_that_is_none_is_refused(socket: Socket) -> None:
    for root, argument in (("metricAdded(jobId: $id) { seq }", "jobId"), ("jobChanged(id: $id) { id }", "id")):
        subscription = f"subscription ($id: ID!) {{ {root} }}"
        for given in NO_IDS:
            assert_bad(await refusal(socket, subscription, id=given), argument, "whole numbers from 1")
        for given in NO_JOBS:
            error = await refusal(socket, subscription, id=given)
            assert error["extensions"]["code"] == "NOT_FOUND"
            assert error["message"] == f"There is no job with the id {given}."


async def test_a_number_out_of_its_range_is_refused_by_name(api: Api) -> None:
    await api.created()
    for selection, lowest, highest in (
        ("jobs(limit: {}) {{ id }}", 1, 500),
        ('job(id: "1") {{ metrics(limit: {}) {{ seq }} }}', 1, 10_000),
        ('job(id: "1") {{ metrics(after: {}) {{ seq }} }}', 0, None),
        ('job(id: "1") {{ latestMetrics(count: {}) {{ seq }} }}', 1, 10_000),
    ):
        argument = selection.partition(": {}")[0].rpartition("(")[2]
        for value in (lowest, highest or 2**31 - 1):
            await api.data("{" + selection.format(value) + "}")
        for value in (lowest - 1, -(2**31), *([highest + 1, 2**31 - 1] if highest else [])):
            error = await api.error("{" + selection.format(value) + "}")
            bounds = f"{lowest} to {highest}" if highest else f"{lowest} or more"
            assert_bad(error, argument, f"{bounds}, got {value}")
        assert "32-bit" in (await api.error("{" + selection.format(2**31) + "}"))["message"]


async def test_a_job_whose_status_does_not_allow_a_verb_stays_as_it_is(api: Api) -> None:
    """The answer carries it whole, so that a client that was late can show what is true."""
    for status, verbs in REFUSED.items():
        id = await job_that_is(api, status)
        before = await api.job(id, WHOLE_JOB)
        for verb in verbs:
            answer = await act(api, verb, id)
            assert answer["__typename"] == "IllegalTransition"
            assert answer["message"].startswith(f"Job {id} is {status}: only a ")
            assert answer["job"] == before
            assert await api.job(id, WHOLE_JOB) == before


async def test_a_mistake_in_the_request_is_reported_as_it_is(api: Api) -> None:
    """Only what goes wrong inside is hidden: the author of a query needs to read what is wrong with it."""
    for query, message in (
        ("{ jobs { id", "Syntax Error: Expected Name, found <EOF>."),
        ("{ jobs { id } } }", "Syntax Error: Unexpected '}'."),
        ("{ jobs { nmae } }", "Cannot query field 'nmae' on type 'Job'. Did you mean 'name'?"),
        ("{ jobs }", "Field 'jobs' of type '[Job!]!' must have a selection of subfields."),
        ("{ job { id } }", "of type 'ID!' is required, but it was not provided."),
        ("{ jobs(limit: 1.5) { id } }", "Int cannot represent non-integer value: 1.5"),
        ("{ jobs(status: [BUSY]) { id } }", "Value 'BUSY' does not exist in 'JobStatus' enum."),
        ("{ job(id: true) { id } }", "ID cannot represent a non-string and non-integer value: true"),
        ("query ($id: ID!) { job(id: $id) { id } }", "Variable '$id' has invalid value"),
        ("mutation { eraseJob(id: 1) { id } }", "Cannot query field 'eraseJob' on type 'Mutation'."),
    ):
        answer = await api.post(query)
        assert "data" not in answer  # nothing was run
        assert message in answer["errors"][0]["message"]


async def test_a_body_that_is_no_json_or_asks_for_nothing_is_a_bad_request(api: Api) -> None:
    nan, infinite = (f'{{"query": "{{ jobs }}", "variables": {{"a": {number}}}}}' for number in ("NaN", "1e400"))
    nothing = ['"{ jobs { id } }"', "5", "null", "[]", "{}", '{"query": 5}', '{"query": null}']
    for body in ["", "{", "\x00", '"\\ud800"', nan, infinite, *nothing]:
        response = await api.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400, body


async def job_that_is(api: Api, status: str) -> str:
    """A job in a status, with a point where it can have one."""
    id = await api.created()
    if status != "QUEUED":
        await api.start(id)
        await api.log(id, [{"step": 1, "loss": 0.5, "values": [{"name": "nan", "nonFinite": "NAN"}]}])
    if status == "COMPLETE":
        await api.complete(id)
    if status == "FAILED":
        await api.fail(id, "it had to be")
    assert (await api.job(id))["status"] == status
    return id


async def act(api: Api, verb: str, id: Any) -> dict[str, Any]:
    """What a verb answers, which must be an error as data."""
    query = f"""mutation ($id: ID!) {{ {verb}(id: $id{VERBS[verb]}) {{
        __typename ... on Error {{ message }}
        ... on JobNotFound {{ id }} ... on IllegalTransition {{ job {{ {WHOLE_JOB} }} }} }} }}"""
    answer: dict[str, Any] = (await api.data(query, id=id))[verb]
    return answer


async def refusal(socket: Socket, subscription: str, **variables: Any) -> dict[str, Any]:
    """The one error that refuses an operation."""
    message = await socket.message(await socket.subscribe(subscription, **variables))
    assert message["type"] == "error", message
    (error,) = message["payload"]
    assert isinstance(error, dict)
    return error


def assert_bad(error: dict[str, Any], argument: str, reason: str) -> None:
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}
    assert error["message"].startswith(f"{argument}: ")
    assert reason in error["message"]
