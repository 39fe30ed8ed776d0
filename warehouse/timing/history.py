"""Validate and clean a post history for the timing model: DataFrame in, sorted arrays out. Pure, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

HOURS = 24
SLOTS = 7 * HOURS
MICROSECONDS_PER_HOUR = 3_600_000_000
LEFT_OUT = (
    "paid",
    "deleted",
)  # optional flags: promotion buys engagement; a deleted post stopped collecting it
_REQUIRED = ("account_id", "published_at", "engagement")
_OPTIONAL = ("kind", "age_hours", *LEFT_OUT)
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_NUMBERS = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})  # as pandas infers them


@dataclass(frozen=True, slots=True)
class PostArrays:
    """Posts of several accounts, sorted by account, then time. Exact duplicates are kept, weight 0.

    Times are microseconds since 1970 UTC; `age_hours` is infinite for posts that count as fully grown.
    """

    account: IntArray  # index into the list of accounts
    published: IntArray
    engagement: FloatArray
    kind: IntArray
    age_hours: FloatArray
    weight: FloatArray  # 1, or 0 for a repeated row, which is counted but changes no estimate

    def __len__(self) -> int:
        return len(self.account)

    def take(self, rows: slice | IntArray) -> PostArrays:
        """The posts in a run of rows (no copy), or at the given indices."""
        return PostArrays(
            self.account[rows],
            self.published[rows],
            self.engagement[rows],
            self.kind[rows],
            self.age_hours[rows],
            self.weight[rows],
        )


def check_zone(name: str) -> str:
    """Return the name of an IANA zone. Raises InvalidInputError."""
    if not isinstance(name, str) or not _is_zone(name):
        raise InvalidInputError(
            f"timezones: {str(name)[:80]!r} is not an IANA time zone; use a name such as 'Europe/Berlin' or 'UTC'",
            field="timezones",
        )
    return name


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
        return False
    return True


def read_zones(account_ids: pd.Index[Any], timezones: Mapping[str, str] | str) -> tuple[list[Any], list[str]]:
    """All accounts of the history and of the mapping, sorted by id, with the zone of each."""
    if isinstance(timezones, str):
        check_zone(timezones)
        names = _sorted(account_ids)
        return names, [timezones] * len(names)
    if not isinstance(timezones, Mapping):
        raise InvalidInputError(
            "timezones must be one IANA zone name or a mapping of account_id to zone name", field="timezones"
        )
    missing = [name for name in account_ids if name not in timezones]
    if missing:
        raise InvalidInputError(
            f"timezones has no zone for account {missing[0]!r} ({len(missing)} in all): "
            "add it, or pass one zone name for all",
            field="timezones",
        )
    names = _sorted(timezones)
    return names, [check_zone(timezones[name]) for name in names]


def _sorted(account_ids: Iterable[Any]) -> list[Any]:
    try:
        return sorted(account_ids)
    except TypeError as error:
        raise InvalidInputError(
            f"account_id has values that cannot be sorted: make them all text or all numbers ({error})",
            field="account_id",
        ) from error


def read_history(
    history: pd.DataFrame, timezones: Mapping[str, str] | str, as_of: datetime | None
) -> tuple[list[Any], list[str], PostArrays]:
    """Validate a history and convert it to arrays.

    Rows without an engagement, paid or deleted ones and, if `as_of` is given, rows published after it are left out.

    Raises:
        InvalidInputError: a column is missing or of the wrong type, a time is naive or missing, a number is
            negative or infinite, a zone is unknown or missing.
    """
    if not isinstance(history, pd.DataFrame):
        raise InvalidInputError("history must be a pandas DataFrame", field="history")
    _check_columns(history)
    if as_of is not None and (not isinstance(as_of, datetime) or as_of.tzinfo is None):
        raise InvalidInputError("as_of must be a datetime with a time zone, e.g. in UTC", field="as_of")
    codes, uniques = _number_values(history["account_id"], "account_id")
    if (codes < 0).any():
        raise InvalidInputError("account_id is missing in some rows: drop or fill them", field="account_id")
    names, zones = read_zones(pd.Index(uniques), timezones)
    place = {name: index for index, name in enumerate(names)}
    account = np.array([place[name] for name in uniques], dtype=np.int64)[codes] if len(uniques) else codes
    published = _read_times(history["published_at"])
    engagement = _read_numbers(history["engagement"], "engagement")
    age = np.full(len(history), np.nan)
    if "age_hours" in history.columns:
        age = _read_numbers(history["age_hours"], "age_hours")
    keep = ~np.isnan(engagement) & ~_flagged(history)
    if as_of is not None:
        now = (as_of - _EPOCH) // _MICROSECOND
        keep &= published <= now
        age = np.where(np.isnan(age), (now - published) / MICROSECONDS_PER_HOUR, age)
    kind = np.zeros(len(history), dtype=np.int64)
    if "kind" in history.columns:
        kind = _number_values(history["kind"], "kind")[0].astype(np.int64) + 1
    age = np.where(np.isnan(age), np.inf, age)
    if not keep.all():
        account, published, engagement = account[keep], published[keep], engagement[keep]
        kind, age = kind[keep], age[keep]
    return names, zones, sort_posts(account.astype(np.int64), published, engagement, kind, age)


def _check_columns(history: pd.DataFrame) -> None:
    for column in _REQUIRED:
        if column not in history.columns:
            raise InvalidInputError(f"history has no column {column!r}: add it", field=column)
    names = [name for name in history.columns if name in {*_REQUIRED, *_OPTIONAL}]
    for column in names:
        if names.count(column) > 1:
            raise InvalidInputError(
                f"history has the column {column!r} {names.count(column)} times: keep one", field=column
            )


def _number_values(column: pd.Series[Any], field: str) -> tuple[npt.NDArray[np.intp], Any]:
    """Return the number of each row's value (-1 = NULL) and the values."""
    try:
        return pd.factorize(column)
    except TypeError as error:  # lists and other values that cannot be compared
        raise InvalidInputError(
            f"{field} has values that cannot be told apart ({error}): make them all text or all numbers",
            field=field,
        ) from error


