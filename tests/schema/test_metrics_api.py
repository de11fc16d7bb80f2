"""A job's points through the API: how they are recorded, and how they are read."""

import math
from datetime import datetime
from typing import Any

import pytest

from tests.tools.api import Api

Points = list[dict[str, Any]]


async def test_points_are_numbered_in_the_order_they_arrive_whatever_their_steps(api: Api) -> None:
    id = await api.started()
    assert (await api.log(id, points(50, 10, 30)))["recorded"] == 3
    assert (await api.log(id, points(0, 40)))["recorded"] == 2
    assert [(point["seq"], point["step"]) for point in await api.metrics(id)] == [
        (1, 50),
        (2, 10),
        (3, 30),
        (4, 0),
        (5, 40),
    ]


async def test_a_batch_sent_again_is_not_recorded_again(api: Api) -> None:
    """So whoever lost the answer can send it once more."""
    id = await api.started()
    batch = [*points(1, 2, 3), {"step": 3, "values": [{"name": "b", "nonFinite": "NAN"}, {"name": "a", "value": -0.0}]}]
    assert (await api.log(id, batch))["recorded"] == 4
    before = await api.metrics(id)
    again = await api.log(id, batch)
    assert (again["recorded"], again["job"]["metricCount"]) == (0, 4)
    assert await api.metrics(id) == before


async def test_of_a_batch_that_is_partly_new_the_new_points_are_recorded(api: Api) -> None:
    id = await api.started()
    await api.log(id, points(1, 2, 3))
    assert (await api.log(id, points(2, 4, 1, 5)))["recorded"] == 2
    assert [point["step"] for point in await api.metrics(id)] == [1, 2, 3, 4, 5]


async def test_a_point_twice_in_one_batch_is_recorded_once(api: Api) -> None:
    id = await api.started()
    assert (await api.log(id, points(1, 2, 1, 2, 1)))["recorded"] == 2
    assert [point["seq"] for point in await api.metrics(id)] == [1, 2]


async def test_points_of_one_step_that_differ_are_all_kept(api: Api) -> None:
    """Validation after training, a step repeated after a checkpoint, another epoch: each says something of its own."""
    id = await api.started()
    differing: Points = [
        {"step": 5},
        {"step": 5, "loss": 1},
        {"step": 5, "loss": 1.5},
        {"step": 5, "accuracy": 1},
        {"step": 5, "loss": 1, "epoch": 2},
        {"step": 5, "loss": 1, "values": [{"name": "val_loss", "value": 1}]},
        {"step": 5, "values": [{"name": "loss", "nonFinite": "NAN"}]},
        {"step": 5, "values": [{"name": "loss", "nonFinite": "INFINITY"}]},
    ]
    for batch in (differing[:4], differing[2:], differing):
        await api.log(id, batch)
    assert [point["seq"] for point in await api.metrics(id)] == list(range(1, len(differing) + 1))


async def test_equal_values_are_one_point_however_they_are_written(api: Api) -> None:
    id = await api.started()
    await api.log(id, [{"step": 1, "loss": 1, "values": [{"name": "a", "value": 2}, {"name": "b", "value": 3}]}])
    same = {
        "step": 1,
        "epoch": 1,
        "values": [{"name": n, "value": v} for n, v in (("b", 3.0), ("loss", 1.0), ("a", 2))],
    }
    assert (await api.log(id, [same]))["recorded"] == 0


async def test_the_values_of_a_point_come_in_the_order_they_were_logged(api: Api) -> None:
    """Loss, accuracy and learning rate among them: first, as they are first in the input."""
    id = await api.started()
    named = [
        {"name": name, "value": value} for name, value in (("z", 1), ("val/loss", 2), ("A", 3), ("10", 4), ("9", 5))
    ]
    await api.log(id, [{"step": 1, "values": named, "learningRate": 0.5, "loss": 0.25, "accuracy": 0.75}])
    (point,) = await api.metrics(id)
    assert {name: point[name] for name in ("loss", "accuracy", "learningRate")} == {
        "loss": 0.25,
        "accuracy": 0.75,
        "learningRate": 0.5,
    }
    names = ["loss", "accuracy", "learningRate", "z", "val/loss", "A", "10", "9"]
    assert [value["name"] for value in point["values"]] == names
    asked = await api.job(id, 'metrics { values(names: ["9", "none", "z", "loss", "z"]) { name value } }')
    assert asked["metrics"][0]["values"] == [
        {"name": "loss", "value": 0.25},
        {"name": "z", "value": 1},
        {"name": "9", "value": 5},
    ]
    assert await api.job(id, "metrics { values(names: []) { name } }") == {"metrics": [{"values": []}]}


