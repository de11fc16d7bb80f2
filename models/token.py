"""A token, and a session of a browser that signed in with one, as they are stored."""

from enum import StrEnum

from tortoise import Model, fields

from models.job import UtcField

__all__ = ["Scope", "Session", "Token"]


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


class Session(Model):
    """A browser that signed in with a token. Written only by the verbs of `models.sessions`."""

    id = fields.BigIntField(primary_key=True)
    token_id = fields.BigIntField(db_index=True)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = UtcField()

    class Meta:
        table = "session"
