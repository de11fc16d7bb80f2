"""The tokens and sessions of the store, kept in memory: a request does not query the store for its own."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextvars import Context
from time import monotonic

from graph.admission.caller import Caller, Refusal
from models.store.errors import StoreFailure
from models.token import Scope
from models.tokens import Tokens, digest_of, is_secret

__all__ = ["TokenCache"]

log = logging.getLogger(__name__)

FRESH_SECONDS = 0.5
"""Between two reads: a token that is revoked opens nothing, and keeps nothing open, after about this."""
MISS_SECONDS = 0.1
"""At least between two reads, where unknown tokens arrive: a flood of them is looked up together."""
TRUST_SECONDS = 60.0
"""How long the last read is trusted while the store is out of reach: longer than a store takes to restart, and
short for a token that was revoked meanwhile. Where nothing is written, tokens and sessions are read again after so
long, for sessions expire."""


class TokenCache:
    """The caller that each valid token or session stands for."""

    def __init__(self, tokens: Tokens, trust_seconds: float = TRUST_SECONDS) -> None:
        self.stored = tokens
        self._trust_seconds = trust_seconds
        self._callers: dict[str, Caller] = {}
        """By the digests of their secrets: a look-up takes as long however much of a secret is right."""
        self.ever_made = False
        """Whether there was ever a token, also if it is revoked."""
        self.everyone = Caller(may_write=True)
        """The caller of every request while there was never a token; ends with the first."""
        self._version: int | None = None
        self._read_at = float("-inf")
        """When the last read that succeeded began."""
        self._rows_read_at = float("-inf")
        """When the last one began that did not find the store as it was."""
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        """Callers that wait for the next read to end, in order of arrival."""

    @contextlib.asynccontextmanager
    async def refreshed(self) -> AsyncIterator[None]:
        """Inside, the cache is kept fresh. Raises StoreFailure where it cannot be read at first."""
        await self._read()
        refreshing = asyncio.create_task(self._refresh_regularly(), context=Context())  # of no request
        try:
            yield
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)
            for done in self._waiting:
                done.cancel()

    async def of_token(self, secret: str) -> Caller | None:
        """The caller of a token; None where it was never made, or was revoked.

        Raises Refusal 503 where the store has been out of reach for too long.
        """
        return await self._caller(secret) if is_secret(secret) else None

    async def of_session(self, secret: str) -> Caller | None:
        """The caller of a browser's session; None where it was never begun, or has ended. Raises Refusal likewise."""
        return await self._caller(secret) if is_secret(secret, of_session=True) else None

    async def refresh(self) -> None:
        """Return after a read of the store that began after this call."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._wanted.set()
        await done

    async def _caller(self, secret: str) -> Caller | None:
        digest = digest_of(secret)
        began_at = monotonic()
        found = self._callers.get(digest)
        if found is None or not self._is_trusted(began_at):
            await self.refresh()  # it may have been made just now
            found = self._callers.get(digest)
            if self._read_at < began_at and (found is None or not self._is_trusted(began_at)):
                message = "The store, which knows the tokens, is out of reach; try again."
                raise Refusal(503, "SERVICE_UNAVAILABLE", message, {"Retry-After": "5"})
        return found

    def _is_trusted(self, now: float) -> bool:
        return now - self._read_at <= self._trust_seconds

    async def _refresh_regularly(self) -> None:
        is_failing = False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), FRESH_SECONDS - MISS_SECONDS)
            self._wanted.clear()
            served = len(self._waiting)  # a later caller may have a token that this read does not see
            try:
                await self._read()
                is_failing = False
            except Exception as error:  # logged once an outage, for it is tried again and again
                if not is_failing:
                    unexpected = None if isinstance(error, StoreFailure) else error
                    log.warning("the tokens cannot be read: %s", error, exc_info=unexpected)
                is_failing = True
            waiting, self._waiting = self._waiting[:served], self._waiting[served:]
            for done in waiting:
                if not done.done():
                    done.set_result(None)
            await asyncio.sleep(MISS_SECONDS)

    async def _read(self) -> None:
        began_at = monotonic()
        version = self.stored.version()
        is_old = began_at - self._rows_read_at > self._trust_seconds
        if version is None or version != self._version or is_old:
            found: dict[str, Caller] = {}
            rows = await self.stored.digests()
            for token_id, digest, scope, is_revoked in rows:
                if not is_revoked:
                    may_write = scope == Scope.WRITE
                    known = self._callers.get(digest)
                    same = known is not None and known.may_write == may_write
                    found[digest] = known if known and same else Caller(may_write=may_write, token_id=token_id)
            self._version, self._rows_read_at = version, began_at
            self._replace(found, any_made=bool(rows))
        self._read_at = began_at

    def _replace(self, found: dict[str, Caller], *, any_made: bool) -> None:
        before, self._callers = self._callers, found
        if any_made and not self.ever_made:
            self.ever_made = True
            self.everyone.end()
        for digest, caller in before.items():
            if found.get(digest) is not caller:
                caller.end()
