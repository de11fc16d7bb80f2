"""One point of a training curve: as it is handed in, and as it is read."""

import math
import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple, Self

import orjson
from tortoise import Model, fields
from tortoise.indexes import Index


class NonFinite(StrEnum):
    """What a number is that JSON has no number for, in the text that it is stored as; `float` reads it."""

    NAN = "NaN"
    INFINITY = "Infinity"
    NEGATIVE_INFINITY = "-Infinity"

    @classmethod
    def of(cls, value: float) -> Self:
        """What `value` is, which is not finite."""
        if math.isnan(value):
            return cls("NaN")
        return cls("Infinity" if value > 0 else "-Infinity")


class Goal(StrEnum):
    """Which values of a series are better."""

    MINIMIZE = "MINIMIZE"
    MAXIMIZE = "MAXIMIZE"


class Point(NamedTuple):
    """A point that is not stored yet: what a training loop or a simulator hands in."""

    step: int
    values: Mapping[str, float] = MappingProxyType({})
    """By name, in the order they were logged; each a float, finite or not."""
    epoch: float | None = None
    """From the step and the job's steps an epoch where it is None."""
    logged_us: int | None = None
    """When it was measured, as its loop says, in microseconds since 1970."""


def encode_values(values: Mapping[str, float]) -> str:
    """The values as their stored text: a JSON object, in order, where NaN, Infinity and -Infinity are strings."""
    text = orjson.dumps(values if isinstance(values, dict) else dict(values))
    if b"null" in text:  # what orjson makes of a value that is not finite, or part of a name
        text = orjson.dumps(
            {name: value if math.isfinite(value) else NonFinite.of(value) for name, value in values.items()}
        )
    return text.decode()


def digest_of(epoch: float | None, values: Mapping[str, float]) -> int:
    """64 bits of what a point says beside its step and its time, alike in whichever order the values are named.

    `epoch`: as it was given; one that follows from the step says nothing of its own. Never 0.
    """
    text = orjson.dumps(values if isinstance(values, dict) else dict(values), option=orjson.OPT_SORT_KEYS)
    if b"null" in text:  # as above
        text = encode_values({name: values[name] for name in sorted(values)}).encode()
    said = b"" if epoch is None else b"%r " % float(epoch)
    digest = blake2b(said + text, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


def key_pattern(name: str) -> str:
    """What LIKE finds, with ! to escape, in every stored text with a value of that name, and in some without."""
    return "%" + re.sub("[%_!]", r"!\g<0>", orjson.dumps(name).decode()) + ":%"


def decode_values(text: str) -> dict[str, float]:
    """The values back from their stored text; see `encode_values`."""
    return {name: float(value) for name, value in orjson.loads(text).items()}


def decode_named(text: str, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Of the values in a stored text those with one of these names, and their names."""
    values = orjson.loads(text)
    for name in names:
        if (value := values.get(name)) is not None:
            yield name, float(value)


class StoredValues(Mapping[str, float]):
    """Values in the text they are stored as, decoded at the first look: most readers do not look."""

    __slots__ = ("_decoded", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._decoded: dict[str, float] | None = None

    def _values(self) -> dict[str, float]:
        if self._decoded is None:
            self._decoded = decode_values(self.text)
        return self._decoded

    def __getitem__(self, name: str) -> float:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def items(self) -> ItemsView[str, float]:
        """Of the decoded values, for those of a mapping look each of them up."""
        return self._values().items()

    def __repr__(self) -> str:
        return repr(self._values())


def metric_id(job_id: int, seq: int) -> str:
    """What clients know a point by."""
    return f"metric:{job_id}:{seq}"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(microseconds: int | None) -> datetime | None:
    """The instant so many microseconds after the beginning of 1970, in UTC."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """The instant as `instant` takes it."""
    return (at - EPOCH) // timedelta(microseconds=1)


class MetricTable(Model):
    """One recorded point. Its `seq` numbers the job's points 1, 2, 3… in order of arrival, without a gap."""

    id = fields.BigIntField(primary_key=True)
    # No foreign key: a job is deleted at once, and its points behind it, in pieces.
    job_id = fields.BigIntField()
    seq = fields.BigIntField()
    step = fields.BigIntField()
    epoch = fields.FloatField(null=True)
    # The three that every dashboard draws, each null where it is not finite or was not logged: beside the values, so
    # that reading them parses nothing.
    loss = fields.FloatField(null=True)
    accuracy = fields.FloatField(null=True)
    learning_rate = fields.FloatField(null=True)
    values = fields.TextField()
    """All values by name, as JSON in the order of logging: a binary JSON column would sort the names."""
    logged_us = fields.BigIntField(null=True)
    """When it was measured, as its loop says, in microseconds since 1970."""
    recorded_at = fields.DatetimeField()
    digest = fields.BigIntField(default=0, db_default=0)
    """See `digest_of`."""

    class Meta:
        table = "metric"
        unique_together = (("job_id", "seq"),)
        indexes = (Index(fields=("job_id", "step", "digest", "logged_us", "seq"), name="metric_by_digest"),)


class Recorded(NamedTuple):
    """A stored point as it is read. Its fields are the columns of the table that are read."""

    job_id: int
    seq: int
    step: int
    epoch: float | None
    """As it was logged, else from the step; None where neither is known."""
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    values: Mapping[str, float]
    logged_us: int | None
    """When it was measured, as its loop says, in microseconds since 1970."""
    recorded_at: datetime

    @property
    def id(self) -> str:
        """What clients know it by: no other point has it."""
        return metric_id(self.job_id, self.seq)

    @property
    def logged_at(self) -> datetime | None:
        """When it was measured, as its loop says."""
        return instant(self.logged_us)

    @property
    def identity(self) -> tuple[int, int]:
        """What distinguishes it from every other point; it never changes."""
        return self.job_id, self.seq
