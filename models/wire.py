"""Events as bytes, between processes of one version: who was it about, then what happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from models.feed import Event, JobChanged, MetricsRecorded
from models.job import Job
from models.metric import Recorded, StoredValues, encode_values

__all__ = ["EVENT_BYTES", "FORMAT", "decode", "encode", "job_id_of"]

FORMAT = 1
"""Raised with any change of what is written here: processes that speak another format do not hear each other."""
EVENT_BYTES = 64 * 2**10
"""The longest event that carries its points along; without them it says that there are some, and where they end."""


def encode(event: Event) -> bytes:
    """One line: the job's id, a space, and the event as JSON."""
    job = {name: getattr(event.job, name) for name in Job._meta.fields_db_projection}  # noqa: SLF001  # its columns
    content: dict[str, Any] = {"job": job}
    if isinstance(event, MetricsRecorded):
        content["metrics"] = [(*point[1:-2], _text_of(point.values), point.recorded_at) for point in event.metrics]
    encoded = orjson.dumps(content)
    if len(encoded) > EVENT_BYTES:
        encoded = orjson.dumps({**content, "metrics": []})
    return b"%d %b" % (event.job.id, encoded)


def job_id_of(line: bytes) -> int:
    """Whom an encoded event is about: most processes need to know no more. Raises ValueError."""
    return int(line.partition(b" ")[0])


def decode(line: bytes) -> Event:
    """The event of a line. Raises ValueError, KeyError, TypeError where it is none."""
    content = orjson.loads(line.partition(b" ")[2])
    job = Job._init_from_db(**content["job"])  # noqa: SLF001  # as rows are read, a quarter of what __init__ costs
    if "metrics" not in content:
        return JobChanged(job)
    return MetricsRecorded(
        job,
        tuple(
            Recorded._make((job.id, *numbers, StoredValues(values), datetime.fromisoformat(at)))
            for *numbers, values, at in content["metrics"]
        ),
    )


def _text_of(values: Mapping[str, float]) -> str:
    return values.text if isinstance(values, StoredValues) else encode_values(values)
