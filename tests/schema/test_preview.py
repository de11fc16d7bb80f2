"""A preview is the run that a job of the same settings would record, at a few of its steps, and nothing is stored."""

import math
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.validation import MAX_SIMULATED_STEPS, NewJob
from simulator.curves import END_OF_EPOCH, EVERY_STEP, Run, points, values_at
from simulator.preview import MAX_PREVIEW, Preview, preview
from simulator.runner import run_of
from simulator.scenarios import Scenario
from simulator.schedules import Schedule
from tests.tools.api import Api
from tests.tools.domain import statements

NAMES = ["loss", "accuracy", "learningRate", "grad_norm", "tokens_per_second", "val_loss", "val_accuracy"]
JOBS = st.builds(
    NewJob,
    name=st.just("run"),
    model_name=st.just("resnet"),
    epochs=st.integers(1, 30),
    steps_per_epoch=st.integers(1, 30),
    learning_rate=st.floats(1e-6, 10.0),
    scenario=st.sampled_from(Scenario),
    schedule=st.sampled_from(Schedule),
    seed=st.integers(0, 2**31 - 1),
)


def exact(made: Preview) -> str:
    return repr({name: (curve.step.tolist(), curve.value.tolist()) for name, curve in made.curves.items()})


class TestPreview:
    @settings(max_examples=60)
    @given(JOBS, st.integers(2, 60))
    def test_shows_points_that_the_job_would_record_from_the_first_step_to_the_last(
        self, new: NewJob, count: int
    ) -> None:
        assert new.epochs is not None
        assert new.steps_per_epoch is not None
        assert new.seed is not None
        run = run_of(new, new.seed)
        last, ended = run.last_step, run.last_step // new.steps_per_epoch
        recorded = {point.step: point.values for point in points(run, 1, last)} if last else {}
        made = preview(new, count)
        assert made.total_steps == run.total_steps
        assert list(made.curves) == NAMES
        for name, curve in made.curves.items():
            steps = curve.step.tolist()
            assert repr(curve.value.tolist()) == repr([recorded[step][name] for step in steps])
            assert curve.seq.tolist() == steps == sorted(set(steps))
            if name in EVERY_STEP:
                assert len(steps) == min(count, last)
                assert not last or (steps[0], steps[-1]) == (1, last)
                gaps = np.diff(steps)
                assert not gaps.size or gaps.max() - gaps.min() <= 1, "spread evenly"
            else:
                assert name in END_OF_EPOCH
                assert len(steps) <= count
                assert not (curve.step % new.steps_per_epoch).any()
                assert steps[-1:] == ([ended * new.steps_per_epoch] if ended else [])
                assert count < new.epochs * new.steps_per_epoch or len(steps) == ended

    @pytest.mark.parametrize("scenario", Scenario)
    def test_makes_no_more_steps_however_long_the_run_is(
        self, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []

        def counting(run: Run, steps: Any) -> Any:
            made.append(len(steps))
            return values_at(run, steps)

        monkeypatch.setattr("simulator.preview.values_at", counting)
        epochs, steps_per_epoch = 2_147, 1_000_000
        assert epochs * steps_per_epoch > 0.99 * MAX_SIMULATED_STEPS
        longest = NewJob("run", "resnet", epochs, 0.1, steps_per_epoch, scenario=scenario)
        curves = preview(longest, MAX_PREVIEW).curves
        assert {len(curves[name].step) for name in EVERY_STEP} == {MAX_PREVIEW}
        assert len(made) == 2
        assert max(made) == MAX_PREVIEW

    def test_without_a_seed_is_the_same_every_time_and_that_of_seed_0(self) -> None:
        without, zero = (NewJob("run", "resnet", 3, 0.1, scenario="noisy", seed=seed) for seed in (None, 0))
        assert exact(preview(without, 20)) == exact(preview(without, 20)) == exact(preview(zero, 20))
        one = NewJob("run", "resnet", 3, 0.1, scenario="noisy", seed=1)
        assert exact(preview(one, 20)) != exact(preview(zero, 20))


@pytest.mark.sqlite_alone("nothing is stored")
class TestTheField:
    QUERY = """query ($input: CreateJobInput!, $points: Int) { previewJob(input: $input, points: $points) {
        __typename ... on JobPreview { totalSteps curves { name seq step value } }
        ... on InvalidInput { field message } } }"""
    RUN: ClassVar[dict[str, Any]] = {"name": "run", "modelName": "resnet", "epochs": 2}
    INPUT: ClassVar[dict[str, Any]] = {**RUN, "stepsPerEpoch": 10, "learningRate": 0.1}

    async def preview(self, api: Api, points: int | None = None, **settings: Any) -> Any:
        asked = {} if points is None else {"points": points}
        return (await api.data(self.QUERY, input={**self.INPUT, **settings}, **asked))["previewJob"]

    async def test_shows_what_a_job_then_records_and_stores_nothing(self, api: Api) -> None:
        with statements() as asked:
            previewed = await self.preview(api, seed=7, scenario="SPIKES")
        assert [text for text in asked.all if "deleted_job" not in text] == []
        id = await api.started(**{**self.INPUT, "seed": 7, "scenario": "SPIKES"})
        while not (await api.step(id))["complete"]:
            pass
        names = " ".join(
            f'c{place}: curve(name: "{name}") {{ name seq step value }}' for place, name in enumerate(NAMES)
        )
        assert previewed["totalSteps"] == 20
        assert previewed["curves"] == list((await api.job(id, names)).values())

    async def test_gives_100_points_unless_asked_otherwise(self, api: Api) -> None:
        for asked, shown in (({}, 100), ({"points": 2}, 2), ({"points": 1_000}, 1_000)):
            previewed = await self.preview(api, **asked, stepsPerEpoch=1_000)
            assert {len(curve["step"]) for curve in previewed["curves"][:5]} == {shown}

    async def test_shows_null_where_a_run_diverges(self, api: Api) -> None:
        loss = (await self.preview(api, scenario="DIVERGENCE"))["curves"][0]["value"]
        assert loss[-1] is None
        assert all(math.isfinite(value) for value in loss[:17])

    async def test_refuses_settings_exactly_as_creating_a_job_does(self, api: Api) -> None:
        wrong: list[dict[str, Any]] = [
            {"name": "  "},
            {"modelName": "n" * 201},
            {"epochs": 0},
            {"stepsPerEpoch": 1_000_001},
            {"epochs": 100_000, "stepsPerEpoch": 1_000_000},
            {"learningRate": 0},
            {"batchSize": 3},
            {"seed": -1},
        ]
        for each in wrong:
            refused = await self.preview(api, **{"seed": 7, **each})
            assert refused["__typename"] == "InvalidInput"
            assert refused == await api.create(**{**self.INPUT, "seed": 7, **each})

    async def test_refuses_a_bad_number_of_points(self, api: Api) -> None:
        for number in (-1, 0, 1, 1_001):
            error = await api.error(self.QUERY, input=self.INPUT, points=number)
            assert error["message"] == f"points: must be 2 to 1000, got {number}."
            assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "points"}
