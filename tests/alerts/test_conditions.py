"""Where the condition of a rule begins to hold, value by value."""

from math import inf, isfinite, isnan, nan
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alert import Condition
from models.alerts.conditions import Memory, Value, crossings
from tests.alerts.rules import a_rule

VALUES = st.lists(
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)) | st.sampled_from([nan, inf, -inf]), max_size=40
)


def raised(values: list[float], memory: Memory | None = None, *, maximize: bool = False, **settings: Any) -> list[int]:
    """The steps, from 1 on, at which the condition begins to hold."""
    given = [Value(step, step, value) for step, value in enumerate(values, start=1)]
    return [at.step for at in crossings(a_rule(**settings), memory or Memory(), given, maximize=maximize)]


@pytest.mark.parametrize(
    ("settings", "values", "steps"),
    [
        ({"condition": Condition.NOT_FINITE}, [1, nan, inf, 1, -inf], [2, 5]),
        ({"condition": Condition.ABOVE, "threshold": 2}, [2, 3, 4, 2, inf, nan, 3], [2, 5, 7]),
        ({"condition": Condition.BELOW, "threshold": 0}, [0, -1, -inf, nan, -1], [2, 5]),
        ({"condition": Condition.NO_IMPROVEMENT, "window": 3}, [5, 5, 6, 5, 5, 4, 4, 4, 4], [4, 9]),
        ({"condition": Condition.NO_IMPROVEMENT, "window": 2}, [nan, nan, nan, 1], [3]),
        ({"condition": Condition.NO_IMPROVEMENT, "window": 2, "maximize": True}, [1, 2, 3, 2, 2, 4], [5]),
        ({"condition": Condition.JUMP, "threshold": 3, "window": 4}, [1, 2, 1, 2, 2, 9, 9], [6]),
        ({"condition": Condition.JUMP, "threshold": 3, "window": 4}, [1, 2, 1, nan, 2, inf, 1.5], [6]),
        ({"condition": Condition.JUMP, "threshold": 3, "window": 4}, [1, 2, 9], []),  # not as many before it
        ({"condition": Condition.JUMP, "threshold": 3, "window": 3}, [0.1, 0.1, 0.1, 5], []),  # all the same
        ({"condition": Condition.JUMP, "threshold": 3, "window": 3}, [1e308, -1e308, 1e308, 0], []),
    ],
)
def test_an_alert_is_raised_where_the_condition_begins_to_hold(
    settings: dict[str, Any], values: list[float], steps: list[int]
) -> None:
    assert raised(values, **settings) == steps


@given(VALUES, st.integers(0, 40), st.sampled_from([*Condition]))
def test_a_look_that_stops_anywhere_goes_on_as_if_it_had_not(
    values: list[float], cut: int, condition: Condition
) -> None:
    rule = a_rule(condition, threshold=1.0, window=3)
    all_at_once, in_two, points = Memory(), Memory(), [Value(i, i, value) for i, value in enumerate(values)]
    whole = [*crossings(rule, all_at_once, points, maximize=False)]
    first = [*crossings(rule, in_two, points[:cut], maximize=False)]
    in_two = Memory.of(in_two.as_json())
    assert repr([*first, *crossings(rule, in_two, points[cut:], maximize=False)]) == repr(whole)
    assert in_two == all_at_once


@given(VALUES, st.integers(2, 6))
def test_a_jump_is_what_the_definition_says(values: list[float], window: int) -> None:
    found, before, holds = [], list[float](), False
    for step, value in enumerate(values, start=1):
        last = before[-window:]
        far = None
        if len(last) == window and not isnan(value) and (deviation := pstdev(last)) > 0:
            far = abs(value - fmean(last)) / deviation
        if far is not None and isfinite(far) and abs(far - 2) < 1e-6:
            return  # too close for two ways to count
        if far is not None and far > 2 and not holds:
            found.append(step)
        holds = far is not None and far > 2
        before += [value] if isfinite(value) else []
    assert raised(values, condition=Condition.JUMP, threshold=2, window=window) == found
