"""Media types of GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/"""

from collections.abc import Mapping

from cross_web import HTTPException
from starlette.datastructures import Headers

__all__ = [
    "GRAPHQL",
    "JSON",
    "RESPONSE_JSON",
    "accepted_media_type",
    "answers_by_name",
    "media_ranges",
    "media_type_of",
]

GRAPHQL = "/graphql"
"""The address of the API."""
JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
MAX_RANGES = 50
"""Media ranges of an Accept header that are looked at."""


def media_type_of(header: str) -> tuple[str, dict[str, str]]:
    """A media type or range and its parameters, names in lower case; whatever is written there."""
    media_type, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip("\"'") for name, _, value in pairs}


def media_ranges(accept: str) -> dict[str, float]:
    """The media ranges of an Accept header, in its order, and how much each is liked: 0 to 1, 0 for not at all."""
    ranges: dict[str, float] = {}
    for part in accept.split(",", MAX_RANGES)[:MAX_RANGES]:
        media_range, parameters = media_type_of(part)
        if media_range:
            ranges[media_range] = max(ranges.get(media_range, 0.0), _quality(parameters.get("q", "1")))
    return ranges


def accepted_media_type(headers: Headers) -> str:
    """The media type that the client likes best, JSON where it does not say. Raises HTTPException 406 for neither."""
    ranges = media_ranges(headers.get("accept", ""))
    if not ranges:
        return JSON
    places, liked = list(ranges), dict[str, tuple[float, int]]()
    for media_type in (JSON, RESPONSE_JSON):
        # The most exact range is the one that counts.
        said = next((one for one in (media_type, "application/*", "*/*") if ranges.get(one) is not None), None)
        if said and ranges[said] > 0:
            liked[media_type] = ranges[said], -places.index(said)
    if not liked:
        raise HTTPException(406, f"This address answers with {JSON} or {RESPONSE_JSON}.")
    return max(liked, key=lambda media_type: liked[media_type])


def answers_by_name(headers: Mapping[str, str]) -> bool:
    """Whether the client names a media type of a single answer, beside those of streams perhaps."""
    ranges = media_ranges(headers.get("accept", ""))
    return any(ranges.get(media_type, 0.0) > 0 for media_type in (JSON, RESPONSE_JSON))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
