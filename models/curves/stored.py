"""Chunks as they are stored. Apart from what makes them: migrations need no numpy."""

from typing import NamedTuple

from tortoise import Model, fields


class ChunkTable(Model):
    """A chunk as it is stored. What lies before the bytes can be read without them."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    name = fields.CharField(max_length=250)
    number = fields.BigIntField()
    size = fields.IntField()
    finite = fields.IntField()
    first_step = fields.BigIntField()
    last_step = fields.BigIntField()
    is_ordered = fields.BooleanField()
    coarse = fields.BinaryField()
    fine = fields.BinaryField()
    points = fields.BinaryField()

    class Meta:
        table = "curve_chunk"
        unique_together = (("job_id", "name", "number"),)


class Head(NamedTuple):
    """What is known of a chunk without unpacking it."""

    number: int
    size: int
    """Its points that have a value of the name."""
    finite: int
    """Those of them whose value is finite."""
    first_step: int
    """The lowest; 0 where it has no point."""
    last_step: int
    """The highest."""
    is_ordered: bool
    """Whether steps ascend with seqs, each step once: over steps it is as it is in the order of its points."""
