"""Where the lake's files are, for checks that must not wait for DuckDB's own retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings


def bucket_address(settings: WarehouseSettings) -> str | None:
    """Return the URL at which the lake's bucket answers; None = its files are in a folder.

    The request needs no signature: that the bucket refuses it (403) is an answer, a status from 500 is none.
    """
    place = settings.resolved_lake_data_path
    if not place.startswith("s3://"):
        return None
    bucket = place.removeprefix("s3://").split("/", 1)[0]
    if settings.lake_s3_endpoint:
        scheme = "https" if settings.lake_s3_use_ssl else "http"
        return f"{scheme}://{settings.lake_s3_endpoint}/{bucket}?max-keys=1"
    return f"https://{bucket}.s3.{settings.lake_s3_region}.amazonaws.com/?max-keys=1"
