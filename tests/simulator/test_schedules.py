"""The learning rate of each schedule, at the steps where its definition names a value."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.schedules import Schedule, learning_rates

TOTALS = st.integers(1, 2**31 - 1)


def rates(schedule: Schedule, *steps: int, base: float = 0.1, total: int = 100) -> list[float]:
    values: list[float] = learning_rates(schedule, base, np.array(steps, dtype=np.int64), total).tolist()
    return values


def test_a_constant_rate_is_the_base_rate_at_every_step() -> None:
    assert rates(Schedule.CONSTANT, 1, 50, 100, 101) == [0.1, 0.1, 0.1, 0.1]


def test_cosine_warms_up_in_a_straight_line_over_the_first_twentieth_of_the_steps() -> None:
    assert rates(Schedule.COSINE, 1, 2, 3, 4, 5) == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_cosine_is_half_the_base_half_way_through_its_decay_and_zero_at_the_last_step() -> None:
    # 205 steps: 11 of warm-up, then 194 of decay, whose middle is step 108.
    assert rates(Schedule.COSINE, 11, 108, 205, total=205) == pytest.approx([0.1, 0.05, 0.0])


def test_cosine_falls_at_every_step_after_the_warm_up() -> None:
    falling = rates(Schedule.COSINE, *range(5, 101))
    assert all(later < earlier for earlier, later in pairwise(falling))


def test_step_takes_a_tenth_after_half_the_run_and_a_hundredth_after_three_quarters() -> None:
    assert rates(Schedule.STEP, 1, 50, 51, 75, 76, 100) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_linear_goes_from_the_base_rate_at_the_first_step_to_zero_at_the_last() -> None:
    assert rates(Schedule.LINEAR, 1, 26, 51, 101, total=101) == pytest.approx([0.1, 0.075, 0.05, 0.0])


@pytest.mark.parametrize("schedule", Schedule)
def test_a_step_past_the_last_has_the_rate_of_the_last(schedule: Schedule) -> None:
    last, one_more, far_past = rates(schedule, 100, 101, 2**40)
    assert last == one_more == far_past


@given(st.sampled_from(Schedule), TOTALS)
def test_the_first_step_of_every_run_trains(schedule: Schedule, total: int) -> None:
    (rate,) = rates(schedule, 1, total=total)
    assert rate > 0.0


@given(st.sampled_from(Schedule), st.floats(0.0, 1e6), TOTALS, st.lists(st.integers(1, 2**32), min_size=1))
def test_no_rate_is_negative_or_above_the_base(schedule: Schedule, base: float, total: int, steps: list[int]) -> None:
    for rate in rates(schedule, *steps, base=base, total=total):
        assert 0.0 <= rate <= base