async def test_the_loss_among_the_named_values_is_the_loss(api: Api) -> None:
    id = await api.started()
    await api.log(
        id, [{"step": 1, "values": [{"name": "loss", "value": 0.25}, {"name": "accuracy", "nonFinite": "NAN"}]}]
    )
    (point,) = await api.metrics(id)
    assert (point["loss"], point["accuracy"], point["learningRate"]) == (0.25, None, None)


async def test_a_value_that_is_not_finite_is_null_beside_what_it_was(api: Api) -> None:
    id = await api.started()
    given = ["NAN", "INFINITY", "NEGATIVE_INFINITY"]
    await api.log(id, [{"step": 1, "values": [{"name": kind, "nonFinite": kind} for kind in given]}])
    (point,) = await api.metrics(id)
    assert point["values"] == [{"name": kind, "value": None, "nonFinite": kind} for kind in given]


async def test_a_value_is_read_as_it_was_logged_to_its_last_bit(api: Api) -> None:
    id = await api.started()
    values = [0.1, 1 / 3, 0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e-300, 2.0**53 + 2, 123456789.123456789]
    await api.log(id, [{"step": step, "loss": value} for step, value in enumerate(values)])
    read = await api.metrics(id)
    assert [point["loss"] for point in read] == values
    assert [point["values"][0]["value"] for point in read] == values
    assert math.copysign(1, read[3]["values"][0]["value"]) == -1


async def test_a_point_without_an_epoch_has_that_of_its_step(api: Api) -> None:
    """ceil(step / stepsPerEpoch), and the first for step 0. One that is given is kept."""
    id = await api.started(epochs=3, stepsPerEpoch=10)
    await api.log(id, points(0, 1, 10, 11, 20, 21, 31, 2**31 - 1))
    assert [point["epoch"] for point in await api.metrics(id)] == [1, 1, 1, 2, 2, 3, 4, 214_748_365]
    await api.log(id, [{"step": 40, "epoch": 0}, {"step": 41, "epoch": 7}])
    assert [point["epoch"] for point in await api.metrics(id, after=8)] == [0, 7]


async def test_progress_follows_the_furthest_step_up_to_the_whole(api: Api) -> None:
    """However many points were recorded, and in whatever order: 1 is the most."""
    id = await api.started(epochs=2, stepsPerEpoch=50)
    progress = []
    for step in (10, 40, 20, 99, 100, 250):
        progress.append((await api.log(id, points(step)))["job"]["progress"])
        assert (await api.job(id))["progress"] == progress[-1]
    assert progress == [0.1, 0.4, 0.4, 0.99, 1, 1]


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


async def test_the_points_of_several_jobs_do_not_mix(api: Api) -> None:
    ids = [await api.started() for _ in range(3)]
    for number, id in enumerate(ids, start=1):
        await api.log(id, points(*range(number, 3 * number)))
    jobs = (
        await api.data("{ jobs { id a: metrics(limit: 2, after: 1) { step } b: latestMetrics(count: 2) { step } } }")
    )["jobs"]
    steps = {job["id"]: [[point["step"] for point in job[name]] for name in "ab"] for job in jobs}
    assert steps == {ids[0]: [[2], [1, 2]], ids[1]: [[3, 4], [4, 5]], ids[2]: [[4, 5], [7, 8]]}


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


@pytest.mark.parametrize("epochs", [1, 4])
async def test_a_simulated_run_validates_once_an_epoch(api: Api, epochs: int) -> None:
    id = await api.started(epochs=epochs, stepsPerEpoch=5)
    for _ in range(5 * epochs):
        await api.step(id)
    read = await api.metrics(id)
    assert [point["step"] for point in read] == [point["seq"] for point in read] == list(range(1, 5 * epochs + 1))
    validated = [point["step"] for point in read if any(value["name"] == "val_loss" for value in point["values"])]
    assert validated == list(range(5, 5 * epochs + 1, 5))


def points(*steps: int) -> Points:
    """A point with a loss at each of the steps."""
    return [{"step": step, "loss": step / 10} for step in steps]


async def test_a_point_has_at_most_a_thousand_values(api: Api) -> None:
    id = await api.started()
    values = [{"name": f"v{number}", "value": 1.0} for number in range(1_001)]
    assert (await api.log(id, [{"step": 1, "values": values}]))["field"] == "metrics[0].values"
    assert (await api.log(id, [{"step": 1, "values": values[:1_000]}]))["recorded"] == 1
