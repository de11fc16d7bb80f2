"""A token that lets someone in, as it is stored."""

from enum import StrEnum

from tortoise import Model, fields

from models.job import UtcField

__all__ = ["Scope", "Token"]


class Scope(StrEnum):
    """What a token allows. To write includes to read."""

    READ = "READ"
    WRITE = "WRITE"


class Token(Model):
    """A token without its secret, of which only the digest is kept. Written only by the verbs of `models.tokens`."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    scope = fields.CharEnumField(Scope, max_length=8)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = UtcField()
    revoked_at = UtcField(null=True)

    class Meta:
        table = "token"
