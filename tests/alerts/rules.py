"""Rules of alerts for tests."""

from typing import Any

from models.alert import AlertLevel, Condition
from models.alerts.rule import OF_SERIES, AlertRule, NewRule
from models.job import now


def new_rule(condition: Condition = Condition.ABOVE, **settings: Any) -> NewRule:
    """What is said of a rule: about `loss`, where it is about a series."""
    if condition in OF_SERIES:
        settings = {"series": "loss", **settings}
    if condition is Condition.ABOVE:
        settings = {"threshold": 10.0, **settings}
    return NewRule(**{"name": "rule", "condition": condition, **settings})


def a_rule(condition: Condition = Condition.ABOVE, **settings: Any) -> AlertRule:
    """A rule that no store has."""
    kept = {"id": 1, "version": 1, "since": now(), "since_change": 0, "level": AlertLevel.WARNING, "enabled": True}
    return AlertRule(**{**new_rule(condition, **settings)._asdict(), **kept})
