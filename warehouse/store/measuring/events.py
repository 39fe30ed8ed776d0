"""Webhook events of measurements, written in the transaction that records the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.types import METRIC_NAMES
from warehouse.store.webhooks.outbox import Happening, list_listened, write_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import PostMetrics
    from warehouse.store.models import Publication

MEASUREMENTS_PER_EVENT = 25
"""Keeps a message near 10 kB: receivers are advised to refuse much longer ones."""


def announce_metrics(
    session: Session,
    measured: Sequence[tuple[Publication, PostMetrics]],
    now: datetime,
    *,
    snapshot_id: int | None = None,
) -> None:
    """Write events with fresh metrics, grouped by workspace. Unmeasured values are null.

    `snapshot_id`: the lake's snapshot that contains the measurements; exports continue from it (`changed_since`).
    """
    by_workspace: dict[str, list[dict[str, Any]]] = {}
    listened = list_listened(session, {row.workspace_id for row, _ in measured}) if measured else set()
    for row, metrics in measured:
        if (row.workspace_id, "metrics.updated") in listened:
            by_workspace.setdefault(row.workspace_id, []).append(_measurement(row, metrics))
    happenings = [
        Happening(
            workspace_id,
            "metrics.updated",
            {"measurements": found[start : start + MEASUREMENTS_PER_EVENT], "snapshot_id": snapshot_id},
        )
        for workspace_id, found in by_workspace.items()
        for start in range(0, len(found), MEASUREMENTS_PER_EVENT)
    ]
    write_events(session, happenings, now)


def _measurement(row: Publication, metrics: PostMetrics) -> dict[str, Any]:
    values: Mapping[str, int | None] = {name: getattr(metrics, name) for name in METRIC_NAMES}
    return {
        "post_id": row.post_id,
        "publication_id": row.id,
        "platform": row.platform,
        "account_id": row.account_id,
        "external_id": row.external_id,
        "permalink": row.permalink,
        "published_at": row.published_at,
        "captured_at": metrics.captured_at,
        "metrics": values,
    }
