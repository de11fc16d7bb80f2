"""A feed that keeps no promise but its own: it loses, doubles and reorders what is published."""

from random import Random

from models.feed.channel import Event, Feed

__all__ = ["ChaosFeed"]


class ChaosFeed(Feed):
    """Of every ten events it loses two, doubles two, and holds two back for any time, up to for ever."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)
        self._held: list[Event] = []

    def publish(self, event: Event) -> None:
        """Tell of the event not at all, once, twice, or later; and, maybe, of one that was held back."""
        fate = self._random.randrange(10)
        if fate in {2, 3}:
            self._held.append(event)
        elif fate > 1:
            super().publish(event)
        if fate in {4, 5}:
            super().publish(event)
        if self._held and self._random.random() < 0.3:
            super().publish(self._held.pop(self._random.randrange(len(self._held))))
