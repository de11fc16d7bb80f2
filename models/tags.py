"""The tags of jobs by the tag: what lists find jobs by. A job's row has them as they were given."""

from collections.abc import Sequence

from tortoise import Model, fields
from tortoise.indexes import Index

from models.store.statements import Insert, Query, Work


class TagTable(Model):
    """That a job has a tag."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField()
    tag = fields.CharField(max_length=200)

    class Meta:
        table = "tag"
        unique_together = (("job_id", "tag"),)
        indexes = (Index(fields=("tag", "job_id"), name="tag_by_tag"),)


def tagged(job_id: int, tags: Sequence[str], *, is_new: bool = False) -> Work[None]:
    """Keep the tags of a job, in place of those it had."""
    if not is_new:
        yield Query('DELETE FROM "tag" WHERE "job_id" = ?', [job_id])
    if tags:
        yield Insert("tag", {"job_id": job_id}, ("tag",), [(tag,) for tag in tags])
