"""What is said of a job: of a new one, and as changes."""

from datetime import datetime
from typing import Any

import strawberry

from graph.schema.enums import Scenario, Schedule
from graph.schema.scalars import JSON, Long
from models.errors import JobNotFound
from models.validation import Faults, NewJob, job_id_of

__all__ = ["CreateJobInput", "UpdateJobInput"]


@strawberry.input(description="What is known of a new job. Only its name must be.")
class CreateJobInput:
    name: str = strawberry.field(description="The name of the run: 1 to 200 characters.")
    project: str = strawberry.field(default="default", description="Where it belongs: 1 to 200 characters.")
    group: str | None = strawberry.field(default=None, description="What it is compared with: 1 to 200 characters.")
    tags: list[str] = strawberry.field(
        default_factory=list, description="Labels of 1 to 200 characters, at most 100 of them."
    )
    notes: str = strawberry.field(default="", description="Whatever is to be noted: at most 10000 characters.")
    model_name: str | None = strawberry.field(
        default=None, description="The model that is trained: 1 to 200 characters."
    )
    epochs: int | None = strawberry.field(default=None, description="Passes over the data: 1 or more.")
    learning_rate: float | None = strawberry.field(default=None, description="Above 0, at most 1000.")
    steps_per_epoch: int | None = strawberry.field(
        default=None,
        description="Steps in one epoch: 1 or more. Where epochs are given, and neither this nor `totalSteps`: 100, "
        "the simulator's, until a point is logged, and unknown from then on.",
    )
    total_steps: Long | None = strawberry.field(default=None, description="Steps of the whole run: 1 or more.")
    batch_size: int | None = strawberry.field(
        default=None, description="Examples in one step: 1 or more; of a simulation a power of two."
    )
    key: str | None = strawberry.field(
        default=None,
        description="A second call with the same key answers with the job that the first one made, as it is now, and "
        "does nothing else: 1 to 200 characters.",
    )
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="The job that it is a part of.")
    config: JSON | None = strawberry.field(
        default=None, description="What it is set up with: an object, nested as it likes, of at most 1 MiB."
    )
    source: JSON | None = strawberry.field(
        default=None, description="Where it runs: an object with host, user, command, commit, client… of at most 1 MiB."
    )
    start: bool = strawberry.field(
        default=False, description="Whether it is RUNNING at once, as a loop wants it that has begun."
    )
    created_at: datetime | None = strawberry.field(
        default=None, description="When it was created, of what is imported or was recorded offline; else now."
    )
    scenario: Scenario | None = strawberry.field(
        default=None,
        description="How the simulated run develops: healthy, unless said otherwise. This, `schedule` or `seed` asks "
        "for a simulation.",
    )
    schedule: Schedule | None = strawberry.field(
        default=None, description="How the learning rate of the simulated run changes: constant, unless said otherwise."
    )
    seed: int | None = strawberry.field(
        default=None, description="Seed of a simulated run's noise, 0 or more; random where it is null."
    )

    def new_job(self) -> NewJob:
        """As the domain takes it. Raises InvalidInput, with all rules that are broken."""
        given = vars(self) | {"tags": [*self.tags]}
        if self.parent_id is not None:
            try:
                given["parent_id"] = job_id_of(self.parent_id)
            except JobNotFound as error:
                faults = Faults()
                faults.checked("", NewJob(**given | {"parent_id": None}).checked, None)
                faults.add("parent_id", error.message)
                faults.end()
        return NewJob(**given)


@strawberry.input(description="Changes of a job. What is left out stays.")
class UpdateJobInput:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Its name; not null.")
    project: str | None = strawberry.field(default=strawberry.UNSET, description="Where it belongs; not null.")
    group: str | None = strawberry.field(default=strawberry.UNSET, description="What it is compared with.")
    tags: list[str] | None = strawberry.field(default=strawberry.UNSET, description="All of its labels; not null.")
    notes: str | None = strawberry.field(default=strawberry.UNSET, description="Whatever is to be noted; not null.")
    config: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="What to merge into its config; not null. A key with null is removed."
    )
    model_name: str | None = strawberry.field(default=strawberry.UNSET, description="The model that is trained.")
    epochs: int | None = strawberry.field(default=strawberry.UNSET, description="Passes over the data.")
    steps_per_epoch: int | None = strawberry.field(default=strawberry.UNSET, description="Steps in one epoch.")
    total_steps: Long | None = strawberry.field(default=strawberry.UNSET, description="Steps of the whole run.")
    learning_rate: float | None = strawberry.field(default=strawberry.UNSET, description="Above 0, at most 1000.")
    batch_size: int | None = strawberry.field(default=strawberry.UNSET, description="Examples in one step.")

    def changes(self) -> dict[str, Any]:
        """Field -> its new value, of those that are said."""
        return {name: value for name, value in vars(self).items() if value is not strawberry.UNSET}
