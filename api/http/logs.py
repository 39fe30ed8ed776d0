"""The log of the API's process: one line an event on stderr, each with the id of the request it belongs to."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

from connectors.printable import PrintableFormatter, log_printably

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")
"""Set for each request; worker threads inherit it."""

LINE = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class RequestIdFilter(logging.Filter):
    """Gives every record the present request's id; `-` outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        record.request_id = current_request_id.get()
        return True


def make_handler() -> logging.Handler:
    """Return a handler that writes our lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter(LINE))
    # On the handler, not on a logger: a logger's filters see nothing of the loggers below it.
    handler.addFilter(RequestIdFilter())
    return handler


def configure_logging() -> None:
    """Write the process's log to stderr, unless whoever started it has said where logs go."""
    log_printably()
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(make_handler())
        root.setLevel(logging.INFO)
        # One line a request to a platform is too much; what it answered is in the ledger.
        logging.getLogger("httpx").setLevel(logging.WARNING)
