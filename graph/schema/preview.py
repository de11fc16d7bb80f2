"""What a simulated run of some settings would look like, as the API shows it."""

import asyncio
from typing import Annotated, Self

import strawberry

from graph.schema.curve import Curve
from graph.schema.errors import InvalidInput
from models.validation import NewJob
from simulator.preview import preview

__all__ = ["JobPreview", "PreviewJobResult"]


@strawberry.type(description="What a simulated run would look like.")
class JobPreview:
    total_steps: int = strawberry.field(description="Steps of the whole run: epochs × stepsPerEpoch.")
    curves: list[Curve] = strawberry.field(
        description="One for each name that a simulated run measures: loss, accuracy, learningRate, grad_norm, "
        "tokens_per_second, val_loss and val_accuracy, in this order. `seq` equals `step`."
    )

    @classmethod
    async def of(cls, new: NewJob, points: int) -> Self:
        """The preview of such a job. Raises InvalidInput where a setting breaks a rule."""
        made = await asyncio.to_thread(preview, new, points)  # tens of milliseconds, in which others are served
        return cls(total_steps=made.total_steps, curves=[Curve.of(name, curve) for name, curve in made.curves.items()])


PreviewJobResult = Annotated[
    JobPreview | InvalidInput,
    strawberry.union("PreviewJobResult", description="What `previewJob` answers."),
]
