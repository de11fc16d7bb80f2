"""A job's life through the API."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from simulator.scenarios import Scenario
from simulator.schedules import Schedule
from tests.tools.api import Api
from tests.tools.outside import Outside

SETTINGS = "name modelName epochs stepsPerEpoch totalSteps learningRate batchSize scenario schedule seed"
TIMES = "createdAt updatedAt startedAt finishedAt"
STATE = "status progress metricCount failureReason"


async def test_a_job_runs_from_its_creation_to_its_end(api: Api) -> None:
    id = await api.created(name="first", epochs=1, stepsPerEpoch=3)
    assert (await api.job(id))["status"] == "QUEUED"
    assert (await api.start(id))["job"]["status"] == "RUNNING"
    answers = [await api.step(id) for _ in range(5)]
    assert [answer["__typename"] for answer in answers] == ["SimulateStepSuccess"] * 4 + ["IllegalTransition"]
    assert [answer["progress"] for answer in answers[:4]] == [1 / 3, 2 / 3, 1, 1]
    assert [answer["complete"] for answer in answers[:4]] == [False, False, False, True]
    assert answers[3]["metric"] is None
    assert [answer["metric"]["seq"] for answer in answers[:3]] == [1, 2, 3]
    job = await api.job(id)
    assert (job["status"], job["progress"], job["metricCount"]) == ("COMPLETE", 1, 3)


BELONGING = "project group tags notes simulation { scenario schedule seed }"


async def test_of_a_job_of_which_only_the_name_is_said_nothing_is_made_up(api: Api) -> None:
    """Case 3: no batch size, schedule and scenario that nobody said."""
    answer = await api.data('mutation { createJob(input: {name: "run"}) { ... on CreateJobSuccess { job { id } } } }')
    id = answer["createJob"]["job"]["id"]
    queued: dict[str, Any] = {
        **dict.fromkeys(SETTINGS.split()),
        "name": "run",
        "project": "default",
        "group": None,
        "tags": [],
        "notes": "",
        "simulation": None,
        "status": "QUEUED",
        "progress": None,
        "metricCount": 0,
        "failureReason": None,
    }
    assert await api.job(id, f"{SETTINGS} {BELONGING} {STATE}") == queued
    await api.start(id)
    await api.log(id, [{"step": 7, "loss": 0.5}])
    logged = {**queued, "status": "RUNNING", "metricCount": 1}
    assert await api.job(id, f"{SETTINGS} {BELONGING} {STATE}") == logged


async def test_a_job_with_a_total_has_the_simulators_settings_from_its_first_simulated_step(api: Api) -> None:
    id = await api.created(name="run", modelName="m", epochs=3, learningRate=0.25)
    queued = {
        **dict.fromkeys(SETTINGS.split()),
        "name": "run",
        "modelName": "m",
        "epochs": 3,
        "stepsPerEpoch": 100,
        "totalSteps": 300,
        "learningRate": 0.25,
    }
    assert await api.job(id, SETTINGS) == queued
    await api.start(id)
    await api.step(id)
    job = await api.job(id, SETTINGS)
    assert 0 <= job.pop("seed") < 2**31  # drawn
    assert {**queued, **job} == {**queued, "batchSize": 32, "scenario": "HEALTHY", "schedule": "CONSTANT"}


async def test_a_new_job_that_asks_for_a_simulation_has_its_settings_at_their_defaults(api: Api) -> None:
    id = await api.created(name="run", modelName="m", epochs=3, learningRate=0.25, scenario="HEALTHY")
    job = await api.job(id, f"{SETTINGS} {STATE}")
    assert 0 <= job.pop("seed") < 2**31  # drawn
    given = {"name": "run", "modelName": "m", "epochs": 3, "learningRate": 0.25}
    defaults = {"stepsPerEpoch": 100, "batchSize": 32, "scenario": "HEALTHY", "schedule": "CONSTANT"}
    state = {"totalSteps": 300, "status": "QUEUED", "progress": 0, "metricCount": 0, "failureReason": None}
    assert job == {**given, **defaults, **state}


async def test_a_new_job_has_the_settings_it_was_given(api: Api) -> None:
    """At the ends of their ranges."""
    fields = ("epochs", "stepsPerEpoch", "learningRate", "batchSize", "seed")
    for numbers in ((1, 1, 5e-324, 1, 0), (100_000, 21_474, 1000, 2**20, 2**31 - 1)):
        names = {"name": "x" * 200, "modelName": "模" * 200, "scenario": "SPIKES", "schedule": "COSINE"}
        given: dict[str, Any] = {**names, **dict(zip(fields, numbers, strict=True))}
        id = await api.created(**given)
        assert given.items() <= (await api.job(id, SETTINGS)).items()
    id = await api.created(name=" \n my  run\t", modelName="\u3000resnet\u00a0")
    assert await api.job(id, "name modelName") == {"name": "my  run", "modelName": "resnet"}, "trimmed"


async def test_every_scenario_with_every_schedule_makes_a_job_that_can_be_stepped(api: Api) -> None:
    for scenario, schedule in product(Scenario, Schedule):
        id = await api.started(scenario=scenario.name, schedule=schedule.name)
        assert await api.job(id, "scenario schedule") == {"scenario": scenario.name, "schedule": schedule.name}
        assert (await api.step(id))["metric"]["step"] == 1


async def test_the_times_of_a_job_follow_its_life(api: Api) -> None:
    """In UTC. What happens later is later, and what has happened stays."""
    before = datetime.now(UTC)
    id = await api.created(stepsPerEpoch=2)
    seen = [await api.job(id, TIMES)]
    for _ in range(4):
        await (api.start if len(seen) == 1 else api.step)(id)
        seen.append(await api.job(id, TIMES))
    created, started, *_, finished = [{name: parsed(time) for name, time in times.items()} for times in seen]
    assert before < created["createdAt"] == created["updatedAt"] < datetime.now(UTC)
    assert (created["startedAt"], created["finishedAt"]) == (None, None)
    assert (started["startedAt"], started["finishedAt"]) == (started["updatedAt"], None)
    assert finished["finishedAt"] == finished["updatedAt"]
    assert {times["createdAt"] for times in seen} == {seen[0]["createdAt"]}
    assert {times["startedAt"] for times in seen[1:]} == {seen[1]["startedAt"]}
    assert [times["updatedAt"] for times in seen] == sorted({times["updatedAt"] for times in seen})
    assert all(time.utcoffset() == timedelta(0) for time in finished.values())


async def test_a_failed_job_says_why(api: Api) -> None:
    for given, kept in (
        (None, "Stopped on request."),
        ("", "Stopped on request."),
        (" \n", "Stopped on request."),
        (" the loss went up ", "the loss went up"),
        ("line\nline — ∞ 🔥 <b>", "line\nline — ∞ 🔥 <b>"),
        ("a\0b", "ab"),
        ("x" * 2_000, "x" * 2_000),
        ("x" * 1_000_000, "x" * 1_999 + "…"),
    ):
        id = await api.created()
        answer = await api.fail(id, given)
        assert answer["job"]["failureReason"] == kept
        assert (await api.job(id))["failureReason"] == kept


async def test_every_read_is_fresh(api: Api, outside: Outside) -> None:
    id = await api.created()
    query = f'{{ jobs {{ name status }} job(id: "{id}") {{ name status }} }}'
    for column, value in (("name", "renamed"), ("status", "RUNNING")):
        outside.execute(f"UPDATE job SET {column} = ?", [value])
        data: dict[str, Any] = await api.data(query)
        assert data["job"][column] == data["jobs"][0][column] == value


async def test_the_mutations_of_one_request_run_one_after_another(api: Api) -> None:
    id = await api.created()
    names = ["a", "b", "c"]
    steps = " ".join(
        f"{name}: simulateStep(id: {id}) {{ ... on SimulateStepSuccess {{ metric {{ step }} }} }}" for name in names
    )
    data = await api.data(f"mutation {{ startJob(id: {id}) {{ __typename }} {steps} }}")
    assert [data[name] for name in names] == [{"metric": {"step": step}} for step in (1, 2, 3)]


def parsed(time: str | None) -> Any:
    return time and datetime.fromisoformat(time)
