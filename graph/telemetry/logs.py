"""The log of a server process, by the standard library: a line an entry, for people or as JSON.

Set up once, by the process that serves. Lines bear the id of the request that they belong to, and the worker's number.
Nothing that a client sent, its tokens, documents and variables, is logged at any level.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from graph.settings import Settings
from graph.telemetry.calls import request_id

__all__ = ["Formatter", "set_up"]

LOGGERS_OF_VALUES = ("tortoise", "tortoise.db_client", "uvicorn", "websockets", "aiosqlite", "asyncio", "redis")
"""Loggers that log statements with their parameters, or messages of clients, at the level of debug."""
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"asctime", "color_message", "message"}
"""Attributes of a record that are no extra fields; color_message is uvicorn's."""


def set_up(settings: Settings, worker: int | None = None) -> None:
    """Log to stderr as the settings say; `worker`: the number of this process among several."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(settings, worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in LOGGERS_OF_VALUES:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))


class Formatter(logging.Formatter):
    """Formats lines as the settings say; `worker`: the number of this process among several."""

    def __init__(self, settings: Settings, worker: int | None = None) -> None:
        super().__init__()
        self._as_json = settings.log_format == "json"
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """One object, or one line with the traceback below it."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        level, event = record.levelname.lower(), record.getMessage()
        fields = {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        if (id := request_id()) is not None:
            fields["request_id"] = id
        if self._worker is not None:
            fields["worker"] = self._worker
        exception = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            line = {"timestamp": time, "level": level, "logger": record.name, "event": event, **fields}
            return json.dumps(line | ({"exception": exception} if exception else {}), default=repr)
        pairs = "".join(f" {name}={value}" for name, value in fields.items())
        lines = [f"{time} {level:<8} {event} [{record.name}]{pairs}", *(exception.split("\n") if exception else ())]
        return "\n".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    """What would begin a line or control a terminal, escaped: paths and messages may be a client's."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
