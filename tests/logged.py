"""What an app of this process says of its calls, line by line, as a server writes it."""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from graph.settings import Settings
from graph.telemetry.logs import formatter

__all__ = ["logged"]

CALLS = logging.getLogger("graph.calls")


class Lines(logging.Handler):
    """Keeps each line as the object that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter(Settings(log_format="json")))
        self.kept: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(json.loads(self.format(record)))


@contextlib.contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """Inside, lines of the level of info are kept, whoever asks for them."""
    lines, level = Lines(), CALLS.level
    CALLS.addHandler(lines)
    CALLS.setLevel(logging.INFO)
    try:
        yield lines.kept
    finally:
        CALLS.setLevel(level)
        CALLS.removeHandler(lines)
