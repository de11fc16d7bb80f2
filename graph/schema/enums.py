"""Enums of the domain as enums of the schema, each value described."""

from collections.abc import Mapping
from enum import Enum

import strawberry

from models.lifecycle import JobStatus
from models.metric import NonFinite
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

__all__ = ["JobStatus", "NonFinite", "Scenario", "Schedule"]


def _describe(enum: type[Enum], description: str, values: Mapping[str, str]) -> None:
    """Register a Python enum as one of the schema. Raises KeyError where a value has no description."""
    strawberry.enum(enum, description=description)
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set by the line above
        value.description = values[value.name]


_describe(
    JobStatus,
    "The status of a job. COMPLETE and FAILED are final.",
    {
        "QUEUED": "Created and waiting: `startJob` starts it.",
        "RUNNING": "Training: the only status in which points are recorded.",
        "COMPLETE": "Trained to its end.",
        "FAILED": "Ended before its end, by a person or an error: `failureReason` says why.",
    },
)
_describe(
    NonFinite,
    "A value that is not finite: JSON has no number for it.",
    {
        "NAN": "Not a number: the result of an undefined operation, such as ∞ − ∞.",
        "INFINITY": "Beyond the largest number.",
        "NEGATIVE_INFINITY": "Below the lowest number.",
    },
)
_describe(
    Scenario,
    "How a simulated run develops.",
    {
        "HEALTHY": "Training and validation loss fall together and level out.",
        "OVERFITTING": "The training loss falls on while the validation loss turns upward.",
        "PLATEAU": "The losses stick in the middle third of the run, then drop on.",
        "NOISY": "Healthy underneath, with several times the noise.",
        "SPIKES": "Healthy, with rare jumps of the loss that fade over the following steps.",
        "DIVERGENCE": "The loss turns upward half-way and ends in infinity, then NaN.",
        "CRASH": "Healthy until three fifths of the run, where the simulator raises and the job fails.",
    },
)
_describe(
    Schedule,
    "How the learning rate of a simulated run changes over its steps.",
    {
        "CONSTANT": "The same from the first step to the last.",
        "COSINE": "A linear warm-up over the first 5 % of the steps, then half a cosine wave down to zero.",
        "STEP": "A tenth of it from half of the run on, a hundredth for the last quarter.",
        "LINEAR": "A straight line down to zero at the last step.",
    },
)
