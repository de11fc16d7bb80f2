"""What a job measured, name by name, as the API shows it and as it takes it."""

from datetime import datetime

import strawberry

from graph.plans.fields import computed
from graph.schema.enums import Goal, NonFinite
from graph.schema.scalars import Long
from models.metric import instant
from models.series import Definition

__all__ = ["Series", "SeriesInput", "SeriesPoint"]


@strawberry.type(description="One point of a series.")
class SeriesPoint:
    """A `Place` to GraphQL, which resolves the fields on it by their names; none of these is ever made."""

    seq: int = strawberry.field(description="The point's `seq`.")
    step: Long = strawberry.field(description="Its step.")
    value: float | None = strawberry.field(description="The value; null where it is not finite.")
    non_finite: NonFinite | None = strawberry.field(
        description="What the value was where JSON has no number for it; null where it is finite."
    )
    at: datetime = computed(
        "instant(us)", instant=instant, description="When it was measured, as its loop says, else when it was stored."
    )


@strawberry.type(description="What is known of one name of a job, of points that are not superseded.")
class Series:
    """A series of the domain to GraphQL, as above."""

    name: str = strawberry.field(description="The name as it was logged: loss, val_loss, train/grad_norm…")
    count: int = strawberry.field(description="How many values it has.")
    non_finite_count: int = strawberry.field(description="How many of them are not finite.")
    last: SeriesPoint = strawberry.field(
        description="The right end of its curve: the point with the highest step, there that with the highest seq."
    )
    lowest: SeriesPoint | None = strawberry.field(
        description="The point with the lowest finite value, the earliest of equals; null where no value is finite."
    )
    highest: SeriesPoint | None = strawberry.field(
        description="The point with the highest finite value, the earliest of equals; null where no value is finite."
    )
    goal: Goal | None = strawberry.field(description="Which values are better; null where nobody said.")
    unit: str | None = strawberry.field(description="The unit of its values; null where nobody said.")
    is_main: bool = strawberry.field(
        description="Whether it is the job's main one: as defined; else the first that there is of loss, train/loss, "
        "train_loss, training_loss, train_loss_step, then the first whose name ends in loss, then the first outside "
        "system/."
    )


@strawberry.input(description="What is said of a series. What is left out stays as it was.")
class SeriesInput:
    name: str = strawberry.field(description="The name, logged already or not yet.")
    goal: Goal | None = strawberry.field(default=None, description="Which values are better.")
    unit: str | None = strawberry.field(default=None, description="The unit of its values: 1 to 200 characters.")
    is_main: bool | None = strawberry.field(
        default=None, description="Whether it is the job's main one: one of a job's is, the last that was said."
    )

    def definition(self) -> Definition:
        """As the domain takes it."""
        return Definition(self.name, self.goal, self.unit, self.is_main)
