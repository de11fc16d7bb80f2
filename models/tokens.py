"""The verbs of tokens and of the sessions that browsers begin with them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from models.errors import InvalidInput
from models.job import moment_of, now
from models.store.database import Database, uninterrupted
from models.store.sql import insert, names, select
from models.store.statements import Query, Row, Work
from models.token import Scope, Token
from models.validation import MAX_NAME, check_series_name

SESSION_LASTS = timedelta(days=30)
MOST_SESSIONS = 1000
"""Of one token; one more ends the oldest."""

_TOKEN, _SESSION = "tm_", "tms_"
"""What secrets begin with."""
_RETURNING = f"RETURNING {names(Token._fields)}"
_REVOKE = f'UPDATE "token" SET "revoked_at" = COALESCE("revoked_at", ?) WHERE "id" = ? {_RETURNING}'  # noqa: S608  # names of ours
_DIGESTS = """
    SELECT "id", "digest", "scope", "revoked_at" IS NOT NULL FROM "token"
    UNION ALL
    SELECT t."id", s."digest", t."scope", t."revoked_at" IS NOT NULL
    FROM "session" s JOIN "token" t ON t."id" = s."token_id" WHERE s."created_at" >= ?
"""
_BEGIN_SESSION = insert("session", ("token_id", "digest", "created_at"))
_PRUNE_SESSIONS = """
    DELETE FROM "session" WHERE "created_at" < ? OR "token_id" = ? AND "id" <= (
        SELECT "id" FROM "session" WHERE "token_id" = ? ORDER BY "id" DESC LIMIT 1 OFFSET ?)
"""


class TokenError(Exception):
    """A token cannot be made or revoked. The message is one line for people."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made just now."""

    token: Token
    secret: str
    """It is kept nowhere."""


class Tokens:
    """The tokens and sessions of one store. Every method that reads or writes raises StoreFailure."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @uninterrupted
    async def create(self, name: str, scope: Scope) -> NewToken:
        """A new token. Raises TokenError where the name is none."""
        name, secret = _checked(name), _TOKEN + secrets.token_urlsafe(32)
        token = await self.database.write(lambda: _created(name, scope, digest_of(secret)), _unpublished)
        return NewToken(token, secret)

    async def all(self) -> list[Token]:
        """All that were ever made, in that order."""
        rows = await self.database.reader.rows(Query(select("token", Token._fields, 'ORDER BY "id"')))
        return [_token(row) for row in rows]

    @uninterrupted
    async def revoke(self, id: int) -> Token:
        """The token, which opens nothing any more; one that was revoked already stays as it is. Raises TokenError."""
        return await self.database.write(lambda: _revoked(id), _unpublished)

    @uninterrupted
    async def begin_session(self, token_id: int) -> str:
        """The secret of a new session."""
        secret = _SESSION + secrets.token_urlsafe(32)
        await self.database.write(lambda: _begun(token_id, digest_of(secret)), _unpublished)
        return secret

    @uninterrupted
    async def end_session(self, secret: str) -> None:
        """End the session with that secret, if there is one."""
        await self.database.write(lambda: _ended(digest_of(secret)), _unpublished)

    def version(self) -> int | None:
        """A number that is another where tokens may have changed; None where only a query could say."""
        return self.database.reader.version()

    async def digests(self) -> list[Row]:
        """(token id, digest, scope, whether it was revoked) of every token, and every session that has not expired."""
        return await self.database.reader.rows(Query(_DIGESTS, [now() - SESSION_LASTS]))


def is_secret(text: str, *, of_session: bool = False) -> bool:
    """Whether the text has the form of a token's secret, or of a session's: any other need not be looked up."""
    return re.fullmatch(f"{_SESSION if of_session else _TOKEN}[A-Za-z0-9_-]{{43}}", text) is not None


def digest_of(secret: str) -> str:
    """What is kept of a secret. One round is enough: 256 random bits cannot be guessed, however quick guessing is."""
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


def _begun(token_id: int, digest: str) -> Work[None]:
    moment = now()
    yield Query(_BEGIN_SESSION, [token_id, digest, moment])
    yield Query(_PRUNE_SESSIONS, [moment - SESSION_LASTS, token_id, token_id, MOST_SESSIONS])


def _ended(digest: str) -> Work[None]:
    yield Query('DELETE FROM "session" WHERE "digest" = ?', [digest])


def _unpublished(_: object) -> None:
    """Processes that keep tokens in memory read them again by themselves."""


def _token(row: Row) -> Token:
    id, name, scope, created_at, revoked_at = row
    created = moment_of(created_at)
    assert created is not None
    return Token(id, name, Scope(scope), created, moment_of(revoked_at))


def _checked(name: str) -> str:
    try:
        return check_series_name("name", name.strip(), MAX_NAME)
    except InvalidInput as error:
        raise TokenError(f"A token's name {error.message}") from error
