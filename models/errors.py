"""What a verb may refuse: expected, and returned to clients. Anything else that is raised is a bug or an outage."""

from collections.abc import Sequence
from typing import ClassVar

from models.job import Job


class JobError(Exception):
    """A verb could not be done."""

    message: str

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class JobNotFound(JobError):
    """There is no job with that id."""

    def __init__(self, id: int | str, message: str | None = None) -> None:
        super().__init__(message or f"There is no job with the id {id}.")
        self.id = id
        """As it was given; of a long one, which no job has, the beginning."""


class AlertRuleNotFound(JobError):
    """There is no rule of alerts with that id."""

    def __init__(self, id: int | str) -> None:
        super().__init__(f"There is no alert rule with the id {id}.")
        self.id = id


class AlertNotFound(JobError):
    """There is no alert with that id."""

    def __init__(self, id: int | str) -> None:
        super().__init__(f"There is no alert with the id {id}.")
        self.id = id


class IllegalTransition(JobError):
    """The job's status does not allow the verb. Carries the job as it now is."""

    REASONS: ClassVar[dict[str, str]] = {
        "start": "only a QUEUED job can be started",
        "simulate": "only a RUNNING job can be stepped",
        "fail": "only a QUEUED or RUNNING job can be failed",
        "complete": "only a RUNNING job can be completed",
        "log": "only a RUNNING job records metrics",
        "resume": "only a COMPLETE or FAILED job can be resumed",
        "beat": "only a RUNNING job has a heartbeat",
        "stop": "only a RUNNING job can be asked to stop",
        "archive": "a RUNNING job cannot be archived",
        "delete": "a RUNNING job cannot be deleted",
    }

    def __init__(self, job: Job, verb: str, reason: str | None = None) -> None:
        """`reason`: what but its status does not allow the verb."""
        super().__init__(f"Job {job.id} is {job.status.value}: {reason or self.REASONS[verb]}.")
        self.job = job


class SimulationFailed(JobError):
    """The simulator raised, or its point could not be stored: the job is now FAILED."""

    def __init__(self, job: Job, *, is_expected: bool) -> None:
        """`is_expected`: whether clients may see the reason, for it is one of the simulation's."""
        super().__init__(f"The simulation failed: {job.failure_reason}")
        self.job = job
        self.is_expected = is_expected


class PointsNotMade(Exception):
    """What a maker of points raises to fail its job. The message is the reason, for people to read."""


class InvalidInput(JobError):
    """A value that breaks a rule. `field` is the path of the offending one, as in `metrics[2].values[0].name`."""

    def __init__(self, field: str, message: str, others: Sequence[tuple[str, str]] = ()) -> None:
        """`others`: the field and the message of whatever else is wrong with the input."""
        super().__init__(message)
        self.field = field
        self.others = others
