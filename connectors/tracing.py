"""OpenTelemetry traces, where SOCIALFLOW_OTLP_ENDPOINT is set; otherwise nothing is imported and a span costs nothing.

Spans are sent by OTLP over HTTP in batches from a thread: a collector that is away or slow delays no post. The standard
variables of the exporter hold too, such as OTEL_EXPORTER_OTLP_HEADERS for a collector that asks for a key.

A span has a name, ids and counts. It has no text of a post, no address but a host's name (a path may hold a token), and
of an error only its type.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from connectors.logs import current_log_ids
from connectors.settings import TraceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import TracerProvider

EXPORT_TIMEOUT_S = 5
"""For one batch; what cannot be sent is dropped."""
END_TIMEOUT_S = 3.0
"""For all that is waiting when a process ends: a collector that is away would delay each end by half a minute."""
_PREFIX = "socialflow."


class Span(Protocol):
    """A piece of work in progress."""

    def note(self, **ids: str | float | None) -> None:
        """Add ids or counts that were not known at the start; None is left out."""


class _NoSpan:
    def note(self, **ids: str | float | None) -> None:
        """Do nothing."""


_OFF: AbstractContextManager[Span] = nullcontext(_NoSpan())
_lock = threading.Lock()
_provider: TracerProvider | None = None
_known = False


def span(name: str, **ids: str | float | None) -> AbstractContextManager[Span]:
    """Return a context in which the work `name` is done; spans of a block are children of the surrounding one.

    The ids that log lines of the block have (`connectors.logs.log_ids`) are its attributes too.
    """
    provider = _provider if _known else _open()
    return _OFF if provider is None else _record(provider, name, ids)


def stop_tracing() -> None:
    """Send what is waiting, within END_TIMEOUT_S, and read the setting again at the next span.

    Runs at exit; to be called where a process ends without atexit.
    """
    global _provider, _known
    with _lock:
        provider, _provider, _known = _provider, None, False
    if provider is not None:
        # The provider's own limit is 30 s, and cannot be set.
        ending = threading.Thread(target=provider.shutdown, name="tracing-end", daemon=True)
        ending.start()
        ending.join(END_TIMEOUT_S)


def _open() -> TracerProvider | None:
    global _provider, _known  # noqa: PLW0603 (one per process)
    with _lock:
        if not _known:
            endpoint = TraceSettings().otlp_endpoint
            _provider = None if endpoint is None else _make_provider(endpoint)
            _known = True
        return _provider


def _make_provider(endpoint: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (20 MB)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (same)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (same)
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (same)

    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    resource = Resource.create(
        {
            "service.name": "socialflow",
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "process.pid": os.getpid(),
            f"{_PREFIX}module": getattr(main, "name", None) or "unknown",
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    atexit.register(stop_tracing)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class _RealSpan:
    def __init__(self, inner: Any) -> None:  # noqa: ANN401 (OpenTelemetry's span, which is not imported here)
        self._inner = inner

    def note(self, **ids: str | float | None) -> None:
        """Set them as attributes."""
        self._inner.set_attributes(
            {f"{_PREFIX}{name}": value for name, value in ids.items() if value is not None}
        )


@contextmanager
def _record(provider: TracerProvider, name: str, ids: dict[str, Any]) -> Iterator[Span]:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 (loaded by now)

    tracer = provider.get_tracer("socialflow")
    # Messages of errors may quote a platform's answer: only the type is recorded.
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as inner:
        recorded = _RealSpan(inner)
        recorded.note(**{**current_log_ids(), **ids})
        try:
            yield recorded
        except BaseException as error:
            inner.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
