"""Log of the API process: one line per event on stderr, each with its request id."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

from connectors.logs import QUIET, make_formatter
from connectors.printable import log_printably

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")
"""Set per request; worker threads inherit it."""

LINE = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class RequestIdFilter(logging.Filter):
    """Add the current request's id to every record; `-` outside requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept every record."""
        record.request_id = current_request_id.get()
        return True


def make_handler() -> logging.Handler:
    """Return the handler that writes log lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(LINE))
    # Add the filter to the handler, not a logger: a logger's filters do not apply to records of child
    # loggers.
    handler.addFilter(RequestIdFilter())
    return handler


def configure_logging() -> None:
    """Log to stderr, unless logging is already configured."""
    log_printably()
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(make_handler())
        root.setLevel(logging.INFO)
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
