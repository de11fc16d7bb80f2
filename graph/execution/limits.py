"""The limits of documents and operations, and the errors that tell of them."""

from typing import NamedTuple, Self

from graphql import GraphQLError

from graph.settings import Settings, flag_name

__all__ = ["CODES", "MOST", "Limits", "beyond"]

MOST = 10**12
"""Where counting ends: a short document can ask for more than has a name."""

CODES = {
    "max_document_characters": "DOCUMENT_TOO_LONG",
    "max_document_tokens": "TOO_MANY_TOKENS",
    "max_depth": "TOO_DEEP",
    "max_aliases": "TOO_MANY_ALIASES",
    "max_directives": "TOO_MANY_DIRECTIVES",
    "max_cost": "TOO_COSTLY",
    "max_variable_values": "TOO_MANY_VALUES",
}
"""Setting -> the `extensions.code` of who goes beyond it."""


class Limits(NamedTuple):
    """The settings that decide about documents and operations. What is remembered of a document depends on them."""

    max_document_characters: int
    max_document_tokens: int
    max_depth: int
    max_aliases: int
    max_directives: int
    max_cost: int
    max_variable_values: int
    operation_seconds: float
    introspection: bool
    suggestions: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a server."""
        return cls(**{name: getattr(settings, name) for name in cls._fields})


def beyond(setting: str, limit: int, what: str, asked: int | None = None) -> GraphQLError:
    """The error for a document that goes beyond the limit of a setting.

    `what`: a sentence's beginning, as "The operation is {} levels deep", with the place of what was asked for.
    """
    shown = f"more than {limit if asked is None else MOST}" if asked is None or asked >= MOST else str(asked)
    message = f"{what.format(shown)}; this server allows {limit} ({flag_name(setting)})."
    return GraphQLError(message, extensions={"code": CODES[setting]})
