"""Runs of real loops that other trackers refused or told wrongly, by the numbers of the cases that were collected."""

from typing import Any

import pytest

from tests.tools.api import Api

pytestmark = pytest.mark.sqlite_alone("what is told of a run is the same on both kinds")

PLAN = "epochs stepsPerEpoch totalSteps progress endedEarly"


async def run(api: Api, **settings: Any) -> str:
    """The id of a running job of which no more is said."""
    made = await api.data(
        """mutation ($input: CreateJobInput!) { createJob(input: $input) {
        ... on CreateJobSuccess { job { id } } ... on InvalidInput { field message } } }""",
        input={"name": "run", "start": True, **settings},
    )
    return str(made["createJob"]["job"]["id"])


async def test_4_nothing_is_told_of_an_end_that_is_unknown_until_it_is_said(api: Api) -> None:
    id = await run(api, epochs=3)
    await api.log(id, [{"step": 2_000, "epoch": 0.69, "loss": 1}, {"step": 500, "epoch": 0.19, "loss": 2}])
    unknown = {"epochs": 3, "stepsPerEpoch": None, "totalSteps": None, "progress": None, "endedEarly": False}
    assert await api.job(id, PLAN) == unknown
    assert [point["epoch"] for point in await api.metrics(id)] == [0.69, 0.19]
    await api.data("mutation ($id: ID!) { updateJob(id: $id, input: { totalSteps: 8712 }) { __typename } }", id=id)
    assert (await api.job(id, PLAN))["progress"] == pytest.approx(2_000 / 8_712)
    await api.log(id, [{"step": 9_000, "loss": 1}])
    assert (await api.job(id, PLAN))["progress"] is None, "it was passed"


@pytest.mark.parametrize(
    "plan",
    [
        {"batchSize": 52},
        {"batchSize": 120, "learningRate": None},
        {"batchSize": 2**31 - 1, "epochs": 2**31 - 1},
        {"stepsPerEpoch": 2_000_000, "epochs": 4_000},
        {"totalSteps": 2**53 - 1},
    ],
    ids=str,
)
async def test_5_the_rules_of_the_simulator_do_not_bind_a_real_run(api: Api, plan: dict[str, Any]) -> None:
    id = await run(api, **plan)
    assert (await api.log(id, [{"step": 1, "loss": 1}]))["recorded"] == 1
    assert await api.job(id, " ".join(plan)) == plan


async def test_6_a_run_that_was_ended_goes_on_and_one_that_is_complete_takes_late_points(api: Api) -> None:
    id = await run(api)
    await api.log(id, [{"step": 1, "loss": 1}])
    await api.fail(id, "SIGTERM")
    assert (await api.log(id, [{"step": 2, "loss": 1}]))["__typename"] == "IllegalTransition"
    assert (await api.start(id))["__typename"] == "IllegalTransition", "it is resumed"
    assert (await api.resume(id))["job"]["status"] == "RUNNING"
    assert (await api.log(id, [{"step": 2, "loss": 1}]))["recorded"] == 1
    await api.complete(id)
    test = [{"step": 2, "scalars": {"test/acc": 0.9}}]
    assert (await api.log(id, test))["__typename"] == "IllegalTransition"
    assert (await api.log(id, test, late=True))["recorded"] == 1
    job = await api.job(id, "status attempt failureReason attempts { outcome } series { name }")
    assert job == {
        "status": "COMPLETE",
        "attempt": 2,
        "failureReason": None,
        "attempts": [{"outcome": "FAILED"}, {"outcome": "COMPLETED"}],
        "series": [{"name": "loss"}, {"name": "test/acc"}],
    }


async def test_7_a_run_that_goes_on_from_a_checkpoint_has_one_branch(api: Api) -> None:
    id = await run(api, totalSteps=390)
    await api.log(id, [{"step": step, "loss": 100 - step} for step in range(0, 101, 10)])
    await api.fail(id)
    await api.resume(id, 50)
    assert (await api.job(id, "progress"))["progress"] == pytest.approx(50 / 390)
    await api.log(id, [{"step": step, "loss": 50} for step in range(55, 196, 10)])
    fields = 'progress metricCount curves(names: ["loss"]) { step } series { count lowest { step } last { step } }'
    job = await api.job(id, fields)
    assert job["curves"][0]["step"] == [*range(0, 51, 10), *range(55, 196, 10)]
    assert job["series"] == [{"count": 21, "lowest": {"step": 50}, "last": {"step": 195}}]
    assert (job["metricCount"], job["progress"]) == (26, 0.5)


@pytest.mark.parametrize("step", [2**31 - 1, 2**31, 5 * 10**9, 2**53 - 1])
async def test_10_a_step_is_any_whole_number_that_json_can_tell(api: Api, step: int) -> None:
    id = await run(api, totalSteps=2**53 - 1)
    assert (await api.log(id, [{"step": step, "loss": 1}]))["recorded"] == 1
    job = await api.job(id, 'progress metrics { step } curves(names: ["loss"]) { step } series { last { step } }')
    assert job["progress"] == step / (2**53 - 1)
    assert job["metrics"] == [{"step": step}] == [job["series"][0]["last"]]
    assert job["curves"] == [{"step": [step]}]


async def test_47_a_job_that_logs_is_not_simulated_nor_the_other_way_round(api: Api) -> None:
    logs, simulated = await api.started(), await api.started()
    await api.log(logs, [{"step": 1, "loss": 1}])
    await api.step(simulated)
    assert (await api.step(logs))["__typename"] == "IllegalTransition"
    assert (await api.log(simulated, [{"step": 2, "loss": 1}]))["__typename"] == "IllegalTransition"
    assert await api.job(logs, "status simulation { seed }") == {"status": "RUNNING", "simulation": None}


async def test_48_points_of_a_batch_lie_where_they_were_measured_in_time(api: Api) -> None:
    id = await run(api, createdAt="2026-01-01T00:00:00Z")
    await api.log(id, [{"step": n, "loss": 1, "loggedAt": f"2026-01-01T00:{n:02}:30Z"} for n in range(60)])
    (curve,) = (await api.job(id, 'curves(names: ["loss"], axis: TIME) { x }'))["curves"]
    assert curve["x"] == [60 * n + 30 for n in range(60)]


@pytest.mark.parametrize("field", ["totalSteps", "batchSize"])
async def test_a_plan_that_the_simulator_cannot_run_is_named_as_people_read_it(api: Api, field: str) -> None:
    id = await run(api, epochs=1, **{field: 2**31 - 1 + (field == "totalSteps")})
    message = (await api.step(id))["message"]
    assert {"totalSteps": "total steps: ", "batchSize": "batch size: "}[field] in message
