"""The life of a job: which statuses there are, and which may follow which. No I/O."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "QUEUED"
    """Created and waiting. It records nothing until it is started."""
    RUNNING = "RUNNING"
    """Training: the only status in which points are recorded."""
    COMPLETE = "COMPLETE"
    """Trained to its end. Nothing changes any more."""
    FAILED = "FAILED"
    """Ended before its end, by a person or by an error; its failure reason says which. Nothing changes any more."""


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset({JobStatus.COMPLETE, JobStatus.FAILED}),
    JobStatus.COMPLETE: frozenset(),
    JobStatus.FAILED: frozenset(),
}
"""Status -> the statuses it may become. Every change of status, anywhere, is guarded by this table."""

ENDED: frozenset[JobStatus] = frozenset(status for status, following in TRANSITIONS.items() if not following)
"""The statuses that nothing follows."""


def sources_of(target: JobStatus) -> frozenset[JobStatus]:
    """The statuses from which a job may become `target`."""
    return frozenset(status for status, following in TRANSITIONS.items() if target in following)


def may_become(source: JobStatus, target: JobStatus) -> bool:
    """Whether a job that is `source` may be `target` later, in one step or in several."""
    return any(target is following or may_become(following, target) for following in TRANSITIONS[source])


def epoch_of_step(step: int, steps_per_epoch: int) -> int:
    """The epoch, counted from 1, that a step belongs to: ceil(step / steps_per_epoch), step 0 in the first."""
    return max(1, -(-step // steps_per_epoch))


def progress_of(status: str, furthest_step: int, total_steps: int) -> float:
    """0 to 1: the furthest step recorded over the total; 1 once complete."""
    return 1.0 if status == JobStatus.COMPLETE else min(1.0, furthest_step / total_steps)
