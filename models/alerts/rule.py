"""A rule that raises alerts: its table, a row of it, and what it has to be."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from tortoise import Model, fields

from models.alert import AlertLevel, Condition
from models.alerts.webhook import why_no_webhook
from models.job import moment_of
from models.validation import Faults, check_series_name, clean

MAX_WINDOW = 1_000
"""Values that a JUMP is compared with: they are kept for each job."""

OF_SERIES = frozenset(
    {Condition.NOT_FINITE, Condition.ABOVE, Condition.BELOW, Condition.NO_IMPROVEMENT, Condition.JUMP}
)
"""The conditions about the values of a series; the others are about the job."""
WITH_THRESHOLD = frozenset({Condition.ABOVE, Condition.BELOW, Condition.JUMP})
WITH_WINDOW = frozenset({Condition.NO_IMPROVEMENT, Condition.JUMP, Condition.SILENT})


class AlertRuleTable(Model):
    """A rule that raises alerts."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    project = fields.CharField(max_length=200, null=True)
    job_id = fields.BigIntField(null=True, db_index=True)
    series = fields.CharField(max_length=250, null=True)
    condition = fields.CharEnumField(Condition, max_length=16)
    threshold = fields.FloatField(null=True)
    window = fields.BigIntField(null=True)
    level = fields.CharEnumField(AlertLevel, max_length=16)
    enabled = fields.BooleanField(default=True)
    webhook = fields.TextField(null=True)
    version = fields.IntField(default=1)
    since = fields.DatetimeField()
    since_change = fields.BigIntField(default=0)

    class Meta:
        table = "alert_rule"


class AlertRule(NamedTuple):
    """A rule that raises alerts. Its fields are the columns of the table."""

    id: int
    name: str
    project: str | None
    job_id: int | None
    series: str | None
    condition: Condition
    threshold: float | None
    window: int | None
    level: AlertLevel
    enabled: bool
    webhook: str | None
    """The address that alerts are sent to too. Never shown whole."""
    version: int
    """1, and one more each time that it is changed to look for something else: what it remembers of jobs is of one."""
    since: datetime
    """When this version began: what was stored and what happened before raises nothing."""
    since_change: int
    """How many changes of jobs there were then."""

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """The rule of a row with its columns."""
        rule = cls._make(row)
        since = moment_of(rule.since)
        assert since is not None
        return rule._replace(
            condition=Condition(rule.condition),
            level=AlertLevel(rule.level),
            enabled=bool(rule.enabled),
            since=since,
        )

    @property
    def webhook_host(self) -> str | None:
        """The host that alerts are sent to too."""
        return None if self.webhook is None else urlsplit(self.webhook).hostname

    @property
    def looks_for(self) -> tuple[object, ...]:
        """What it looks for, and where."""
        return self.condition, self.series, self.threshold, self.window, self.project, self.job_id, self.enabled

    def applies_to(self, job_id: int, project: str) -> bool:
        """Whether it looks at a job of a project."""
        return self.job_id in (None, job_id) and self.project in (None, project)


class NewRule(NamedTuple):
    """What is said of a rule."""

    name: str
    condition: Condition
    project: str | None = None
    job_id: int | None = None
    series: str | None = None
    threshold: float | None = None
    window: int | None = None
    level: AlertLevel = AlertLevel.WARNING
    enabled: bool = True
    webhook: str | None = None

    def checked(self, allowed_webhooks: Collection[str] = ()) -> "NewRule":
        """The same with its names cleaned. Raises InvalidInput, with all rules that are broken.

        `allowed_webhooks`: hosts that may be private, and reached without TLS.
        """
        faults = Faults()
        checked = self._replace(
            name=faults.checked("name", lambda: clean("name", self.name), ""),
            project=_cleaned(faults, self.project, lambda text: clean("project", text)),
            series=_cleaned(faults, self.series, lambda text: check_series_name("series", text)),
        )
        of = self.condition.value
        for field, value, having in (
            ("series", self.series, OF_SERIES),
            ("threshold", self.threshold, WITH_THRESHOLD),
            ("window", self.window, WITH_WINDOW),
        ):
            if value is None and self.condition in having:
                faults.add(field, f"must be given for {of}.")
            elif value is not None and self.condition not in having:
                faults.add(field, f"must not be given for {of}.")
        if self.threshold is not None and not isfinite(self.threshold):
            faults.add("threshold", "must be finite.")
        elif self.condition is Condition.JUMP and self.threshold is not None and self.threshold <= 0:
            faults.add("threshold", f"must be above 0 for {of}, got {self.threshold:g}.")
        lowest, highest = (2, MAX_WINDOW) if self.condition is Condition.JUMP else (1, None)
        if self.window is not None and not (lowest <= self.window and (highest is None or self.window <= highest)):
            bounds = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
            faults.add("window", f"must be {bounds} for {of}, got {self.window}.")
        if self.webhook is not None and (reason := why_no_webhook(self.webhook, allowed_webhooks)):
            faults.add("webhook", reason)
        faults.end()
        return checked


def _cleaned(faults: Faults, text: str | None, cleaning: Callable[[str], str]) -> str | None:
    return None if text is None else faults.checked("", lambda: cleaning(text), None)
