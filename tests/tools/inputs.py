"""Points as the API takes them, for hypothesis to draw: of few steps and few values, so that they are often equal."""

import math
from typing import Any

from hypothesis import strategies as st

from tests.tools.model import NON_FINITE, ModelPoint

__all__ = ["input_of", "inputs"]

VALUES = st.sampled_from([0.0, -0.0, 1.0, 0.1, -2.5, 1e308, 5e-324, math.nan, math.inf, -math.inf]) | st.floats()
NAMES = st.sampled_from(["loss", "accuracy", "learningRate", "val_loss", "train/loss", "Verlust ∞"])


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """A MetricInput."""
    values = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    point = input_of(ModelPoint(draw(st.integers(0, 7)), 0, values), beside=draw(st.booleans()))
    if draw(st.booleans()):
        point["epoch"] = draw(st.integers(0, 3))
    else:
        del point["epoch"]
    return point


def input_of(point: ModelPoint, *, beside: bool = True) -> dict[str, Any]:
    """The MetricInput of a point; the three that have fields of their own in them, or among the values."""
    given: dict[str, Any] = {"step": point.step, "epoch": point.epoch, "values": []}
    for name, value in point.values.items():
        if not math.isfinite(value):
            kind = next(kind for kind, text in NON_FINITE.items() if repr(float(text)) == repr(value))
            given["values"].append({"name": name, "nonFinite": kind})
        elif beside and name in {"loss", "accuracy", "learningRate"}:
            given[name] = value
        else:
            given["values"].append({"name": name, "value": value})
    return given
