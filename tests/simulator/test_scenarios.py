"""What each scenario does to a run, read from the points a client would see."""

import itertools
import math
from operator import truediv
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.curves import Point, Run, points
from simulator.scenarios import Scenario, SimulatedCrash

SEEDS = st.integers(0, 2**63 - 1)


def a_run(scenario: Scenario, seed: int = 11, epochs: int = 20, steps_per_epoch: int = 50) -> Run:
    return Run(seed, epochs, steps_per_epoch, learning_rate=0.01, scenario=scenario)


def all_points(run: Run) -> list[Point]:
    return points(run, 1, run.total_steps)


def named(name: str, among: list[Point]) -> list[float]:
    return [point.values[name] for point in among if name in point.values]


def mean_over(name: str, among: list[Point], start: float, end: float) -> float:
    """The mean between two shares of the run: noise of a few hundredths averages out."""
    return fmean(named(name, among[int(start * len(among)) : int(end * len(among))]))


class TestHealthy:
    @given(SEEDS)
    def test_training_and_validation_loss_fall_together_to_about_three_tenths(self, seed: int) -> None:
        made = all_points(a_run(Scenario.HEALTHY, seed))
        assert made[0].values["loss"] == pytest.approx(2.5, abs=0.8)
        assert mean_over("loss", made, 0.95, 1.0) == pytest.approx(0.3, abs=0.03)
        assert named("val_loss", made)[-1] == pytest.approx(0.36, abs=0.1)


class TestOverfitting:
    @given(SEEDS)
    def test_validation_loss_turns_upward_in_the_second_half_and_training_loss_falls_on(self, seed: int) -> None:
        made = all_points(a_run(Scenario.OVERFITTING, seed, epochs=200, steps_per_epoch=5))
        validation, training = (
            [mean_over(name, made, tenth / 10, (tenth + 1) / 10) for tenth in range(10)]
            for name in ("val_loss", "loss")
        )
        assert validation[:5] == sorted(validation[:5], reverse=True)
        assert validation[6:] == sorted(validation[6:])
        assert validation[-1] > 2 * min(validation)
        assert training == sorted(training, reverse=True)
        assert training[-1] < 0.2, "below a healthy one"

    def test_validation_accuracy_falls_while_training_accuracy_rises(self) -> None:
        made = all_points(a_run(Scenario.OVERFITTING))
        assert mean_over("val_accuracy", made, 0.9, 1.0) < mean_over("val_accuracy", made, 0.5, 0.7) - 0.1
        assert mean_over("accuracy", made, 0.9, 1.0) > mean_over("accuracy", made, 0.5, 0.7)


class TestPlateau:
    @given(SEEDS)
    def test_loss_drops_before_sticks_in_the_middle_third_and_drops_after(self, seed: int) -> None:
        made = all_points(a_run(Scenario.PLATEAU, seed))
        start, entry, exit_, end = (mean_over("loss", made, at, at + 0.05) for at in (0.0, 0.34, 0.6, 0.95))
        assert start - entry > 0.8
        assert abs(entry - exit_) < 0.15
        assert exit_ - end > 0.7
        assert end == pytest.approx(0.3, abs=0.05)


class TestNoisy:
    @pytest.mark.parametrize("name", ["loss", "accuracy"])
    def test_has_three_to_four_times_the_noise_of_a_healthy_run(self, name: str) -> None:
        # Where the loss is far from its floor and the accuracy from its ends, so that nothing is cut off.
        spread = {}
        for scenario in (Scenario.HEALTHY, Scenario.NOISY):
            middle = named(name, points(a_run(scenario, steps_per_epoch=1000), 3000, 2000))
            steps_apart = [later - earlier for earlier, later in itertools.pairwise(middle)]
            spread[scenario] = stdev(steps_apart)
        assert 3.0 < spread[Scenario.NOISY] / spread[Scenario.HEALTHY] < 4.0

    def test_falls_on_average_as_a_healthy_run_does(self) -> None:
        noisy, healthy = (all_points(a_run(scenario)) for scenario in (Scenario.NOISY, Scenario.HEALTHY))
        for start in (0.0, 0.2, 0.4, 0.6):
            means = (mean_over("loss", made, start, start + 0.2) for made in (noisy, healthy))
            assert next(means) == pytest.approx(next(means), abs=0.08)


