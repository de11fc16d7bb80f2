"""The life of a job: which statuses there are, and which may follow which. No I/O."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "QUEUED"
    """Created and waiting. It records nothing until it is started."""
    RUNNING = "RUNNING"
    """Training: the only status in which points are recorded, but for late ones."""
    COMPLETE = "COMPLETE"
    """Trained to its end. Only a logged job goes on from here, as its next attempt."""
    FAILED = "FAILED"
    """Ended before its end; its failure reason says why. Only a logged job goes on from here, as its next attempt."""


class JobKind(StrEnum):
    """Where a job's points come from: decided by its first, for good."""

    SIMULATED = "SIMULATED"
    """From the simulator."""
    LOGGED = "LOGGED"
    """From a training loop."""


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "COMPLETED"
    """It came to its end."""
    FAILED = "FAILED"
    """An error ended it."""
    KILLED = "KILLED"
    """Something outside ended it."""
    STOPPED = "STOPPED"
    """It ended because a stop was requested."""


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset({JobStatus.COMPLETE, JobStatus.FAILED}),
    JobStatus.COMPLETE: frozenset({JobStatus.RUNNING}),
    JobStatus.FAILED: frozenset({JobStatus.RUNNING}),
}
"""Status -> the statuses it may become. Every change of status, anywhere, is guarded by this table."""

ENDED: frozenset[JobStatus] = frozenset({JobStatus.COMPLETE, JobStatus.FAILED})
"""The statuses of a job that does not run any more. What leads out of them is a resume."""

SIMULATED_STEPS_PER_EPOCH = 100
"""Steps in an epoch of a simulated job that says neither them nor its total."""


def sources_of(target: JobStatus) -> frozenset[JobStatus]:
    """The statuses from which a job may become `target`."""
    return frozenset(status for status, following in TRANSITIONS.items() if target in following)


def steps_per_epoch_of(
    epochs: int | None, steps_per_epoch: int | None, total_steps: int | None, kind: JobKind | str | None
) -> int | None:
    """Steps in one epoch: as they were said; else, of a job with epochs that logs nothing, as the simulator has it."""
    if steps_per_epoch is None and epochs is not None and total_steps is None and kind != JobKind.LOGGED:
        return SIMULATED_STEPS_PER_EPOCH
    return steps_per_epoch


def total_steps_of(
    epochs: int | None, steps_per_epoch: int | None, total_steps: int | None, kind: JobKind | str | None
) -> int | None:
    """Steps of the whole run: as they were said, else epochs × steps in one; None where that is not known."""
    if total_steps is not None:
        return total_steps
    steps_per_epoch = steps_per_epoch_of(epochs, steps_per_epoch, total_steps, kind)
    return None if epochs is None or steps_per_epoch is None else epochs * steps_per_epoch


def epoch_of_step(step: int, steps_per_epoch: int) -> int:
    """The epoch, counted from 1, that a step belongs to: ceil(step / steps_per_epoch), step 0 in the first."""
    return max(1, -(-step // steps_per_epoch))


def progress_of(status: str, step: int, total_steps: int | None) -> float | None:
    """0 to 1: the furthest step over the total; 1 once complete; None where the total is unknown or was passed."""
    if status == JobStatus.COMPLETE:
        return 1.0
    return None if total_steps is None or step > total_steps else step / total_steps


def ended_early(status: str, step: int, total_steps: int | None) -> bool:
    """Whether a job is complete, though its total is known and was not reached."""
    return status == JobStatus.COMPLETE and total_steps is not None and step < total_steps
