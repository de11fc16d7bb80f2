"""Places in lists and streams, as the opaque texts that clients hand back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def cursor_of(change: int) -> str:
    """The text for a place among the changes of all jobs."""
    return urlsafe_b64encode(b"change:%d" % change).decode().rstrip("=")


def change_of(cursor: str) -> int:
    """The place that a text stands for. Raises ValueError."""
    kind, _, number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    if kind != "change" or not number.isdecimal() or len(number) > 18:
        raise ValueError("it is no cursor of jobChanged or jobDeleted")
    return int(number)
