"""Places in lists and streams, as the opaque texts that clients hand back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

NONE = "is no cursor of jobChanged or jobDeleted."


def cursor_of(change: int) -> str:
    """The text for a place among the changes of all jobs."""
    return urlsafe_b64encode(b"change:%d" % change).decode().rstrip("=")


def change_of(cursor: str) -> int:
    """The place that a text stands for. Raises ValueError."""
    try:
        change = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).removeprefix(b"change:"))
    except ValueError as error:
        raise ValueError(NONE) from error
    if change < 0 or cursor_of(change) != cursor:
        raise ValueError(NONE)
    return change
