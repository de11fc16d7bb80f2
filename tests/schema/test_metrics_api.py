"""A job's points through the API: how they are recorded, and how they are read."""

from datetime import datetime
from typing import Any

import pytest

from tests.tools.api import BY_THE_VIEW, METRIC, Api
from tests.tools.outside import Outside

Points = list[dict[str, Any]]


async def test_a_batch_sent_again_is_not_recorded_again(api: Api) -> None:
    """So a client that lost the answer can send it once more."""
    id = await api.started()
    batch = [*points(1, 2, 3), {"step": 3, "values": [{"name": "b", "nonFinite": "NAN"}, {"name": "a", "value": -0.0}]}]
    assert (await api.log(id, batch))["recorded"] == 4
    before = await api.metrics(id)
    again = await api.log(id, batch)
    assert (again["recorded"], again["job"]["metricCount"]) == (0, 4)
    assert await api.metrics(id) == before


async def test_the_values_of_a_point_come_in_the_order_they_were_logged(api: Api) -> None:
    """Loss, accuracy and learning rate among them: first, as they are first in the input."""
    id = await api.started()
    named = [
        {"name": name, "value": value} for name, value in (("z", 1), ("val/loss", 2), ("A", 3), ("10", 4), ("9", 5))
    ]
    await api.log(id, [{"step": 1, "values": named, "learningRate": 0.5, "loss": 0.25, "accuracy": 0.75}])
    (point,) = await api.metrics(id)
    assert [point[name] for name in ("loss", "accuracy", "learningRate")] == [0.25, 0.75, 0.5]
    names = ["loss", "accuracy", "learningRate", "z", "val/loss", "A", "10", "9"]
    assert [value["name"] for value in point["values"]] == names
    asked = await api.job(id, 'metrics { values(names: ["9", "none", "z", "loss", "z"]) { name value } }')
    found = [(each["name"], each["value"]) for each in asked["metrics"][0]["values"]]
    assert found == [("loss", 0.25), ("z", 1), ("9", 5)]
    assert await api.job(id, "metrics { values(names: []) { name } }") == {"metrics": [{"values": []}]}


async def test_points_are_read_from_a_seq_on_a_page_at_a_time(api: Api) -> None:
    id = await api.started()
    other = await api.started()
    await api.log(id, points(*range(1, 251)))
    await api.log(other, points(*range(1, 11)))
    seqs = [point["seq"] for point in (await api.job(id, "metrics { seq }"))["metrics"]]
    assert seqs == list(range(1, 201))  # 200, where no limit is given
    for limit in (7, 125, 10_000):
        read: list[int] = []
        while page := await api.metrics(id, limit=limit, after=read[-1] if read else 0):
            assert len(page) <= limit
            read += [point["seq"] for point in page]
        assert read == list(range(1, 251))
    assert await api.metrics(id, after=250) == []
    assert await api.metrics(id, after=2**31 - 1) == []


async def test_the_latest_points_are_in_ascending_order_too(api: Api) -> None:
    id = await api.started()
    assert await api.job(id, "latestMetrics { seq }") == {"latestMetrics": []}
    await api.log(id, points(9, 8, 7, 6, 5))
    job = await api.job(
        id, "latestMetrics { seq step } three: latestMetrics(count: 3) { seq } all: latestMetrics(count: 9) { seq }"
    )
    assert job["latestMetrics"] == [{"seq": 5, "step": 5}]
    assert [point["seq"] for point in job["three"]] == [3, 4, 5]
    assert [point["seq"] for point in job["all"]] == [1, 2, 3, 4, 5]


async def test_a_batch_says_when_it_was_recorded(api: Api) -> None:
    id = await api.started()
    for batch in (points(1, 2), points(3)):
        await api.log(id, batch)
    job = await api.job(id, "startedAt updatedAt metrics { recordedAt }")
    times = [datetime.fromisoformat(point["recordedAt"]) for point in job["metrics"]]
    assert times[0] == times[1] < times[2]
    assert datetime.fromisoformat(job["startedAt"]) < times[0]
    assert all(str(time.utcoffset()) == "0:00:00" for time in times)


async def test_a_diverging_run_shows_where_it_left_the_numbers_and_breaks_no_answer(api: Api) -> None:
    """Infinity for a while, then NaN to the end; null among the losses, and every other value still there."""
    id = await api.started(scenario="DIVERGENCE", stepsPerEpoch=40)
    answers = [await api.step(id) for _ in range(41)]
    assert answers[-1]["job"]["status"] == "COMPLETE"
    read = await api.metrics(id)
    assert read == [answer["metric"] for answer in answers[:-1]]
    kinds = [next(value["nonFinite"] for value in point["values"] if value["name"] == "loss") for point in read]
    assert kinds == [None] * 35 + ["INFINITY"] * 2 + ["NAN"] * 3
    assert [point["loss"] is None for point in read] == [kind is not None for kind in kinds]
    assert all(point["accuracy"] is not None and point["learningRate"] is not None for point in read)


def points(*steps: int) -> Points:
    """A point with a loss at each of the steps."""
    return [{"step": step, "loss": step / 10} for step in steps]


