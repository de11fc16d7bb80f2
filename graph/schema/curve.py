"""One named value of a job over its steps, as the API shows it."""

import math
from typing import Self

import strawberry

from graph.execution.executor import Numbers
from models.curves.curve import Curve as CurveRead
from models.curves.downsampling import Integers

__all__ = ["Curve"]

MAX_INT = 2**31 - 1
"""GraphQL's largest."""


@strawberry.type(
    description="One named value over the steps: three lists of one length, a point at each place, in ascending order "
    "of `step`, each step once."
)
class Curve:
    name: str = strawberry.field(description="The name as it was logged: loss, val_loss, train/grad_norm…")
    seq: list[int] = strawberry.field(description="The `seq` of each point.")
    step: list[int] = strawberry.field(description="The step of each point: its place on the axis.")
    value: list[float | None] = strawberry.field(description="The value at each point; null where it is not finite.")

    @classmethod
    def of(cls, name: str, curve: CurveRead) -> Self:
        """The curve as the API shows it."""
        return cls(
            name=name,
            seq=_whole(curve.seq),
            step=_whole(curve.step),
            value=Numbers(value if math.isfinite(value) else None for value in curve.value.tolist()),
        )


def _whole(column: Integers) -> list[int]:
    """Whole numbers, as they are where each is one that GraphQL has."""
    return Numbers(column.tolist()) if not len(column) or column.max() <= MAX_INT else column.tolist()
