"""One named value of a job over its steps, as the API shows it."""

import math
from typing import Self

import strawberry

from models.curve import Curve as CurveRead

__all__ = ["Curve"]


@strawberry.type(
    description="One named value over the steps: three lists of one length, a point at each place, in ascending order "
    "of `step`, each step once."
)
class Curve:
    name: str = strawberry.field(description="What was measured, as it was logged: loss, val_loss, train/grad_norm…")
    seq: list[int] = strawberry.field(description="The `seq` of each point.")
    step: list[int] = strawberry.field(description="The step of each point: its place on the axis.")
    value: list[float | None] = strawberry.field(description="The value at each point; null where it is not finite.")

    @classmethod
    def of(cls, name: str, curve: CurveRead) -> Self:
        """The curve as the API shows it."""
        return cls(
            name=name,
            seq=curve.seq.tolist(),
            step=curve.step.tolist(),
            value=[value if math.isfinite(value) else None for value in curve.value.tolist()],
        )
