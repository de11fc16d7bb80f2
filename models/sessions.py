"""The sessions of browsers: a token begins one, and signing out ends it."""

import re
import secrets

from tortoise import Model, fields

from models.job import now
from models.store.database import Database, uninterrupted
from models.store.sql import insert
from models.store.statements import Query, Work
from models.tokens import SESSION_LASTS, digest_of

__all__ = ["MOST", "SessionTable", "Sessions", "is_session_secret"]

MOST = 1000
"""Sessions of one token; one more ends the oldest."""

_SECRET = re.compile(r"tms_[A-Za-z0-9_-]{43}")
_BEGIN = insert("session", ("token_id", "digest", "created_at"))
_PRUNE = """
    DELETE FROM "session" WHERE "created_at" < ? OR "token_id" = ? AND "id" <= (
        SELECT "id" FROM "session" WHERE "token_id" = ? ORDER BY "id" DESC LIMIT 1 OFFSET ?)
"""
_END = 'DELETE FROM "session" WHERE "digest" = ?'


class SessionTable(Model):
    """A browser that signed in with a token. Written only by the verbs of `models.sessions`."""

    id = fields.BigIntField(primary_key=True)
    token_id = fields.BigIntField(db_index=True)
    digest = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "session"


class Sessions:
    """The sessions of one store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @uninterrupted
    async def begin(self, token_id: int) -> str:
        """The secret of a new session. Raises StoreFailure."""
        secret = f"tms_{secrets.token_urlsafe(32)}"
        await self.database.write(lambda: _begun(token_id, digest_of(secret)), _committed)
        return secret

    @uninterrupted
    async def end(self, secret: str) -> None:
        """End a session, if there is one with that secret. Raises StoreFailure."""
        await self.database.write(lambda: _ended(digest_of(secret)), _committed)


def is_session_secret(text: str) -> bool:
    """Whether the text has the form of a session's secret."""
    return _SECRET.fullmatch(text) is not None


def _begun(token_id: int, digest: str) -> Work[None]:
    moment = now()
    yield Query(_BEGIN, [token_id, digest, moment])
    yield Query(_PRUNE, [moment - SESSION_LASTS, token_id, token_id, MOST])


def _ended(digest: str) -> Work[None]:
    yield Query(_END, [digest])


def _committed(_: None) -> None:
    """Servers notice by themselves: they read sessions with the tokens."""
