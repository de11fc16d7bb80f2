"""Refusals of a field's arguments: errors of GraphQL, each with a code for clients."""

from graphql import GraphQLError

__all__ = ["bad_argument", "in_range", "not_found"]


def bad_argument(name: str, message: str) -> GraphQLError:
    """The error for an argument that breaks a rule."""
    return GraphQLError(f"{name}: {message}", extensions={"code": "BAD_USER_INPUT", "argument": name})


def not_found(message: str) -> GraphQLError:
    """The error for something that is not there."""
    return GraphQLError(message, extensions={"code": "NOT_FOUND"})


def in_range(name: str, value: int, lowest: int, highest: int | None = None) -> None:
    """Raise the error unless lowest <= value <= highest."""
    if value < lowest or (highest is not None and value > highest):
        bounds = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
        raise bad_argument(name, f"must be {bounds}, got {value}.")
