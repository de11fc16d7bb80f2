"""Refusals of a field's arguments: errors of GraphQL, each with a code for clients."""

from graphql import GraphQLError

from models.config import MAX_PATH
from models.errors import JobNotFound
from models.validation import job_id_of

__all__ = ["bad_argument", "in_range", "job_id_in", "path_in"]


def bad_argument(name: str, message: str) -> GraphQLError:
    """The error for an argument that breaks a rule."""
    return GraphQLError(f"{name}: {message}", extensions={"code": "BAD_USER_INPUT", "argument": name})


def in_range(name: str, value: int | None, lowest: int, highest: int | None = None) -> None:
    """Raise the error unless lowest <= value <= highest, or the value is None."""
    if value is not None and (value < lowest or (highest is not None and value > highest)):
        bounds = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
        raise bad_argument(name, f"must be {bounds}, got {value}.")


def job_id_in(name: str, id: str) -> int:
    """The job's id. Raises the error where it is none."""
    try:
        return job_id_of(id)
    except JobNotFound as error:
        raise bad_argument(name, error.message) from error


def path_in(name: str, path: str) -> str:
    """The path of a config. Raises the error where none can be so."""
    if len(path) > MAX_PATH:
        raise bad_argument(name, f"a path has at most {MAX_PATH} characters, got {len(path)}.")
    if "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path):
        raise bad_argument(name, "a path has no NULs, and no halves of characters.")
    return path
