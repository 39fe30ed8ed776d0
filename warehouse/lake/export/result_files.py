"""Write a query result as CSV, JSON or Parquet while it is computed, with constant memory."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from warehouse.lake.export.formulas import guard_text

if TYPE_CHECKING:
    from warehouse.lake.console import Answer


def write_csv(answer: Answer, stream: IO[bytes], *, limit: int | None = None) -> int:
    """Write a header and one line per row (UTF-8, empty cell = NULL, lists as JSON); return the number of rows."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    count = 0
    for row in answer.rows(limit):
        writer.writerow([_cell(value) for value in row])
        count += 1
    text.flush()
    text.detach()
    return count


def write_json(answer: Answer, stream: IO[bytes], *, limit: int | None = None) -> int:
    """Write one array with one object per row and line, instants as ISO 8601; return the number of rows."""
    stream.write(b"[")
    count = 0
    for row in answer.rows(limit):
        record = {name: _plain(value) for name, value in zip(answer.columns, row, strict=True)}
        stream.write(b",\n" if count else b"\n")
        stream.write(json.dumps(record, default=_text, ensure_ascii=False).encode())
        count += 1
    stream.write(b"\n]\n" if count else b"]\n")
    return count


def write_parquet(answer: Answer, stream: IO[bytes], *, limit: int | None = None) -> int:
    """Write a Parquet file (zstd); return the number of rows."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (30 MB that the other formats do not need)

    schema, batches = answer.arrow()
    count = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in batches:
            wanted = batch if limit is None else batch.slice(0, limit - count)
            writer.write_batch(wanted)
            count += len(wanted)
            if count == limit:
                break
    return count


def _cell(value: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    if isinstance(value, (list, dict)):
        return json.dumps(_plain(value), default=_text, ensure_ascii=False)
    if isinstance(value, str):
        return guard_text(value)
    if isinstance(value, datetime):  # as in the CSV files of tables
        written = value.strftime("%Y-%m-%dT%H:%M:%S.%f")
        return written if value.tzinfo is None else f"{written}Z"
    return _text(value) if hasattr(value, "isoformat") else value


def _plain(value: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    """Return a value that JSON can represent: NaN and infinities become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _text(value: Any) -> str:  # noqa: ANN401 (json's default hook)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
