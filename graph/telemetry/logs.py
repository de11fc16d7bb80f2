"""The log of a server process, by the standard library: a line an entry, for people or as JSON.

Set up once, by the process that serves. Lines bear the id of the request that they belong to, and the worker's number.
Nothing that a client sent, its tokens, documents and variables, is logged at any level.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from graph.settings import Settings
from graph.telemetry.call import request_id

__all__ = ["formatter", "set_up"]

LOGGERS_OF_VALUES = ("tortoise", "tortoise.db_client", "uvicorn", "websockets", "aiosqlite", "asyncio", "redis")
"""Loggers that log statements with their parameters, or messages of clients, at the level of debug."""
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"asctime", "color_message", "message"}
"""Attributes of a record that are no extra fields; color_message is uvicorn's."""


def set_up(settings: Settings, worker: int | None = None) -> None:
    """Log to stderr as the settings say; `worker`: the number of this process among several."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings, worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in LOGGERS_OF_VALUES:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))


def formatter(settings: Settings, worker: int | None = None) -> logging.Formatter:
    """The formatter that the settings name."""
    return (_JSON if settings.log_format == "json" else _Console)(worker)


class _Formatter(logging.Formatter):
    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._worker = worker

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        """The fields beside time, level, logger and event."""
        fields = {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        if (id := request_id()) is not None:
            fields["request_id"] = id
        if self._worker is not None:
            fields["worker"] = self._worker
        return fields


class _JSON(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        line = {
            "timestamp": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self._fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr)


class _Console(_Formatter):
    """Escapes what would begin a line or control a terminal: paths and messages may be a client's."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it."""
        fields = "".join(f" {name}={value}" for name, value in self._fields(record).items())
        line = f"{record.levelname.lower():<8} {record.getMessage()} [{record.name}]{fields}"
        traceback = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        return "\n".join(map(_escaped, [f"{_timestamp(record)} {line}", *traceback]))


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
