"""The encoded events of subscriptions, kept for all subscribers that select the same."""

import asyncio
import sys
from collections.abc import Coroutine, Hashable
from typing import Any

from cachetools import LRUCache

from graph.execution.results import Encoded

__all__ = ["PartKey", "Parts"]

PART_BYTES = 600
"""What keeping a part costs beside its text and that of what is selected: its place, the result around it."""
KEPT_BYTES = 8 * 2**20
"""Encoded events that are kept, in bytes: thousands of points, whatever is selected of them."""

PartKey = tuple[str, *tuple[Hashable, ...]]
"""What is selected of an event, and its identity, or of a batch those at its ends."""


class Parts:
    """The parts of one app that were used last, up to KEPT_BYTES, and those that are being made."""

    def __init__(self) -> None:
        self._kept: LRUCache[PartKey, tuple[int, Encoded]] = LRUCache(KEPT_BYTES, getsizeof=lambda kept: kept[0])
        self._making: dict[PartKey, asyncio.Task[Encoded | None]] = {}

    @property
    def in_the_making(self) -> int:
        """How many are being made."""
        return len(self._making)

    def get(self, key: PartKey) -> Encoded | None:
        """The part, if it is still kept."""
        try:
            return self._kept[key][1]
        except KeyError:
            return None

    def keep(self, key: PartKey, json: str) -> Encoded:
        """Keep a payload, for which the least recently used ones make room. One longer than KEPT_BYTES is not kept."""
        part = Encoded(data=None, errors=None, json=json)
        size = PART_BYTES + sys.getsizeof(key[0]) + sys.getsizeof(json)
        if size <= KEPT_BYTES:
            self._kept[key] = (size, part)
        return part

    def making(self, key: PartKey) -> "asyncio.Task[Encoded | None] | None":
        """The task that makes the part now, if there is one."""
        return self._making.get(key)

    def make(self, key: PartKey, coroutine: Coroutine[Any, Any, Encoded | None]) -> "asyncio.Task[Encoded | None]":
        """Make the part in a task that several subscribers can await."""
        task = self._making[key] = asyncio.create_task(coroutine)
        task.add_done_callback(lambda _: self._making.pop(key))
        return task
