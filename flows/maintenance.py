"""The nightly housekeeping, as a plain function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.account_runs import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flows.resources import Resources


def maintain_stores(resources: Resources, *, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Maintain the lake and return what was done. Raises ConflictError, SetupError."""
    from warehouse.lake.maintenance import maintain_lake  # noqa: PLC0415 (see flows.resources)

    return dict(maintain_lake(resources.lake, clock()))
