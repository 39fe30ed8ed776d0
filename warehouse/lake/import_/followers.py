"""Import a file with an account's history of followers (CSV or Parquet): counts by day, from before SocialFlow.

Counts are rows of raw.account_snapshots like measured ones, by the same natural key (account_id, captured_at), so a
second import adds nothing. `run_id` begins with `import-`, and `raw` is NULL: no platform answered.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from warehouse.errors import InvalidInputError
from warehouse.lake.dimensions import account_dims
from warehouse.lake.load import load_account_snapshots, load_accounts
from warehouse.lake.rows import LARGEST_COUNT, AccountSnapshot
from warehouse.store.access.workspaces import parse_timezone
from warehouse.store.accounts.accounts import find_or_create_imported_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.lake.rows import AccountDim
    from warehouse.store.database import Store

COUNTS = ("followers", "following", "posts")
MAX_ROWS = 100_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class RejectedCount(NamedTuple):
    """One row that was not imported."""

    line: int
    """CSV: line of the record (the header is line 1). Parquet: row number from 1."""
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class FollowersReport:
    """Result of an import: rows = loaded + already_there + different + rejected."""

    rows: int
    loaded: int
    already_there: int
    """Rows that the lake already has, including repeats within the file."""
    different: int
    """Rows for whose time the lake has another count: not loaded, because counts in raw are never changed."""
    rejected: list[RejectedCount]
    account_id: str


def import_followers(
    store: Store,
    lake: Lake,
    path: Path,
    *,
    platform: Platform,
    account_name: str,
    timezone: str | None = None,
    workspace_id: str,
    now: datetime,
) -> FollowersReport:
    """Import the counts of one account; valid rows are loaded, invalid ones reported.

    Columns: `captured_at` (a time) or `date` (a day, whose count is that of its end), `followers`, and optionally
    `following` and `posts`. Times without an offset, and days, are in `timezone`; default: the account's own zone.

    Raises InvalidInputError: no such file, no such columns, an unknown zone, or no valid row; then nothing is stored.
    """
    columns, lines = _read(path)
    rows = list(lines)  # before the transaction, which holds up the publisher
    when = next((name for name in ("captured_at", "date") if name in columns), None)
    if when is None or "followers" not in columns:
        raise InvalidInputError(
            f"{path} needs the columns followers, and captured_at or date; it has: {', '.join(columns)}",
            field="file",
        )
    with store.write() as session:
        account = find_or_create_imported_account(session, workspace_id, platform, account_name, now)
        dim = account_dims(session, [account])[0]
        zone = parse_timezone(timezone or dim.timezone or "UTC")
        counts: dict[datetime, AccountSnapshot] = {}
        rejected: list[RejectedCount] = []
        repeated = 0
        for line, row in rows:
            try:
                found = _read_row(row, when, zone, now, dim)
            except _RowError as error:
                rejected.append(RejectedCount(line, error.field, error.reason))
                continue
            known_before = counts.setdefault(found.captured_at, found)
            if known_before is found:
                continue
            if known_before == found:
                repeated += 1
            else:
                words = f"{row[when]!s:.40} was given before with another count"
                rejected.append(RejectedCount(line, when, words))
        if not counts:
            reason = (
                f"line {rejected[0].line}: {rejected[0].field} {rejected[0].reason}"
                if rejected
                else "it is empty"
            )
            raise InvalidInputError(f"{path} has no count that can be imported: {reason}", field="file")
    load_accounts(lake, [dim])
    known = _find_known(lake, dim.account_id, list(counts))
    different = sum(known[at] != count.followers for at, count in counts.items() if at in known)
    fresh = [count for at, count in counts.items() if at not in known]
    loaded = load_account_snapshots(lake, fresh, f"import-{uuid4().hex[:12]}")
    total = len(counts) + repeated + len(rejected)
    there = total - loaded - different - len(rejected)
    return FollowersReport(total, loaded, there, different, rejected, dim.account_id)


def _read_row(
    row: dict[str, Any], when: str, zone: ZoneInfo, now: datetime, account: AccountDim
) -> AccountSnapshot:
    at = _read_time(row.get(when), when, zone, now)
    values: dict[str, Any] = {name: _read_count(row.get(name), name) for name in COUNTS}
    if values["followers"] is None:
        raise _RowError("followers", "is empty")
    return AccountSnapshot(account.workspace_id, account.account_id, at, **values)


class _RowError(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def _find_known(lake: Lake, account_id: str, times: list[datetime]) -> dict[datetime, int | None]:
    rows = lake.query(
        "SELECT captured_at, followers FROM raw.account_snapshots "
        "WHERE account_id = $id AND captured_at BETWEEN $first::TIMESTAMPTZ AND $last::TIMESTAMPTZ",
        {"id": account_id, "first": min(times), "last": max(times)},
    )
    return {row["captured_at"]: row["followers"] for row in rows}


def _read(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    """Return the column names and the rows with their lines."""
    if not path.is_file():
        raise InvalidInputError(f"there is no file {path}", field="file")
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise InvalidInputError(
            f"{path} is not UTF-8 text: save it as CSV (UTF-8) or Parquet", field="file"
        ) from None
    if len(lines) > MAX_ROWS:
        raise InvalidInputError(f"{path} has more than {MAX_ROWS} lines", field="file")
    reader = csv.reader(lines)
    names = [name.strip().lower() for name in next(reader, [])]

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for values in reader:
            if values:
                yield reader.line_num, dict(zip(names, values, strict=False))

    return names, rows()


def _read_parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    import pyarrow as pa  # noqa: PLC0415 (only for this format)
    import pyarrow.parquet as pq  # noqa: PLC0415 (same)

    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MAX_ROWS:
            raise InvalidInputError(f"{path} has more than {MAX_ROWS} rows", field="file")
        table = file.read()
    except pa.ArrowInvalid as error:
        raise InvalidInputError(f"{path} is not a readable Parquet file: {error}", field="file") from error
    names = [name.strip().lower() for name in table.column_names]
    return names, enumerate(table.rename_columns(names).to_pylist(), start=1)


def _read_time(value: Any, field: str, zone: ZoneInfo, now: datetime) -> datetime:  # noqa: ANN401 (a cell)
    try:
        if field == "date":
            at = _end_of_day(value, zone)
        else:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
            at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _RowError(
            field, f"{value!s:.40} is not a {'day such as 2026-03-01' if field == 'date' else 'time'}"
        ) from None
    if at > now:
        raise _RowError(
            field,
            f"{value!s:.40} has not ended yet" if field == "date" else f"{value!s:.40} is in the future",
        )
    if at < EARLIEST:
        raise _RowError(field, f"{value!s:.40} is before 1970")
    return at


def _end_of_day(value: Any, zone: ZoneInfo) -> datetime:  # noqa: ANN401 (a cell)
    """Return the last second of a day on the zone's calendar."""
    if isinstance(value, datetime):
        value = value.date()
    day = value if isinstance(value, date) else date.fromisoformat(str(value).strip())
    midnight = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    return midnight - timedelta(seconds=1)


def _read_count(value: Any, field: str) -> int | None:  # noqa: ANN401 (a cell)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        count = int(str(value).strip())
    except ValueError:
        raise _RowError(field, f"{value!s:.40} is not a whole number") from None
    if not 0 <= count <= LARGEST_COUNT:
        raise _RowError(field, f"{value!s:.40} is not a possible count")
    return count
