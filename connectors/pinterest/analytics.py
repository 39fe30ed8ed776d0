"""Metrics of a pin: all in one request, or one by one if Pinterest rejects one of them.

Source: pinterest/openapi.json 5.23.0, /pins/{pin_id}/analytics.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.errors import GiveUpError
from connectors.http.client import PlatformApi
from connectors.pinterest.pins import METRICS, merge_metrics, parse_metrics
from connectors.types import PostMetrics

_WINDOW = timedelta(days=89)  # analytics cover 90 days, including today


class AnalyticsReader:
    """Reads one pin after another, skipping metrics that were rejected."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    async def fetch(self, api: PlatformApi, pin_id: str, captured_at: datetime) -> PostMetrics:
        """Return the pin's metrics; a rejected metric stays None.

        Raises GiveUpError (404) if the pin is gone, and (400) if it has no analytics at all.
        """
        names = [name for name in METRICS if name not in self._refused]
        try:
            return await _read(api, pin_id, names, captured_at)
        except GiveUpError as error:
            if error.status != 400:
                raise
            found: PostMetrics | None = None
            for name in names:
                try:
                    one = await _read(api, pin_id, [name], captured_at)
                except GiveUpError as refused:
                    if refused.status != 400:
                        raise
                    self._refused.add(name)
                else:
                    found = one if found is None else merge_metrics(found, one)
            if found is None:
                self._refused.clear()  # this pin has no analytics at all: the names may be valid
                raise
            return found


async def _read(api: PlatformApi, pin_id: str, names: Sequence[str], captured_at: datetime) -> PostMetrics:
    params = {
        "start_date": (captured_at - _WINDOW).date().isoformat(),
        "end_date": captured_at.date().isoformat(),
        "metric_types": ",".join(names),
    }
    return await api.read(
        f"/v5/pins/{pin_id}/analytics", lambda body: parse_metrics(pin_id, body, captured_at), params=params
    )
