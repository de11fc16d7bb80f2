"""The settings of a new job, as the API takes them."""

import strawberry

from graph.schema.enums import Scenario, Schedule
from models.validation import NewJob

__all__ = ["CreateJobInput", "new_job_of"]


@strawberry.input(description="The settings of a new job.")
class CreateJobInput:
    name: str = strawberry.field(description="What people call it: 1 to 200 characters.")
    model_name: str = strawberry.field(description="The model that is trained: 1 to 200 characters.")
    epochs: int = strawberry.field(description="Passes over the data: 1 to 100000.")
    learning_rate: float = strawberry.field(description="Above 0, at most 1000.")
    steps_per_epoch: int = strawberry.field(default=100, description="Steps in one epoch: 1 to 1000000.")
    scenario: Scenario = strawberry.field(
        default=Scenario.HEALTHY, description="How the run fares, where it is simulated."
    )
    schedule: Schedule = strawberry.field(
        default=Schedule.CONSTANT, description="How the learning rate changes, where the run is simulated."
    )
    seed: int | None = strawberry.field(
        default=None, description="What a simulated run's noise is drawn from, 0 or more; drawn where it is null."
    )
    batch_size: int = strawberry.field(default=32, description="Examples in one step: a power of two.")


def new_job_of(input: CreateJobInput) -> NewJob:
    """The settings that the input means, not checked yet."""
    return NewJob(**vars(input))
