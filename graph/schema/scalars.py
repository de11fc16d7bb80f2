"""Scalars that GraphQL has none of: whole numbers beyond 31 bits, instants, and any JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from models.validation import MAX_LONG

__all__ = ["JSON", "SCALARS", "Long"]

Long = NewType("Long", int)
"""A whole number of up to 53 bits."""


def _parse_long(value: Any) -> int:
    if type(value) is float and value.is_integer():  # as some languages write whole numbers
        value = int(value)
    if type(value) is not int or abs(value) > MAX_LONG:
        raise GraphQLError(f"Long cannot represent {value!r}: it is a whole number of at most {MAX_LONG}.")
    return value


def _parse_instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise GraphQLError(f"DateTime cannot represent {value!r}: it is a text such as 2026-11-30T12:00:00Z.")
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise GraphQLError(
            f"DateTime cannot represent {value!r}: it is a text such as 2026-11-30T12:00:00Z."
        ) from error


def _isoformat(value: datetime) -> str:
    return value.isoformat()


SCALARS: Mapping[object, ScalarDefinition] = {
    Long: strawberry.scalar(
        name="Long",
        description="A whole number of up to 53 bits, as a JSON number.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc7493#section-2.2",
        parse_value=_parse_long,
    ),
    JSON: strawberry.scalar(
        name="JSON", description="Any JSON value.", specified_by_url="https://www.rfc-editor.org/rfc/rfc8259"
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant: RFC 3339, in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_isoformat,
        parse_value=_parse_instant,
    ),
}
"""For Strawberry: Python's type -> the scalar."""
