"""Counts and durations of this process's own requests, for /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class RequestMetrics:
    """One registry for each app, so that two apps in one process never share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "socialflow_http_requests", "Answers given.", ("operation", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "socialflow_http_request_seconds",
            "Seconds from request to answer.",
            ("operation",),
            registry=self.registry,
        )

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Note one answer. `operation` is an operationId, never an address: ids would make endless series."""
        series = self._series.get((operation, status))
        if series is None:
            # Looking the labels up takes longer than counting: once for each pair is enough.
            series = self._requests.labels(operation, str(status)), self._seconds.labels(operation)
            self._series[operation, status] = series
        requests, durations = series
        requests.inc()
        durations.observe(seconds)