async def test_a_point_has_at_most_a_thousand_values(api: Api) -> None:
    id = await api.started()
    values = [{"name": f"v{number}", "value": 1.0} for number in range(1_001)]
    assert (await api.log(id, [{"step": 1, "values": values}]))["field"] == "metrics[0].values"
    assert (await api.log(id, [{"step": 1, "values": values[:1_000]}]))["recorded"] == 1


@pytest.mark.parametrize("headers", [{}, BY_THE_VIEW], ids=["by its plan", "by Strawberry"])
async def test_numbers_may_be_given_by_name_and_those_that_json_lacks_in_their_usual_text(
    api: Api, headers: dict[str, str]
) -> None:
    api.http.headers.update(headers)
    id = await api.started()
    point = {
        "step": 2**53 - 1,
        "epoch": 0.19,
        "loss": "NaN",
        "accuracy": 0.5,
        "learningRate": "-Infinity",
        "values": [{"name": "b", "value": "Infinity"}, {"name": " e\u0301 ", "value": 2}],
        "scalars": {"z": 1, "val_loss": "NaN", "a": -0.5},
        "loggedAt": "2026-11-30T12:00:00.000001+02:00",
    }
    for recorded in (1, 0):
        assert (await api.log(id, [point]))["recorded"] == recorded
    job = await api.job(id, f"metrics {{ {METRIC} loggedAt }}")
    (read,) = job["metrics"]
    assert [(value["name"], value["value"], value["nonFinite"]) for value in read.pop("values")] == [
        ("loss", None, "NAN"),
        ("accuracy", 0.5, None),
        ("learningRate", None, "NEGATIVE_INFINITY"),
        ("b", None, "INFINITY"),
        ("\u00e9", 2, None),
        ("z", 1, None),
        ("val_loss", None, "NAN"),
        ("a", -0.5, None),
    ]
    assert read == {
        "seq": 1,
        "step": 2**53 - 1,
        "epoch": 0.19,
        "loss": None,
        "accuracy": 0.5,
        "learningRate": None,
        "loggedAt": "2026-11-30T10:00:00.000001+00:00",
    }


async def test_scalars_may_stand_in_the_document(api: Api) -> None:
    id = await api.started()
    point = '{ step: 1, scalars: { a: 1, b: "NaN", c: 2.5 } }'
    logged = await api.data(f"mutation {{ logMetrics(id: {id}, metrics: [{point}]) {{ __typename }} }}")
    assert logged == {"logMetrics": {"__typename": "LogMetricsSuccess"}}
    (read,) = await api.metrics(id)
    assert [value["value"] for value in read["values"]] == [1, None, 2.5]


async def test_a_name_that_is_asked_for_is_trimmed_and_in_nfc_as_what_was_logged(api: Api) -> None:
    """Case 25: however a client writes it."""
    id = await api.started(name="r\u00e9sum\u00e9")
    await api.log(id, [{"step": 1, "scalars": {" e\u0301 ": 2, "loss": 1}}])
    names = ["e\u0301", " \u00e9", "\u00e9", " loss "]
    fields = "series(names: $n) { name } curves(names: $n) { name value } metrics { values(names: $n) { name } }"
    job = (await api.data(f"query ($id: ID!, $n: [String!]!) {{ job(id: $id) {{ {fields} }} }}", id=id, n=names))["job"]
    assert {each["name"] for each in job["series"]} == {"\u00e9", "loss"}
    assert [(each["name"], each["value"]) for each in job["curves"]] == [
        *((name, [2]) for name in names[:3]), (" loss ", [1]),
    ]  # fmt: skip
    assert {each["name"] for each in job["metrics"][0]["values"]} == {"\u00e9", "loss"}
    find = "query ($s: String!) { jobs(search: $s) { id } jobList(filter: { search: $s }) { totalCount } }"
    assert await api.data(find, s="RE\u0301SUME\u0301") == {"jobs": [{"id": id}], "jobList": {"totalCount": 1}}


async def test_the_series_of_many_jobs_are_named_or_few_or_refused(api: Api, outside: Outside) -> None:
    """A short request must not fill the server's memory, whatever is stored."""
    ids = [await api.started() for _ in range(2)]
    await api.log(ids[0], [{"step": 1, "scalars": {f"v{number}": 1 for number in range(1_000)}}])
    columns = "name, first_seq, count, non_finite_count, last_seq, last_step, last_value, last_us, is_main"
    for copy in range(1, 51):
        renamed = columns.replace("name", f"name || '.{copy}'", 1)
        outside.execute(
            f"INSERT INTO series (job_id, {columns}) SELECT {ids[1]}, {renamed} FROM series WHERE job_id = {ids[0]}"
        )
    error = (await api.post("{ jobs { series { name } } }"))["errors"][0]
    assert error["extensions"]["code"] == "TOO_COSTLY"
    assert 'name them, as in series(names: ["loss"])' in error["message"]
    named = await api.data('{ jobs { series(names: ["v7"]) { name } } }')
    assert named == {"jobs": [{"series": []}, {"series": [{"name": "v7"}]}]}
