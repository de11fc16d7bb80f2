"""Tokens that let their bearers in, and the sessions that they begin: their tables, and a row as it is read."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tortoise import Model, fields


class Scope(StrEnum):
    """What a token allows. To write includes to read."""

    READ = "READ"
    WRITE = "WRITE"


class TokenTable(Model):
    """A token without its secret, of which only the digest is kept. Written only by the verbs of `models.tokens`."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    scope = fields.CharEnumField(Scope, max_length=8)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "token"


class SessionTable(Model):
    """A browser that signed in with a token. Written only by the verbs of `models.tokens`."""

    id = fields.BigIntField(primary_key=True)
    token_id = fields.BigIntField(db_index=True)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "session"


class Token(NamedTuple):
    """A token without its secret. Its fields are the columns of the table that are read."""

    id: int
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None
