"""How often someone may be wrong."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

__all__ = ["Attempts"]

WRONG = 5
"""Wrong tokens in a row before a client waits."""
SECOND_CHANCE = 1.0
"""Seconds after which one of them is forgotten."""
MAX_CLIENTS = 1_000
"""Of whom something is remembered: of more, those longest ago are forgotten."""


class Attempts:
    """Counts wrong tokens of each client."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._forgiven_at: OrderedDict[str, float] = OrderedDict()
        """When all of a client's will be forgotten."""

    def wait(self, client: str) -> float:
        """Seconds until a client may try again; 0 where it may now."""
        forgiven_at = self._forgiven_at.get(client, 0.0)
        return max(0.0, forgiven_at - self._clock() - (WRONG - 1) * SECOND_CHANCE)

    def was_wrong(self, client: str) -> None:
        """Count one."""
        at = max(self._forgiven_at.pop(client, 0.0), self._clock())
        self._forgiven_at[client] = at + SECOND_CHANCE
        while len(self._forgiven_at) > MAX_CLIENTS:
            self._forgiven_at.popitem(last=False)
