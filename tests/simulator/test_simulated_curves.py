"""A simulated point is a pure function of the run's settings and the step."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.curves import LOSS_FLOOR, Point, Run, points
from simulator.noise import Stream, gaussians, uniforms
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

EVERY_STEP = ["loss", "accuracy", "learningRate", "grad_norm", "tokens_per_second"]
END_OF_EPOCH = [*EVERY_STEP, "val_loss", "val_accuracy"]
LONGEST = 2**31 - 1

SEEDS = st.integers(0, 2**63 - 1)
RUNS = st.builds(
    Run,
    seed=SEEDS,
    epochs=st.integers(1, 50),
    steps_per_epoch=st.integers(1, 50),
    learning_rate=st.floats(0.0, 10.0),
    batch_size=st.integers(1, 4096),
    # A crash is the one thing that depends on the range: test_scenarios.py has its rules.
    scenario=st.sampled_from([scenario for scenario in Scenario if scenario is not Scenario.CRASH]),
    schedule=st.sampled_from(Schedule),
)


RECORDED = {
    "loss": 0.750992,
    "accuracy": 0.642825,
    "learningRate": 0.0008386407858129999,
    "grad_norm": 0.928304,
    "tokens_per_second": 91989.597775,
    "val_loss": 0.700128,
    "val_accuracy": 0.700656,
}


def exact(made: list[Point]) -> str:
    """Every digit of every point; unlike the points themselves it is equal to itself where there is a NaN."""
    return repr(made)


def column(name: str, among: list[Point]) -> list[float]:
    return [point.values[name] for point in among]


class TestPurity:
    @given(RUNS, st.integers(1, 2000), st.lists(st.integers(1, 60), min_size=1, max_size=6))
    def test_any_split_of_a_range_gives_the_same_points(self, run: Run, first: int, counts: list[int]) -> None:
        whole = points(run, first, sum(counts))
        parts: list[Point] = []
        for count in counts:
            parts += points(run, first + len(parts), count)
        assert exact(parts) == exact(whole)

    @given(RUNS, SEEDS)
    def test_another_seed_is_another_run(self, run: Run, seed: int) -> None:
        other = Run(seed, run.epochs, run.steps_per_epoch, run.learning_rate, run.batch_size, run.scenario)
        mine, theirs = (column("tokens_per_second", points(either, 1, 5)) for either in (run, other))
        assert (mine == theirs) == (seed == run.seed)

    def test_a_point_of_today_is_the_point_of_yesterday(self) -> None:
        # Written down, not computed: a change here changes every recorded run.
        assert points(Run(7, 10, 20, 1e-3, schedule=Schedule.COSINE), 60, 1) == [Point(60, 3, RECORDED)]


class TestPoint:
    @given(RUNS, st.integers(1, 3000), st.integers(1, 120))
    def test_is_in_its_place_has_its_values_in_order_within_their_bounds_and_validation_at_the_end_of_an_epoch_only(
        self, run: Run, first: int, count: int
    ) -> None:
        made = points(run, first, count)
        assert [point.step for point in made] == list(range(first, first + count))
        for point in made:
            assert type(point.step) is type(point.epoch) is int
            assert (point.epoch - 1) * run.steps_per_epoch < point.step <= point.epoch * run.steps_per_epoch
            values = point.values
            assert list(values) == (EVERY_STEP if point.step % run.steps_per_epoch else END_OF_EPOCH)
            assert {type(value) for value in values.values()} == {float}
            assert 0.0 <= values["learningRate"] <= run.learning_rate
            assert 0.0 < values["tokens_per_second"] < math.inf
            assert not values["loss"] < LOSS_FLOOR
            assert not values["grad_norm"] <= 0.0
            assert not values.get("val_loss", 1.0) < LOSS_FLOOR
            assert 0.0 <= values["accuracy"] <= 1.0
            assert 0.0 <= values.get("val_accuracy", 0.0) <= 1.0

    @given(RUNS.filter(lambda run: run.scenario is not Scenario.DIVERGENCE))
    def test_is_finite_unless_the_run_diverges(self, run: Run) -> None:
        for point in points(run, 1, min(run.total_steps, 200)):
            assert all(math.isfinite(value) for value in point.values.values())


class TestCurve:
    run = Run(seed=3, epochs=20, steps_per_epoch=100, learning_rate=0.01)
    made = points(run, 1, 2000)

    def test_loss_follows_its_formula_with_noise_that_dies_down_to_a_fifth(self) -> None:
        progress = np.arange(1, 2001) / 2000
        residual = np.array(column("loss", self.made)) - (0.28 + 2.22 * np.exp(-5.0 * progress))
        standardised = residual / (0.1 * (1.0 - 0.8 * progress))
        assert abs(standardised.mean()) < 0.1
        for part in np.split(standardised, 4):
            assert 0.9 < part.std() < 1.1

    def test_accuracy_rises_as_the_loss_falls(self) -> None:
        accuracy = column("accuracy", self.made)
        means = [fmean(accuracy[at : at + 400]) for at in range(0, 2000, 400)]
        assert means == sorted(means)
        assert fmean(accuracy[:20]) < 0.2
        assert means[-1] > 0.85

    def test_gradient_norm_falls_with_the_loss(self) -> None:
        norms = column("grad_norm", self.made)
        means = [fmean(norms[at : at + 400]) for at in range(0, 2000, 400)]
        assert means == sorted(means, reverse=True)
        assert means[0] > 4 * means[-1]

    def test_a_larger_batch_means_a_calmer_gradient_and_more_tokens_a_second(self) -> None:
        small, large = (points(Run(3, 20, 100, 0.01, batch_size=size), 1500, 500) for size in (8, 128))
        assert fmean(column("grad_norm", small)) > fmean(column("grad_norm", large))
        ratio = fmean(column("tokens_per_second", large)) / fmean(column("tokens_per_second", small))
        assert 1.5 < ratio < 16

    def test_throughput_is_steady_once_the_first_steps_are_over(self) -> None:
        throughput = column("tokens_per_second", self.made)
        assert throughput[0] < 0.6 * throughput[50]
        steady = np.array(throughput[50:])
        assert 0.015 < steady.std() / steady.mean() < 0.025

    def test_learning_rate_is_the_schedules(self) -> None:
        stepped = points(Run(3, 1, 100, 0.1, schedule=Schedule.STEP), 50, 2)
        assert column("learningRate", stepped) == pytest.approx([0.1, 0.01])


class TestRange:
    def test_past_the_last_step_looks_like_the_last_in_the_epochs_that_would_follow(self) -> None:
        beyond = points(Run(1, 2, 100, 0.01), 201, 300)
        assert [beyond[0].epoch, beyond[-1].epoch] == [3, 5]
        losses = column("loss", beyond)
        assert fmean(losses) == pytest.approx(0.295, abs=0.01)
        assert stdev(losses) == pytest.approx(0.02, abs=0.004)

    @pytest.mark.parametrize("scenario", [scenario for scenario in Scenario if scenario is not Scenario.CRASH])
    def test_of_the_longest_run_is_reached_at_once_wherever_it_lies(self, scenario: Scenario) -> None:
        run = Run(2**63 - 1, 1, LONGEST, 0.01, scenario=scenario, schedule=Schedule.COSINE)
        for first in (1, LONGEST // 3, LONGEST - 9):
            made = points(run, first, 10)
            assert [point.step for point in made] == list(range(first, first + 10))
        assert "val_loss" in made[-1].values
        assert made[-1].values["learningRate"] == 0.0


class TestNoise:
    @pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
    def test_gaussians_are_standard_and_independent_of_row_stream_seed_and_neighbouring_step(self, seed: int) -> None:
        steps = np.arange(1, 20_001)
        rows = [
            *gaussians(seed, Stream.MEASUREMENTS, steps, rows=6),
            *gaussians(seed, Stream.MEASUREMENTS, steps + 1, rows=6),
            *gaussians(seed, Stream.SPIKES, steps, rows=2),
            *gaussians(seed ^ 1, Stream.MEASUREMENTS, steps, rows=6),
        ]
        assert all(abs(row.mean()) < 0.04 and abs(row.std() - 1.0) < 0.03 for row in rows)
        # Squares too: the two normals of one pair share a radius, and would betray themselves there.
        for kind in (np.array(rows), np.array(rows) ** 2):
            correlations = np.corrcoef(kind) - np.eye(len(rows))
            assert np.abs(correlations).max() < 0.04

    @given(SEEDS, st.sampled_from(Stream))
    def test_uniforms_fill_the_unit_interval_evenly(self, seed: int, stream: Stream) -> None:
        draws = uniforms(seed, stream, np.arange(1, 1001), rows=4)
        assert draws.min() >= 0.0
        assert draws.max() < 1.0
        filled, _ = np.histogram(draws, bins=10, range=(0.0, 1.0))
        assert filled.min() > 250
        assert filled.max() < 550
