"""The store and the feed that the settings name."""

from graph.settings import Settings
from models.feed.channel import Feed
from models.migrations._real_runs import Advance
from models.store.database import Database
from models.store.statements import Timed
from simulator.runner import is_simulated

__all__ = ["database_of", "feed_of"]


def database_of(
    settings: Settings,
    *,
    create: bool = True,
    advance: Advance | None = None,
    timed_read: Timed | None = None,
    timed_write: Timed | None = None,
) -> Database:
    """The store that the settings name; `advance` and `timed_*` as in `Database`.

    Raises StoreError where they name none.
    """
    return Database(
        settings.database_url,
        create=create,
        connections=settings.database_connections,
        seconds=settings.database_seconds,
        is_simulated=is_simulated,
        advance=advance or _ignore,
        timed_read=timed_read or _ignore,
        timed_write=timed_write or _ignore,
    )


def feed_of(settings: Settings) -> Feed:
    """The feed that the settings name: within this process where they name none. Raises FeedError."""
    if not settings.feed_url:
        return Feed()
    from models.feed.redis import RedisFeed  # its library takes 5 MiB of who needs none

    return RedisFeed(settings.feed_url, settings.feed_seconds)


def _ignore(*_: float) -> None: ...
