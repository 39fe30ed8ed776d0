"""Data that the readers of history files return: what a file is, its rows in batches, and why a file is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import pyarrow as pa

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connectors.types import ContentKind, Platform

COUNTS = (
    "impressions",
    "reach",
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "clicks",
    "follows",
    "video_views",
)
"""Whole numbers of a row, each 0 to 10^13. `views` counts displays and plays together (Facebook, Instagram and
Threads since 2025): it is neither `impressions` nor `video_views`."""

MEASURES = ("watch_seconds", "engagement_rate")
"""Numbers of a row that are not counts: seconds watched in total; the share that the file states (0.125 = 12.5 %)."""

ZoneSource = Literal["file", "option", "account", "default"]
"""Where the zone of times comes from: the file's own offsets (or a format defined in UTC), ReadOptions.timezone,
ReadOptions.account_timezone, or UTC because nothing else says."""

_INSTANT = pa.timestamp("us", tz="UTC")

ROW_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("account", pa.string()),
        ("external_id", pa.string()),
        ("derived_id", pa.bool_()),
        ("permalink", pa.string()),
        ("text", pa.string()),
        ("kind", pa.string()),
        ("published_at", _INSTANT),
        ("day_only", pa.bool_()),
        ("measured_at", _INSTANT),
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.float64()) for name in MEASURES),
        ("raw", pa.string()),
    ]
)
"""Columns of `RowBatch.rows`, in this order: the fields of ImportedRow; `raw` is a JSON object as text."""


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One publication of a file, with the counts that the file has. None = the file does not say, never 0."""

    line: int
    """CSV: line on which the record starts. Other files: number of the row or item, from 1."""
    account: str | None
    """Account as the file names it (handle, page name or id); None = the file does not name it."""
    external_id: str
    """The platform's id, in the form that the connector of the platform uses where the file has it."""
    derived_id: bool
    """The file has no id: `external_id` was made from the row's account, time and kind ("row-...")."""
    permalink: str | None
    text: str | None
    kind: ContentKind | None
    """None = the file does not say."""
    published_at: datetime
    """Aware UTC. If `day_only`, the start of that day in the file's zone."""
    day_only: bool
    """The file has only the day of publishing: the hour says nothing."""
    measured_at: datetime | None
    """When the counts were read, aware UTC. None = unknown: lifetime counts as of the file's making."""
    impressions: int | None = None
    reach: int | None = None
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    clicks: int | None = None
    follows: int | None = None
    video_views: int | None = None
    watch_seconds: float | None = None
    engagement_rate: float | None = None
    raw: Mapping[str, Any] | None = None
    """The columns of the file that no field holds, by their name in the file."""


