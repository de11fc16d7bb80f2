"""What an app of this process logs, line by line, as a server writes it."""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from graph.settings import Settings
from graph.telemetry.logs import Formatter

CALLS = "graph.calls"
"""The logger that has a line for each call."""


class Lines(logging.Handler):
    """Keeps each line as the object that it is."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.setFormatter(Formatter(Settings(log_format="json")))
        self.kept: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(json.loads(self.format(record)))


@contextlib.contextmanager
def logged(name: str = CALLS, level: int = logging.INFO) -> Iterator[list[dict[str, Any]]]:
    """Inside, lines of that logger and that level are kept."""
    logger, lines = logging.getLogger(name), Lines(level)
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(level)
    try:
        yield lines.kept
    finally:
        logger.setLevel(before)
        logger.removeHandler(lines)