class TestSpikes:
    run = a_run(Scenario.SPIKES, epochs=100)

    healthy = a_run(Scenario.HEALTHY, epochs=100)
    raised = tuple(map(truediv, named("loss", all_points(run)), named("loss", all_points(healthy))))
    """How many times a healthy loss each step's is: the noise is the same, so 1 without a spike."""
    starts = tuple(index for index, (one, other) in enumerate(itertools.pairwise(raised), 1) if other - one > 0.8)

    def test_are_rare_and_raise_the_loss_and_with_it_the_gradient(self) -> None:
        assert 0.005 < len(self.starts) / self.run.total_steps < 0.03
        assert sum(factor == 1.0 for factor in self.raised) > 0.6 * len(self.raised)
        gradients = named("grad_norm", all_points(self.run))
        assert all(gradients[start] > gradients[start - 1] for start in self.starts if start > 2500)

    def test_fade_over_the_following_steps_until_nothing_is_left(self) -> None:
        raised, starts = self.raised, self.starts
        alone = [start for start, following in itertools.pairwise(starts) if following - start > 30]
        assert len(alone) > 10
        for start in alone:
            assert raised[start] > raised[start + 3] > raised[start + 8] > 1.0
            assert raised[start + 25] == pytest.approx(1.0, abs=1e-4)


class TestDivergence:
    @given(SEEDS)
    def test_loss_falls_first_then_grows_beyond_where_it_began(self, seed: int) -> None:
        made = all_points(a_run(Scenario.DIVERGENCE, seed))
        assert mean_over("loss", made, 0.45, 0.5) < 0.6
        assert mean_over("loss", made, 0.7, 0.75) > 2.5
        assert mean_over("loss", made, 0.85, 0.89) > 1000

    @pytest.mark.parametrize("name", ["loss", "grad_norm"])
    @given(total=st.integers(2, 2000))
    def test_ends_in_infinity_and_then_nan_however_short_the_run(self, name: str, total: int) -> None:
        values = named(name, all_points(a_run(Scenario.DIVERGENCE, epochs=1, steps_per_epoch=total)))
        phases = [kind for kind, _ in itertools.groupby(values, key=kind_of)]
        assert phases in (["finite", "infinite", "nan"], ["infinite", "nan"])
        assert phases[0] == "finite" or total == 2

    def test_validation_loss_diverges_too(self) -> None:
        validation = named("val_loss", all_points(a_run(Scenario.DIVERGENCE)))
        assert validation[-3] == math.inf
        assert math.isnan(validation[-1])

    def test_accuracy_falls_to_chance_and_stays_a_number(self) -> None:
        made = all_points(a_run(Scenario.DIVERGENCE))
        assert all(0.0 <= accuracy <= 1.0 for accuracy in named("accuracy", made))
        assert mean_over("accuracy", made, 0.9, 1.0) == pytest.approx(0.1, abs=0.01)

    def test_steps_past_the_last_are_nan_as_well(self) -> None:
        (point,) = points(a_run(Scenario.DIVERGENCE), 1001, 1)
        assert math.isnan(point.values["loss"])


def kind_of(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return "finite" if math.isfinite(value) else "infinite"


class TestCrash:
    def test_comes_after_three_fifths_of_the_run_for_ever_and_says_why_in_words_a_person_would_read(self) -> None:
        run = a_run(Scenario.CRASH, epochs=1, steps_per_epoch=100)
        assert len(points(run, 1, 60)) == 60
        for first, count in ((61, 1), (1, 61), (90, 5)):
            with pytest.raises(SimulatedCrash, match=r"^CUDA out of memory \(simulated\) at step 61$") as crash:
                points(run, first, count)
            assert crash.value.step == 61

    @given(st.integers(1, 200))
    def test_comes_before_the_run_ends_however_short_it_is(self, total: int) -> None:
        run = a_run(Scenario.CRASH, epochs=1, steps_per_epoch=total)
        with pytest.raises(SimulatedCrash):
            points(run, total, 1)

    def test_is_healthy_until_then(self) -> None:
        assert points(a_run(Scenario.CRASH), 1, 600) == points(a_run(Scenario.HEALTHY), 1, 600)
