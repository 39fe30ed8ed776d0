"""The log of every process: lines to read, or one JSON object per line (SOCIALFLOW_LOG_FORMAT=json).

Ids that a line belongs to (request, run, account, post, publication, attempt) are set where the work begins, by
`log_ids`, and every line written meanwhile has them, whichever module writes it. Text lines do not show them, but
for the request's id in the API.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.printable import PrintableFormatter, log_printably
from connectors.settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
QUIET = ("httpx", "alembic")
"""Loggers with a line per request or migration step; the answers of platforms are in the ledger."""

_ids: ContextVar[Mapping[str, str | int]] = ContextVar("log_ids", default={})  # noqa: B039 (never changed)


@contextmanager
def log_ids(**ids: str | int | None) -> Iterator[None]:
    """Give every line written in the block these ids, besides those it has; None leaves an id out.

    Threads and tasks started in the block have them too.
    """
    token = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _ids.reset(token)


def bind_log_ids(**ids: str | int) -> None:
    """Give every further line of the current task these ids, besides those it has."""
    _ids.set({**_ids.get(), **ids})


def current_log_ids() -> Mapping[str, str | int]:
    """Return the ids of the surrounding blocks."""
    return _ids.get()


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, the ids, and the error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **_ids.get(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII: control characters and line separators of other people's texts cannot end the line.
        return json.dumps(line, default=str)


def make_formatter(line: str = TEXT_LINE) -> logging.Formatter:
    """Return the formatter that the setting asks for; `line` is the format of text lines."""
    return JsonFormatter() if LogSettings().log_format == "json" else PrintableFormatter(line)


def reformat_logs() -> None:
    """Write JSON lines, where the setting asks for them, also from handlers that Prefect has set up."""
    if LogSettings().log_format != "json":
        return
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):  # a placeholder of a parent logger has none
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JsonFormatter())


def configure_logs(line: str = TEXT_LINE, *, level: int = logging.INFO) -> None:
    """Write this process's log to stderr, unless logging is configured already."""
    log_printably()
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(make_formatter(line))
        root.addHandler(handler)
        root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
