"""Prometheus collectors of the work itself: lateness of posts, waits of the ingest, reads, and the lake's files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily

from connectors.types import Platform
from warehouse.lake.maintenance import get_newest_commit, measure_files
from warehouse.store.leases.work_leases import count_work
from warehouse.store.measuring.measurements import measure_waits
from warehouse.store.measuring.read_budgets import count_reads
from warehouse.store.publishing.lateness import BOUNDS_SECONDS, Lateness, measure_lateness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from api.http.services import Services

logger = logging.getLogger(__name__)


class StoreWorkCollector:
    """What the store knows of the work: read once, at the making."""

    def __init__(self, services: Services) -> None:
        now = services.clock()
        with services.store.read() as session:
            self._lateness = measure_lateness(session, now)
            self._waits = measure_waits(session, now)
            self._reads = {str(platform): count_reads(session, platform, now) for platform in Platform}
            self._leases = count_work(session)
        self._limits = {str(name): limit for name, limit in services.warehouse.reads_per_day.items()}

    def collect(self) -> Iterator[GaugeHistogramMetricFamily | GaugeMetricFamily]:
        """Yield the gauges; a platform without anything to tell has no sample."""
        yield _make_histogram(self._lateness)
        due = GaugeMetricFamily(
            "socialflow_snapshots_due",
            "Publications whose metrics are due to be read, on accounts that can be read.",
            labels=("platform",),
        )
        lag = GaugeMetricFamily(
            "socialflow_ingest_lag_seconds",
            "How long the oldest due snapshot of a platform has waited.",
            labels=("platform",),
        )
        for platform, (count, seconds) in sorted(self._waits.items()):
            due.add_metric((platform,), count)
            lag.add_metric((platform,), seconds)
        yield due
        yield lag
        reads = GaugeMetricFamily(
            "socialflow_posts_read_today",
            "Posts read in this UTC day on platforms with a daily budget (SOCIALFLOW_READS_PER_DAY).",
            labels=("platform",),
        )
        left = GaugeMetricFamily(
            "socialflow_reads_left",
            "Posts that may still be read in this UTC day on platforms with a daily budget.",
            labels=("platform",),
        )
        for platform, limit in sorted(self._limits.items()):
            left.add_metric((platform,), max(limit - self._reads[platform], 0))
        yield left
        shared = GaugeMetricFamily(
            "socialflow_work_leases",
            "Work that runs have taken now: accounts by flow, and as FLOW/runs the runs themselves.",
            labels=("kind",),
        )
        for kind, count in sorted(self._leases.items()):
            shared.add_metric((kind,), count)
        yield shared
        for platform, count in self._reads.items():
            if count:
                reads.add_metric((platform,), count)
        yield reads


class LakeCollector:
    """What the lake tells of itself; without an answer, only that there is none."""

    def __init__(self, services: Services) -> None:
        self._files: dict[str, int] | None = None
        self._newest_commit: datetime | None = None
        try:
            self._files = measure_files(services.lake)
            self._newest_commit = get_newest_commit(services.lake)
        except Exception:  # any driver error means "down"; the log has the reason
            logger.exception("the lake cannot be read for /metrics")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        yield GaugeMetricFamily(
            "socialflow_lake_up",
            "Whether the lake could be read (1) or not (0).",
            float(self._files is not None),
        )
        if self._files is not None:
            for name, words in (
                ("files", "Parquet files of the newest snapshot."),
                ("delete_files", "Files that list deleted rows."),
                ("bytes", "Size of the newest snapshot's files."),
            ):
                yield GaugeMetricFamily(f"socialflow_lake_{name}", words, self._files[name])
        if self._newest_commit is not None:
            yield GaugeMetricFamily(
                "socialflow_lake_last_commit_timestamp_seconds",
                "Time of the newest commit.",
                self._newest_commit.timestamp(),
            )


def _make_histogram(lateness: Lateness) -> GaugeHistogramMetricFamily:
    bounds = [*(str(bound) for bound in BOUNDS_SECONDS), "+Inf"]
    return GaugeHistogramMetricFamily(
        "socialflow_publish_lateness_seconds",
        "Seconds from a post's time to its publication, of posts published in the last hour.",
        buckets=list(zip(bounds, lateness.cumulative, strict=True)),
        gsum_value=lateness.sum_seconds,
    )
