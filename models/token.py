"""A token that lets its bearer in, as it is read."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Scope", "Token"]


class Scope(StrEnum):
    """What a token allows. To write includes to read."""

    READ = "READ"
    WRITE = "WRITE"


class Token(NamedTuple):
    """A token without its secret. Its fields are the columns of the table that are read."""

    id: int
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None
