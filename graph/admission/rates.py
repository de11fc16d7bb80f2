"""How many requests a second a client may make."""

import functools
import math
import time
from collections.abc import Callable

from cachetools import LRUCache
from starlette.types import Scope

from graph.addresses import address_in, client_key, client_of, is_local, networks_in, within
from graph.admission.caller import Refusal
from graph.admission.gate import Head
from graph.settings import Settings

__all__ = ["Bucket", "Rates"]

SURGE_SECONDS = 3.0
"""For so long a client that was quiet may send twice as many requests as in the long run."""
MAX_CLIENTS = 20_000
"""Clients whose counts are kept: the most recent."""


class Bucket:
    """A token bucket in one number: when what was taken so far will have been earned (GCRA)."""

    __slots__ = ("earned_at", "interval")

    def __init__(self, a_second: int) -> None:
        self.interval = 1 / a_second
        self.earned_at = 0.0

    def take(self, now: float) -> float:
        """Take one; how many seconds until that is possible, 0 where it was."""
        earned_at = max(self.earned_at, now) + self.interval
        wait = earned_at - now - SURGE_SECONDS
        if wait > 1e-9:
            return wait
        self.earned_at = earned_at
        return 0.0


class Rates:
    """Counts the requests of each client, also those on its sockets, but not those from this machine."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = settings.max_requests_a_second
        self._proxies = networks_in(settings.trusted_proxies)
        self._clock = clock
        self._buckets: LRUCache[str, Bucket] = LRUCache(MAX_CLIENTS)

    async def check(self, scope: Scope, head: Head) -> None:
        """Raise Refusal where a client sends too many requests."""
        key = self._key(scope, head)
        if key is None:
            return
        if wait := self.wait(key):
            raise Refusal(
                429,
                "TOO_MANY_REQUESTS",
                f"More than {self._a_second} requests a second; try again later.",
                {"Retry-After": str(math.ceil(wait))},
            )
        if scope["type"] == "websocket":
            scope["wait"] = functools.partial(self.wait, key)

    def wait(self, key: str) -> float:
        """Count a request; seconds until the client may repeat it, 0 where it may be served now."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._a_second)
        return bucket.take(self._clock())

    def _key(self, scope: Scope, head: Head) -> str | None:
        """The key that the client is counted by; None where it is not counted."""
        client = scope.get("client")
        if client is None:
            return None
        peer = client[0]
        known = address_in(peer) if self._proxies else None
        if known is None or not within(known, self._proxies) or b"x-forwarded-for" not in head:
            return None if is_local(peer) else client_key(peer)
        return client_key(client_of(peer, head, self._proxies))  # even a local one: it is the proxy's word
