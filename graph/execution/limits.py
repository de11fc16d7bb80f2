"""The limits of documents and operations, and their errors."""

from graphql import GraphQLError

from graph.settings import Settings, flag_name

__all__ = ["CODES", "MOST", "limit_error"]

MOST = 10**12
"""Where counting ends: a short document may spread fragments so that it selects far more."""

CODES = {
    "max_document_characters": "DOCUMENT_TOO_LONG",
    "max_document_tokens": "TOO_MANY_TOKENS",
    "max_depth": "TOO_DEEP",
    "max_aliases": "TOO_MANY_ALIASES",
    "max_directives": "TOO_MANY_DIRECTIVES",
    "max_cost": "TOO_COSTLY",
    "max_variable_values": "TOO_MANY_VALUES",
}
"""Setting -> the `extensions.code` of its error."""


def limit_error(settings: Settings, setting: str, what: str, found: int | None = None) -> GraphQLError:
    """The error for a document or an operation beyond the limit of a setting.

    `what`: the beginning of the message, as "The operation is {} levels deep"; `found`: the number for its place, None
    where it was not counted to the end.
    """
    limit = getattr(settings, setting)
    shown = f"more than {limit if found is None else MOST}" if found is None or found >= MOST else str(found)
    message = f"{what.format(shown)}; this server allows {limit} ({flag_name(setting)})."
    return GraphQLError(message, extensions={"code": CODES[setting]})
