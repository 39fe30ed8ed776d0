"""What this process needs around it: the storage of the lake's files, Prefect's server, space on the disk."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx
from prometheus_client.core import GaugeMetricFamily

from warehouse.lake.storage import bucket_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.settings import WarehouseSettings

logger = logging.getLogger(__name__)

CheckResult = Literal["ok", "failed", "not_checked"]

PATIENCE_SECONDS = 2


async def check_address(url: str, *, what: str, below: int) -> CheckResult:
    """Return "ok" if the address answers with a status below `below` within two seconds; the body is not read."""
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", url) as answer,
        ):
            pass
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        logger.warning("%s does not answer: %s", what, str(error) or type(error).__name__)
        return "failed"
    return "ok" if answer.status_code < below else "failed"


async def check_lake_storage(settings: WarehouseSettings) -> CheckResult:
    """Check that the lake's folder exists, or that the server of its bucket answers.

    The catalog knows what the files hold, so a lake whose bucket is away still opens.
    """
    url = bucket_address(settings)
    if url is None:
        folder = Path(settings.resolved_lake_data_path)
        return "ok" if await asyncio.to_thread(folder.is_dir) else "not_checked"
    return await check_address(url, what="the lake's bucket", below=500)


class SurroundingsCollector:
    """Prometheus collector of the checks above; what is not configured has no sample."""

    def __init__(self, home: Path, storage: CheckResult, orchestrator: CheckResult) -> None:
        self._home, self._storage, self._orchestrator = home, storage, orchestrator

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        for name, words, result in (
            ("lake_storage_up", "Whether the bucket or folder with the lake's files answers.", self._storage),
            ("orchestrator_up", "Whether Prefect's server is healthy.", self._orchestrator),
        ):
            family = GaugeMetricFamily(f"socialflow_{name}", words)
            if result != "not_checked":
                family.add_metric((), float(result == "ok"))
            yield family
        yield GaugeMetricFamily(
            "socialflow_home_free_bytes",
            "Free space on the disk of this process's home folder.",
            shutil.disk_usage(self._home).free,
        )
