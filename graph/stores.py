"""The store and the feed that the settings name."""

from graph.settings import Settings
from graph.telemetry.counts import Counts
from models.feed.channel import Feed
from models.store.database import Database

__all__ = ["database_of", "feed_of"]


def database_of(settings: Settings, *, create: bool = True, counts: Counts | None = None) -> Database:
    """The store that the settings name, its time counted. Raises StoreError where they name none."""
    counts = counts or Counts()
    return Database(
        settings.database_url,
        create=create,
        connections=settings.database_connections,
        seconds=settings.database_seconds,
        timed_read=counts.reads.observe,
        timed_write=counts.writes.observe,
    )


def feed_of(settings: Settings) -> Feed:
    """The feed that the settings name: within this process where they name none. Raises FeedError."""
    if not settings.feed_url:
        return Feed()
    from models.feed.redis import RedisFeed  # its library takes 5 MiB of who needs none

    return RedisFeed(settings.feed_url, settings.feed_seconds)
