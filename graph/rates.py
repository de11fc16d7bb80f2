"""How many requests a second a client may make."""

import math
import time
from collections.abc import Callable, Sequence

from starlette.types import Scope

from graph.addresses import Network, address_in, client_key, is_local, networks_in, within
from graph.gate import Head
from graph.refusal import Refusal
from graph.settings import Settings

__all__ = ["Bucket", "Rates", "client_of"]

SURGE_SECONDS = 3.0
"""For so long a client that was quiet may ask twice as often as in the long run."""
MAX_CLIENTS = 20_000
"""Of whom something is remembered, at most twice as many. Who brings more addresses is not kept out by counting."""


class Bucket:
    """A token bucket, told by one number: when what was taken so far will have been earned (GCRA)."""

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
    """Counts the requests of each client, but not of this machine's own."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = settings.max_requests_a_second
        self._proxies = networks_in(settings.trusted_proxies)
        self._clock = clock
        # Whoever was not heard of for a surge's length has a full bucket again: two generations are enough to know.
        self._young: dict[str, Bucket] = {}
        self._old: dict[str, Bucket] = {}
        self._turned_at = clock()

    async def check(self, scope: Scope, head: Head) -> None:
        """Raise Refusal where a client asks too often."""
        client = scope.get("client")
        if client is None:
            return
        address = client_of(client[0], head, self._proxies) if self._proxies else client[0]
        if is_local(address):
            return
        if wait := self.bucket(client_key(address)).take(self._clock()):
            raise Refusal(
                429,
                "TOO_MANY_REQUESTS",
                f"More than {self._a_second} requests a second; try again later.",
                {"Retry-After": str(math.ceil(wait))},
            )

    def bucket(self, key: str) -> Bucket:
        """That of a client."""
        now = self._clock()
        if now - self._turned_at > SURGE_SECONDS or len(self._young) >= MAX_CLIENTS:
            self._old, self._young, self._turned_at = self._young, {}, now
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._old.pop(key) if key in self._old else Bucket(self._a_second)
            self._young[key] = bucket
        return bucket

    @property
    def clients(self) -> int:
        """Of how many something is remembered."""
        return len(self._young) + len(self._old)


def client_of(peer: str, head: Head, proxies: Sequence[Network]) -> str:
    """The address of who is asking: the peer's, or what the proxies that are trusted say of theirs.

    Each proxy adds its peer's address at the end: what stands before the first that is not trusted, anyone can write.
    """
    client = peer
    said = head.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while (address := address_in(client)) is not None and within(address, proxies) and said:
        before = said.pop().strip()
        if address_in(before) is None:
            break
        client = before
    return client
