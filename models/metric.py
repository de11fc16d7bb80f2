"""One point of a training curve: as it is handed in, and as it is read."""

import math
import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple, Self

import orjson
from tortoise import Model, fields
from tortoise.indexes import Index

from models.job import JobTable


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


class Point(NamedTuple):
    """A point that is not stored yet: what a training loop or a simulator hands in."""

    step: int
    values: Mapping[str, float] = MappingProxyType({})
    """By name, in the order they were logged; each a float, finite or not."""
    epoch: int | None = None
    """Counted from 1; from the step and the job's steps an epoch where it is None."""


def encode_values(values: Mapping[str, float]) -> str:
    """The values as their stored text: a JSON object, in order, where NaN, Infinity and -Infinity are strings."""
    text = orjson.dumps(values if isinstance(values, dict) else dict(values))
    if b"null" in text:  # what orjson makes of a value that is not finite, or part of a name
        text = orjson.dumps(
            {name: value if math.isfinite(value) else NonFinite.of(value) for name, value in values.items()}
        )
    return text.decode()


def digest_of(epoch: int, values: Mapping[str, float]) -> int:
    """64 bits of what a point says beside its step, alike in whichever order the values are named; never 0."""
    text = orjson.dumps(values if isinstance(values, dict) else dict(values), option=orjson.OPT_SORT_KEYS)
    if b"null" in text:  # as above
        text = encode_values({name: values[name] for name in sorted(values)}).encode()
    digest = blake2b(b"%d " % epoch + text, digest_size=8).digest()
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


class MetricTable(Model):
    """One recorded point. Its `seq` numbers the job's points 1, 2, 3… in order of arrival, without a gap."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobTable] = fields.ForeignKeyField(
        "models.JobTable", related_name="metrics", on_delete=fields.CASCADE, db_index=False
    )
    seq = fields.BigIntField()
    step = fields.BigIntField()
    epoch = fields.IntField()
    # The three that every dashboard draws, each null where it is not finite or was not logged: beside the values, so
    # that reading them parses nothing.
    loss = fields.FloatField(null=True)
    accuracy = fields.FloatField(null=True)
    learning_rate = fields.FloatField(null=True)
    values = fields.TextField()
    """All values by name, as JSON in the order of logging: a binary JSON column would sort the names."""
    recorded_at = fields.DatetimeField()
    digest = fields.BigIntField(default=0, db_default=0)
    """Of the epoch and the values, in whichever order they are named."""

    class Meta:
        table = "metric"
        unique_together = (("job", "seq"),)
        # By column: an index on the relation's name would be one on a constant, for SQLite takes "job" for a string.
        indexes = (Index(fields=("job_id", "step", "digest"), name="metric_by_digest"),)


class Recorded(NamedTuple):
    """A stored point as it is read. Its fields are the columns of the table that are read."""

    job_id: int
    seq: int
    step: int
    epoch: int
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    values: Mapping[str, float]
    recorded_at: datetime

    @property
    def identity(self) -> tuple[int, int]:
        """What distinguishes it from every other point; it never changes."""
        return self.job_id, self.seq
