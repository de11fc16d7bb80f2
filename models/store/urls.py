"""Addresses of servers: taken apart, and shown without their passwords."""

from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

UNREADABLE = "it is not clear where its password ends: in passwords / ? # @ are written %2F %3F %23 %40"


def parts_of(url: str) -> SplitResult:
    """Its parts, still percent-encoded. Raises ValueError, in words of ours: a parser's would quote passwords."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # which is read, and maybe refused, when it is asked for
        parameters_of(parts)
    except ValueError:
        raise ValueError(UNREADABLE) from None
    if "#" in url or "@" in parts.path + parts.query:
        raise ValueError(UNREADABLE)
    return parts


def parameters_of(parts: SplitResult) -> Mapping[str, str]:
    """What it says behind its question mark, decoded. Raises ValueError."""
    return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))


def without_password(url: str) -> str:
    """An address as it may be shown: in logs, messages and terminals."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    if "@" in rest.partition("?")[2]:
        return f"{scheme}{separator}…"  # a password before the question mark, or one behind it: it is not clear
    login, at, place = rest.rpartition("@")  # the last one, for a password may have one, or a slash
    user = login.partition(":")[0]
    # Parameters may be passwords too, and none of the others are needed to know the place.
    return f"{scheme}{separator}{user}{at if user else ''}{place.partition('?')[0]}"
