"""The log of a server process: every line by the standard library's loggers, and written by structlog.

Set up once, by the process that serves. Lines tell whose request they belong to, and which worker
wrote them. What a client sent, its tokens, its documents and their variables, is in none of them at any level.
"""

import io
import logging
import sys
from types import ModuleType
from typing import TextIO

from graph.settings import Settings
from graph.telemetry.call import request_id

_rich: ModuleType | None = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it: 4 MB, for tracebacks in frames and colours
import structlog  # noqa: E402  # as above
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger  # noqa: E402  # as above

if _rich:
    sys.modules["rich"] = _rich
else:
    del sys.modules["rich"]

__all__ = ["formatter", "set_up"]

TOLD_OF_VALUES = ("tortoise", "tortoise.db_client", "uvicorn", "websockets", "aiosqlite", "asyncio", "redis")
"""Loggers that tell of statements with their parameters, or of messages as they come, at the level of debug."""


def set_up(settings: Settings, worker: int | None = None) -> None:
    """Have this process log as the settings say, to stderr; with its number, where it is one of several workers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings, worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in TOLD_OF_VALUES:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))


def formatter(settings: Settings, worker: int | None = None) -> logging.Formatter:
    """What makes a line of an entry, in the form that the settings name."""

    def with_place(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if (id := request_id()) is not None:
            event["request_id"] = id
        if worker is not None:
            event["worker"] = worker
        return event

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        with_place,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [
            _printable,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback, pad_event_to=0),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Nothing in an entry begins a line or tells a terminal what to do: paths and messages are what others chose."""
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _traceback(to: TextIO, raised: ExcInfo) -> None:
    """Write how it came to an exception, whose message may be anybody's too."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, raised)
    to.write("\n".join(map(_escaped, plain.getvalue().split("\n"))))


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
