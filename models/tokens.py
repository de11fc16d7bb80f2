"""The verbs of tokens: to make one, to list them, to revoke one."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from models.job import moment_of, now
from models.store.database import Database, uninterrupted
from models.store.sql import insert, names, select
from models.store.statements import Query, Row, Work
from models.token import Scope, Token
from models.validation import MAX_NAME, has_control_characters

__all__ = ["SESSION_LASTS", "NewToken", "TokenError", "Tokens", "digest_of", "is_secret"]

SESSION_LASTS = timedelta(days=30)

_SECRET = re.compile(r"tm_[A-Za-z0-9_-]{43}")


class TokenError(Exception):
    """A token cannot be made or revoked as asked. The message is one line for people."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made just now."""

    token: Token
    secret: str
    """Nobody can find it again."""


class Tokens:
    """The tokens of one store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @uninterrupted
    async def create(self, name: str, scope: Scope) -> NewToken:
        """A new token. Raises TokenError where the name is none."""
        name = _checked(name)
        secret = f"tm_{secrets.token_urlsafe(32)}"
        token = await self.database.write(lambda: _created(name, scope, digest_of(secret)), _published)
        return NewToken(token, secret)

    async def all(self) -> list[Token]:
        """All that were ever made, in that order."""
        rows = await self.database.reader.rows(Query(select("token", Token._fields, 'ORDER BY "id"')))
        return [_token(row) for row in rows]

    @uninterrupted
    async def revoke(self, id: int) -> Token:
        """The token, which opens nothing any more; one that was revoked already stays as it is. Raises TokenError."""
        return await self.database.write(lambda: _revoked(id), _published)

    def version(self) -> int | None:
        """A number that is another where tokens may have changed; None where that cannot be told without a query."""
        return self.database.reader.version()

    async def digests(self) -> list[Row]:
        """(token id, digest, scope, whether it was revoked) of every token, and of every session that has not expired.

        Raises StoreFailure.
        """
        return await self.database.reader.rows(Query(_DIGESTS, [now() - SESSION_LASTS]))


def is_secret(text: str) -> bool:
    """Whether the text has the form of a secret: where it has not, it need not be looked up."""
    return _SECRET.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """What is kept of a secret. One round is enough: nobody guesses 256 random bits, however quick guessing is."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _created(name: str, scope: Scope, digest: str) -> Work[Token]:
    values = {"name": name, "scope": scope.value, "digest": digest, "created_at": now()}
    (row,) = yield Query(insert("token", (*values,), rest=_RETURNING), [*values.values()])
    return _token(row)


def _revoked(id: int) -> Work[Token]:
    rows = yield Query(_REVOKE, [now(), id])
    if not rows:
        raise TokenError(f"There is no token with the id {id}; token list shows them.")
    return _token(rows[0])


_DIGESTS = """
    SELECT "id", "digest", "scope", "revoked_at" IS NOT NULL FROM "token"
    UNION ALL
    SELECT t."id", s."digest", t."scope", t."revoked_at" IS NOT NULL
    FROM "session" s JOIN "token" t ON t."id" = s."token_id" WHERE s."created_at" >= ?
"""
_RETURNING = f"RETURNING {names(Token._fields)}"
_REVOKE = f'UPDATE "token" SET "revoked_at" = COALESCE("revoked_at", ?) WHERE "id" = ? {_RETURNING}'  # noqa: S608  # names of ours


def _token(row: Row) -> Token:
    id, name, scope, created_at, revoked_at = row
    created = moment_of(created_at)
    assert created is not None
    return Token(id, name, Scope(scope), created, moment_of(revoked_at))


def _published(_: Token) -> None:
    """Nothing is: processes that keep tokens in memory look again by themselves."""


def _checked(name: str) -> str:
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= MAX_NAME:
        raise TokenError(f"A token's name must have 1 to {MAX_NAME} characters, got {len(trimmed)}.")
    if has_control_characters(trimmed):
        raise TokenError("A token's name must not contain control characters.")
    return trimmed
