"""The tokens of the store, kept in memory: no request asks the store for its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from graph.admission.caller import Caller
from graph.admission.refusal import Refusal
from models.store.database import OUTAGES
from models.token import Scope
from models.tokens import Tokens, digest_of, is_secret

__all__ = ["Keyring"]

log = logging.getLogger(__name__)

FRESH_SECONDS = 0.5
"""Between two looks at the store: a token that is revoked opens nothing, and keeps nothing open, after about this."""
MISS_SECONDS = 0.1
"""At least between two looks, where tokens come that are not known: a flood of them is looked up together."""
TRUST_SECONDS = 60.0
"""How long what was read last is believed while the store is out of reach: longer than a store takes to restart, and
short for someone whose token was revoked meanwhile; without its store a server has little to give anyway."""


class Keyring:
    """Whom each token stands for."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._callers: dict[str, Caller] = {}
        """By the digests of their tokens: finding one takes as long whatever of it is right."""
        self.ever_made = False
        """Whether there was ever a token, if only one that is revoked."""
        self.everyone = Caller(may_write=True)
        """Who anybody is, where there was never a token; ends with the first."""
        self._version: int | None = None
        self._read_at = -TRUST_SECONDS
        """When a look began that succeeded."""
        self._looked_at = 0.0
        self._next: asyncio.Task[None] | None = None
        """The look that has not begun yet."""
        self._looks: set[asyncio.Task[None]] = set()
        """That one, and the one that has."""
        self._looking = asyncio.Lock()
        self._is_out = False

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Inside, it is as fresh as it says. Raises OUTAGES where it cannot be read at first."""
        await self._read()
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            for task in self._looks:
                task.cancel()
            await asyncio.gather(keeping, *self._looks, return_exceptions=True)

    async def caller(self, secret: str) -> Caller | None:
        """Whom a secret stands for; None where it was never made, or was revoked.

        Raises Refusal 503 where the store, which would know, has been out of reach for too long.
        """
        if not is_secret(secret):
            return None
        digest = digest_of(secret)
        asked = monotonic()
        found = self._callers.get(digest)
        if found is None or asked - self._read_at > TRUST_SECONDS:
            await self._look()  # it may have been made just now
            found = self._callers.get(digest)
            if self._read_at < asked and (found is None or asked - self._read_at > TRUST_SECONDS):
                message = "The store, which knows the tokens, is out of reach; try again."
                raise Refusal(503, "SERVICE_UNAVAILABLE", message, {"Retry-After": "5"})
        return found

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            await self._look()

    async def _look(self) -> None:
        """Return once the store was looked at, from now on: with whoever else waits for that."""
        if self._next is None:
            self._next = asyncio.create_task(self._look_soon())
            self._looks.add(self._next)
            self._next.add_done_callback(self._looks.discard)
        await asyncio.shield(self._next)  # whoever leaves must not take it from the others

    async def _look_soon(self) -> None:
        async with self._looking:
            await asyncio.sleep(self._looked_at + MISS_SECONDS - monotonic())
            self._next = None  # who comes from here on may know of a token that this look does not see
            self._looked_at = monotonic()
            try:
                await self._read()
            except Exception as error:  # told once, for it is tried again and again
                if not self._is_out:
                    unexpected = None if isinstance(error, OUTAGES) else error
                    log.warning("the tokens cannot be read: %s", error, exc_info=unexpected)
                self._is_out = True
            else:
                self._is_out = False

    async def _read(self) -> None:
        at = monotonic()
        version = self._tokens.version()
        if version is None or version != self._version:
            found: dict[str, Caller] = {}
            rows = await self._tokens.digests()
            for id, digest, scope, is_revoked in rows:
                if not is_revoked:
                    may_write = scope == Scope.WRITE
                    known = self._callers.get(digest)
                    same = known is not None and known.may_write == may_write
                    found[digest] = known if known and same else Caller(may_write=may_write, token_id=id)
            self._version = version
            self._take(found, any_made=bool(rows))
        self._read_at = at

    def _take(self, found: dict[str, Caller], *, any_made: bool) -> None:
        before, self._callers = self._callers, found
        if any_made and not self.ever_made:
            self.ever_made = True
            self.everyone.end()
        for digest, caller in before.items():
            if found.get(digest) is not caller:
                caller.end()