class RejectedRow(NamedTuple):
    """One problem of one row. Such a row is not imported."""

    line: int
    """CSV: line on which the record starts (the header is line 1). Other files: row number from 1."""
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some valid rows of a file, ordered by account and then by line, unless `ReadOptions.oldest_first`."""

    rows: pa.Table
    """Columns: ROW_SCHEMA. At most `ReadOptions.batch_rows` rows."""

    def to_rows(self) -> Iterator[ImportedRow]:
        """Yield the rows one by one; for previews and tests."""
        import json  # noqa: PLC0415 (the loader never needs single rows)

        for row in self.rows.to_pylist():
            yield ImportedRow(**(row | {"raw": json.loads(row["raw"]) if row["raw"] else None}))


class ColumnRead(NamedTuple):
    """One column of the file and the field of ImportedRow that it fills."""

    column: str
    field: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What a file is, told before anything is loaded."""

    format: str
    """Stable name such as `x_analytics`; `generic` for our own columns, `mapped` with a mapping."""
    title: str
    """Such as "X analytics export"."""
    platform: Platform | None
    """None = the file does not say: the caller must."""
    accounts: tuple[str, ...]
    """Accounts that the file names, at most 1,000; empty = none."""
    rows: int
    """Rows of posts in the file, including rejected and repeated ones."""
    posts: int
    """Different posts among the valid rows."""
    rejected: tuple[RejectedRow, ...]
    """Every problem of every invalid row, in the file's order."""
    first: datetime | None
    """Time of the oldest post, UTC; None = no valid row."""
    last: datetime | None
    zone: str
    """Zone of the file's times: an IANA name, an offset such as -05:00, or UTC."""
    zone_source: ZoneSource
    columns: tuple[ColumnRead, ...]
    unknown_columns: tuple[str, ...]
    """Columns that no field holds: kept in `raw`."""
    decisions: tuple[str, ...]
    """How numbers and dates were read, one sentence for a column or a group of columns."""
    notes: tuple[str, ...] = ()
    """Other remarks for the user: rows that are no posts, kinds that are unknown, what the format does not have."""
    mapping: Mapping[str, str] | None = None
    """The given or remembered mapping of columns that was used; None = the format is known."""
    header: tuple[str, ...] = ()
    """All columns as the file names them; unnamed ones are called after their place."""
    repeated: int = 0
    """Rows that repeat an earlier row of the file and add nothing."""

    @property
    def sentence(self) -> str:
        """Such as "X analytics export, 1,204 posts, 2023-01-04 to 2024-02-11, times in UTC"."""
        noun = "post" if self.posts == 1 else "posts"
        parts = [self.title, f"{self.posts:,} {noun}"]
        if self.first is not None and self.last is not None:
            first, last = f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"
            parts.append(first if first == last else f"{first} to {last}")
        source = {
            "file": "",
            "option": " (--timezone)",
            "account": " (the account's zone)",
            "default": " (assumed: the file does not say)",
        }[self.zone_source]
        parts.append(f"times in {self.zone}{source}")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rejected rows as JSON values; `sentence` first."""
        return {
            "sentence": self.sentence,
            "format": self.format,
            "title": self.title,
            "platform": self.platform.value if self.platform is not None else None,
            "accounts": list(self.accounts),
            "rows": self.rows,
            "posts": self.posts,
            "repeated": self.repeated,
            "first": self.first,
            "last": self.last,
            "zone": self.zone,
            "zone_source": self.zone_source,
            "columns": [read._asdict() for read in self.columns],
            "unknown_columns": list(self.unknown_columns),
            "decisions": list(self.decisions),
            "notes": list(self.notes),
            "mapping": dict(self.mapping) if self.mapping is not None else None,
        }


class FileRefusedError(InvalidInputError):
    """A file cannot be read, and nothing of it is stored: one sentence with what it is and what to do.

    Its `field` is the option that helps (`timezone`, `date_order`, `decimal_mark`, `map`, `platform`, `account`,
    `sheet`, `year`) or the field of ImportedRow concerned, else `path`.
    """

    code = "file_refused"

    def __init__(self, message: str, *, field: str = "path", **more: Any) -> None:  # noqa: ANN401 (becomes JSON)
        super().__init__(message, field=field, code=self.code, **more)


DateOrder = Literal["dmy", "mdy", "ymd"]
DecimalMark = Literal[".", ","]


@dataclass(frozen=True, slots=True)
class RememberedMapping:
    """A mapping of columns, and the header of the files that it is for."""

    name: str
    columns: Mapping[str, str]
    """Field by column, as in ReadOptions.mapping."""
    header: Sequence[str]
    """All columns of the file, normalised: a file with exactly these is read with this mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the user decides about a file. The defaults leave everything to the file's content."""

    platform: Platform | None = None
    """Must agree with the file where the file says."""
    account: str | None = None
    """Account of all rows; None = as the file names them."""
    timezone: str | None = None
    """Zone of times without offset: IANA name or offset such as -05:00."""
    account_timezone: str | None = None
    """Zone of the account, used where neither the file nor `timezone` says."""
    date_order: DateOrder | None = None
    decimal_mark: DecimalMark | None = None
    year: int | None = None
    """Year of dates that have none ("September 8")."""
    sheet: str | None = None
    """Sheet of a workbook; None = the first with posts."""
    mapping: Mapping[str, str] | None = None
    """Field of ImportedRow by column of the file; `-` ignores a column. Replaces recognition."""
    remembered: Sequence[RememberedMapping] = ()
    """Mappings kept from earlier files (`mappings.load_mappings`), tried where no format fits."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Later rows are rejected."""
    batch_rows: int = 25_000
    oldest_first: bool = False
    """Order the rows by time, if the file has so few accounts that a batch has many rows of each."""
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    """Called with the current step, the bytes or rows done, and their total."""


class RowBatches(Protocol):
    """The rows of a file in batches, once."""

    def __iter__(self) -> Iterator[RowBatch]:
        """Return the iterator: itself."""

    def __next__(self) -> RowBatch:
        """Return the next batch."""

    def close(self) -> None:
        """Remove the temporary files before the end."""


class Reading(NamedTuple):
    """A file that was read: what it is, and its rows. The batches can be iterated once."""

    detection: Detection
    batches: RowBatches
