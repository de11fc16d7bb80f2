"""Enums of the domain as enums of the schema, each value described."""

from collections.abc import Mapping
from enum import Enum

import strawberry

from models.alert import AlertLevel
from models.alert import Condition as AlertCondition
from models.curves.curve import Axis as CurveAxis
from models.job_list import JobOrderField, SeriesValue
from models.lifecycle import JobStatus, Outcome
from models.metric import Goal, NonFinite
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

__all__ = [
    "AlertCondition",
    "AlertLevel",
    "CurveAxis",
    "Goal",
    "JobOrderField",
    "JobStatus",
    "NonFinite",
    "OrderDirection",
    "Outcome",
    "Scenario",
    "Schedule",
    "SeriesValue",
]


class OrderDirection(Enum):
    """Which end of a list comes first."""

    ASC = "ASC"
    DESC = "DESC"


def _describe(enum: type[Enum], description: str, values: Mapping[str, str], name: str | None = None) -> None:
    """Register a Python enum as one of the schema. Raises KeyError where a value has no description."""
    strawberry.enum(enum, description=description, name=name)
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set by the line above
        value.description = values[value.name]


_describe(
    JobStatus,
    "The status of a job. What is COMPLETE or FAILED goes on only as a next attempt, of a job that logs.",
    {
        "QUEUED": "Created and waiting: `startJob` starts it.",
        "RUNNING": "Training: the only status in which points are recorded.",
        "COMPLETE": "Trained to its end.",
        "FAILED": "Ended before its end, by a person or an error: `failureReason` says why.",
    },
)
_describe(
    Outcome,
    "How an attempt ended.",
    {
        "COMPLETED": "It came to its end.",
        "FAILED": "An error ended it.",
        "KILLED": "Something outside ended it: a preemption, a signal, a machine that went away.",
        "STOPPED": "It ended because a stop was requested.",
    },
)
_describe(
    AlertLevel,
    "How urgent an alert is.",
    {
        "INFO": "Good to know.",
        "WARNING": "To be looked at.",
        "ERROR": "To be looked at now.",
    },
)
_describe(
    AlertCondition,
    "What raises an alert: where it begins to hold, from the rule's creation on; again only after a value no longer "
    "met it, in each attempt anew, and at most once in 60 s for a rule and job.",
    {
        "NOT_FINITE": "A value that is not finite.",
        "ABOVE": "A value above `threshold`.",
        "BELOW": "A value below `threshold`.",
        "NO_IMPROVEMENT": "No new lowest (highest, where the goal is MAXIMIZE) value over the last `window` steps.",
        "JUMP": "A value more than `threshold` standard deviations from the mean of the `window` values before it; not "
        "before there are as many, nor where they are all the same.",
        "SILENT": "No point for `window` seconds while RUNNING, from `startedAt` on.",
        "FAILED": "The job failed.",
        "LOST": "The job has missed the signs that its loop promised.",
    },
    name="AlertCondition",
)
_describe(
    Goal,
    "Which values of a series are better.",
    {"MINIMIZE": "Lower ones, as of a loss.", "MAXIMIZE": "Higher ones, as of an accuracy."},
)
_describe(
    CurveAxis,
    "What a curve is drawn over.",
    {
        "STEP": "Each step once: of its points the one with the highest `seq` counts.",
        "TIME": "Every point, by the seconds since `startedAt` at which it was measured, or else stored.",
        "ORDER": "Every point, by its `seq`.",
    },
    name="CurveAxis",
)
_describe(
    SeriesValue,
    "Which value of a series is looked at.",
    {
        "LAST": "That of the highest step.",
        "LOWEST": "The lowest finite one.",
        "HIGHEST": "The highest finite one.",
    },
)
_describe(
    JobOrderField,
    "A field that a list of jobs may be ordered by.",
    {
        "CREATED_AT": "When they were created.",
        "UPDATED_AT": "When they last changed, their points included.",
        "STARTED_AT": "When their first attempts started.",
        "FINISHED_AT": "When their last attempts ended.",
        "NAME": "Their names, letter by letter.",
        "PROGRESS": "How far they have come.",
    },
)
_describe(
    OrderDirection,
    "Which end of a list comes first.",
    {"ASC": "The lowest, the earliest, the first letter.", "DESC": "The highest, the latest, the last letter."},
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
