"""What the API does when it is asked for what it can do."""

from tests.api import Api


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
