"""Events as bytes, between processes: the id of the job, then what happened."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from models.alert import Alert
from models.feed.channel import AlertRaised, Event, JobChanged, JobDeleted, MetricsRecorded
from models.job import Job
from models.metric import Recorded, StoredValues, encode_values

__all__ = ["EVENT_BYTES", "FORMAT", "decode", "encode", "job_id_of"]

FORMAT = 2
"""Raised where what is written here gets another meaning: processes of different formats do not receive each other's
events. A new column needs none: an older process ignores it, a newer one reads the store where it is missing."""
EVENT_BYTES = 64 * 2**10
"""The most that an event carries of points; with more it says only that there are some, and where they end."""
POINT_BYTES = 50
"""Less than the shortest point takes: where not even such would fit, none is looked at."""


def encode(event: Event) -> bytes:
    """One line: the job's id, a space, and the event as JSON."""
    content: dict[str, Any] = {"job": event.job._asdict()}
    if isinstance(event, JobDeleted):
        content["deleted"] = True
    if isinstance(event, AlertRaised):
        content["alert"] = [*event.alert]
    if isinstance(event, MetricsRecorded):
        content["metrics"] = orjson.Fragment(_encoded(event.metrics))
    return b"%d %b" % (event.job.id, orjson.dumps(content))


def job_id_of(line: bytes) -> int:
    """The id of the job that an encoded event is about: most processes need no more. Raises ValueError."""
    return int(line.partition(b" ")[0])


def decode(line: bytes) -> Event:
    """The event of a line. Raises ValueError, KeyError, TypeError, AttributeError where it is none."""
    content = orjson.loads(line.partition(b" ")[2])
    # What another version adds is passed over; an event that lacks a column of ours is none.
    row = content["job"]
    job = Job.of([row[name] for name in Job._fields])
    if "deleted" in content:
        return JobDeleted(job)
    if "alert" in content:
        return AlertRaised(job, Alert.of(content["alert"]))
    if "metrics" not in content:
        return JobChanged(job)
    points = (
        Recorded._make((job.id, *numbers, StoredValues(values), logged_us, datetime.fromisoformat(at)))
        for *numbers, values, logged_us, at in content["metrics"]
    )
    return MetricsRecorded(job, tuple(points))


def _encoded(metrics: Sequence[Recorded]) -> bytes:
    """The points as JSON, or none of them where they are too many to carry."""
    if len(metrics) * POINT_BYTES > EVENT_BYTES:
        return b"[]"
    points: list[bytes] = []
    room = EVENT_BYTES
    for point in metrics:
        values = point.values.text if isinstance(point.values, StoredValues) else encode_values(point.values)
        points.append(orjson.dumps((*point[1:-3], values, point.logged_us, point.recorded_at)))
        room -= len(points[-1])
        if room < 0:
            return b"[]"
    return b"[" + b",".join(points) + b"]"