def _read_times(column: pd.Series[Any]) -> IntArray:
    if len(column) == 0:
        return np.zeros(0, dtype=np.int64)
    column = _as_instants(column)
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        what = "has no time zone" if column.dtype.kind == "M" else f"has the type {column.dtype}"
        raise InvalidInputError(
            f"published_at {what}: make it aware UTC, e.g. pd.to_datetime(column, utc=True)",
            field="published_at",
        )
    if column.isna().any():
        raise InvalidInputError("published_at is missing in some rows: drop them", field="published_at")
    return np.asarray(
        column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    )


def _as_instants(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert aware times in Python objects or Arrow to pandas' own type; return any other column unchanged."""
    if isinstance(column.dtype, pd.ArrowDtype) and getattr(column.dtype.pyarrow_dtype, "tz", None):
        return pd.Series(pd.to_datetime(column.to_numpy(dtype=object), utc=True))
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "datetime":
        if all(moment.tzinfo is not None for moment in column.dropna()):
            return pd.Series(pd.to_datetime(column.to_numpy(), utc=True))
        return column.map(lambda moment: moment.replace(tzinfo=None)).astype("datetime64[us]")
    return column


def _read_numbers(column: pd.Series[Any], field: str) -> FloatArray:
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in _NUMBERS:
        column = _as_floats(column, field)
    if column.dtype.kind not in "iuf" and not column.isna().all():
        raise InvalidInputError(
            f"{field} has the type {column.dtype}: make it a number, NULL where it is unknown", field=field
        )
    values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if np.isinf(values).any():
        raise InvalidInputError(
            f"{field} is infinite in some rows: use NULL where it is unknown", field=field
        )
    if (values < 0).any():
        raise InvalidInputError(
            f"{field} is negative in some rows (first: row {int(np.argmax(values < 0))}): "
            "correct it, or use NULL where it is unknown",
            field=field,
        )
    return values


def _as_floats(column: pd.Series[Any], field: str) -> pd.Series[Any]:
    """Convert numbers in Python objects; NULL of any kind becomes NaN."""
    try:
        return column.map(lambda number: np.nan if pd.isna(number) else float(number)).astype("float64")
    except OverflowError as error:
        raise InvalidInputError(
            f"{field} has a number that is too large ({error}): correct it, or use NULL where it is unknown",
            field=field,
        ) from error


def _flagged(history: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Posts with any of the flags that leave a post out."""
    flags = np.zeros(len(history), dtype=np.bool_)
    for column in LEFT_OUT:
        if column in history.columns:
            flags |= _read_flags(history[column], column)
    return flags


def _read_flags(column: pd.Series[Any], field: str) -> npt.NDArray[np.bool_]:
    """True where a flag is set; NULL is not set."""
    values = column.dropna()
    if values.dtype.kind != "b" and not values.isin([True, False]).all():
        raise InvalidInputError(
            f"{field} has values that are neither true nor false: use booleans, NULL where it is unknown",
            field=field,
        )
    flags = np.zeros(len(column), dtype=np.bool_)
    flags[np.asarray(column.notna())] = values.to_numpy(dtype=np.bool_)
    return flags


def sort_posts(
    account: npt.NDArray[Any],
    published: IntArray,
    engagement: FloatArray,
    kind: npt.NDArray[Any],
    age_hours: npt.NDArray[Any],
) -> PostArrays:
    """Sort rows by account, time, engagement, kind, so that the result does not depend on row order; mark repeats.

    Rows already sorted by account and time, as a database may return them, are not sorted again. A repeat is a row
    that equals another in everything except its age: its youngest copy has weight 0.
    """
    columns: list[npt.NDArray[Any]] = [account, published, engagement, kind, -age_hours]
    step = np.diff(account)
    if bool(np.all((step > 0) | ((step == 0) & (np.diff(published) >= 0)))):
        _sort_ties(columns)
    else:
        order = np.lexsort(columns[::-1])
        columns = [column[order] for column in columns]
    account, published, engagement, kind, age = columns
    weight = np.ones(len(account))
    same_time = np.flatnonzero((np.diff(account) == 0) & (np.diff(published) == 0))
    same = (engagement[same_time] == engagement[same_time + 1]) & (kind[same_time] == kind[same_time + 1])
    weight[same_time[same] + 1] = 0.0
    return PostArrays(account, published, engagement, kind, -age, weight)


def _sort_ties(columns: list[npt.NDArray[Any]]) -> None:
    """Sort posts of one account and one instant, in place."""
    account, published = columns[:2]
    tied = np.flatnonzero((np.diff(account) == 0) & (np.diff(published) == 0))
    if not len(tied):
        return
    rows = np.union1d(tied, tied + 1)
    order = rows[np.lexsort([column[rows] for column in columns[::-1]])]
    for place in (2, 3, 4):
        columns[place] = columns[place].copy()
        columns[place][rows] = columns[place][order]
