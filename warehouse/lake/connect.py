"""Open the lake: one connection per process, one cursor per thread, all writes behind one lock.

Keep the Lake open for the life of the process: connecting costs 0.3 s. Never open the catalog's file with another
SQLite library (including Python's sqlite3) in the same process: closing that handle would drop DuckDB's file locks.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb

from warehouse.errors import ConflictError, SetupError
from warehouse.lake.attach import MAX_THREADS, attach_lake, describe_lake, local_catalog
from warehouse.lake.locks import make_lock
from warehouse.lake.migrate import NEWEST_VERSION, check_version, migrate
from warehouse.lake.snapshot_watch import CommitWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import pandas as pd
    from duckdb import DuckDBPyConnection

    from warehouse.lake.locks import WriteLock
    from warehouse.settings import WarehouseSettings

    Parameters = Mapping[str, Any]

Result = TypeVar("Result")

WRITE_ATTEMPTS = 6

_logger = logging.getLogger(__name__)


class Lake:
    """The lake of one process. Thread-safe."""

    def __init__(
        self, connection: DuckDBPyConnection, lock: WriteLock, settings: WarehouseSettings, *, read_only: bool
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._threads = threading.local()
        self.settings = settings
        self.read_only = read_only
        self._watch = CommitWatch(local_catalog(settings), self._ask_snapshot_id)

    @classmethod
    def open(
        cls, settings: WarehouseSettings, *, read_only: bool = False, threads: int = MAX_THREADS
    ) -> Self:
        """Open the lake; a writer creates it or migrates its tables.

        `threads` is the maximum number of threads per statement: use 1 for many small concurrent queries.

        Raises SetupError: an unusable folder or address, a missing extension, a lake of a newer version,
        and (read-only) a lake that does not exist or is of an older version.
        """
        lock = make_lock(settings)
        if read_only:
            connection = _open_existing(settings, read_only=True, threads=threads)
        elif _exists(settings) and (existing := _try_open_current(settings, threads)) is not None:
            connection = existing
        else:
            connection = _create_or_migrate(settings, lock, threads)
        return cls(connection, lock, settings, read_only=read_only)

    def query(self, sql: str, params: Parameters | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement by column name; instants are aware UTC datetimes."""
        names, rows = fetch_rows(self._cursor().execute(sql, params or {}))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query_rows(self, sql: str, params: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement as tuples: cheaper than `query` for thousands of them."""
        return fetch_rows(self._cursor().execute(sql, params or {}))[1]

    @contextmanager
    def stream(self, sql: str, params: Parameters | None = None) -> Iterator[DuckDBPyConnection]:
        """Run a statement and yield its cursor, to fetch many rows with little memory."""
        cursor = self._new_cursor()
        try:
            yield cursor.execute(sql, params or {})
        finally:
            cursor.close()

    def frame(self, sql: str, params: Parameters | None = None) -> pd.DataFrame:
        """Return the rows of a statement as a DataFrame."""
        # Via Arrow: DuckDB's .df() uses functions that pandas 3.1 has deprecated.
        frame: pd.DataFrame = self._cursor().execute(sql, params or {}).to_arrow_table().to_pandas()
        return frame

    def snapshot_id(self) -> int:
        """Return the number of the lake's newest commit. It increases with each write of any process."""
        return self._watch.snapshot_id()

    def list_commits(self) -> list[datetime]:
        """Return when each snapshot that the lake keeps was committed (UTC), oldest first: the moments of `as_of`."""
        rows = self.query_rows("SELECT snapshot_time FROM ducklake_snapshots('lake') ORDER BY snapshot_id")
        return [at for (at,) in rows]

    def peek_snapshot_id(self) -> int | None:
        """Return the same if known without a catalog query, else None. Never blocks."""
        return self._watch.peek()

    @contextmanager
    def write(self) -> Iterator[DuckDBPyConnection]:
        """Lock, begin, yield a cursor, commit, unlock. The only way to write. Rolls back on any error.

        A commit may have been applied although it raised: check before retrying, or use `run_write`. Raises
        ConflictError if the lock cannot be acquired.
        """
        if self.read_only:
            raise SetupError("this lake was opened read-only: open it with read_only=False to write")
        cursor = self._new_cursor()
        try:
            with self._lock.hold():
                cursor.execute("BEGIN TRANSACTION")
                try:
                    yield cursor
                    self._lock.verify()
                    cursor.execute("COMMIT")
                except BaseException:
                    # After a failed commit there is nothing to roll back.
                    with suppress(duckdb.Error):
                        cursor.execute("ROLLBACK")
                    raise
        finally:
            cursor.close()

    def run_write(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """Run `work(cursor)` in a write transaction; retry it on a conflict, at most WRITE_ATTEMPTS times.

        `work` must check before it inserts (like all of `warehouse.lake.load`): a commit may have been applied
        although it raised, and then the retry must do nothing.
        """
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                with self.write() as cursor:
                    return work(cursor)
            except (duckdb.TransactionException, duckdb.IOException) as error:
                if attempt == WRITE_ATTEMPTS:
                    raise ConflictError(
                        f"the lake could not be written to in {attempt} attempts: {error}",
                        code="lake_conflict",
                    ) from error
                _logger.warning("lake write, attempt %d, runs again: %s", attempt, error)
                time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 (jitter, not security)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection and its cursors."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _ask_snapshot_id(self) -> int:
        row = self._cursor().execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
        if row is None:
            raise SetupError(f"the lake at {describe_lake(self.settings)} has no snapshot: it is damaged")
        return int(row[0])

    def _cursor(self) -> DuckDBPyConnection:
        cursor: DuckDBPyConnection | None = getattr(self._threads, "cursor", None)
        if cursor is None:
            cursor = self._threads.cursor = self._new_cursor()
        return cursor

    def _new_cursor(self) -> DuckDBPyConnection:
        cursor = self._connection.cursor()
        cursor.execute("USE lake")
        return cursor


def fetch_rows(
    cursor: DuckDBPyConnection, limit: int | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and the (first `limit`) rows; instants are datetimes in datetime.UTC."""
    columns = cursor.description or []
    names = [str(column[0]) for column in columns]
    instants = [index for index, column in enumerate(columns) if str(column[1]) == "TIMESTAMP WITH TIME ZONE"]
    values = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
    if not instants:
        return names, values
    rows = []
    for value in values:
        row = list(value)
        for index in instants:
            # DuckDB returns pytz zones, and infinities as dates beyond the range of zone computations.
            if row[index] is not None:
                row[index] = row[index].replace(tzinfo=UTC)
        rows.append(tuple(row))
    return names, rows


def _exists(settings: WarehouseSettings) -> bool:
    path = local_catalog(settings)
    try:
        return path is None or path.is_file()
    except OSError as error:
        raise SetupError(f"cannot read the lake's catalog {path}: {error.strerror}") from error


def _open_existing(settings: WarehouseSettings, *, read_only: bool, threads: int) -> DuckDBPyConnection:
    shown = describe_lake(settings)
    if not _exists(settings):
        raise SetupError(f"there is no lake at {shown} yet: run `socialflow up` or an import first")
    connection = attach_lake(settings, read_only=read_only, threads=threads)
    try:
        connection.execute("USE lake")
        _require_newest(check_version(connection, shown), shown)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_newest(version: int, shown: str) -> None:
    if version < NEWEST_VERSION:
        raise SetupError(
            f"the lake at {shown} is of an older version ({version}, needed {NEWEST_VERSION}): "
            "run `socialflow upgrade`"
        )


def _try_open_current(settings: WarehouseSettings, threads: int) -> DuckDBPyConnection | None:
    """Open without the lock, so that a start never waits for a long write; None = the lock is needed."""
    try:
        connection = attach_lake(settings, threads=threads)
    except SetupError:
        return None  # may be half created by another process: checked again under the lock, which raises the reason
    try:
        if check_version(connection, describe_lake(settings)) == NEWEST_VERSION:
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _create_or_migrate(settings: WarehouseSettings, lock: WriteLock, threads: int) -> DuckDBPyConnection:
    _refuse_lost_catalog(settings)
    _prepare_folders(settings)
    with lock.hold():
        connection = attach_lake(settings, create=True, threads=threads)
        try:
            cursor = connection.cursor()
            cursor.execute("USE lake")
            for name in migrate(cursor, describe_lake(settings)):
                _logger.info("lake migration %s applied", name)
            cursor.close()
        except (duckdb.IOException, duckdb.HTTPException) as error:
            connection.close()
            raise SetupError(
                f"the lake's tables cannot be written to {settings.resolved_lake_data_path}: {_last_line(error)}; does "
                "the folder or bucket of SOCIALFLOW_LAKE_DATA_PATH exist, and may this program write there "
                "(SOCIALFLOW_LAKE_S3_*)? Nothing was changed"
            ) from error
        except BaseException:
            connection.close()
            raise
    return connection


def _last_line(error: Exception) -> str:
    """Return a storage service's own words, which DuckDB puts after the address."""
    return str(error).strip().splitlines()[-1][:200]


def _refuse_lost_catalog(settings: WarehouseSettings) -> None:
    """Raise SetupError if a new catalog would replace a lost one whose Parquet files still exist."""
    catalog, data = local_catalog(settings), settings.resolved_lake_data_path
    if catalog is None or data.startswith("s3://") or (catalog.is_file() and catalog.stat().st_size):
        return
    if next(Path(data).rglob("*.parquet"), None) is not None:
        raise SetupError(
            f"the lake's catalog {catalog} is missing, but its Parquet files are in {data}: restore the catalog from a "
            "backup, or move that folder away to start with an empty lake; nothing was changed"
        )


def _prepare_folders(settings: WarehouseSettings) -> None:
    catalog = local_catalog(settings)
    folders = [settings.home] if catalog is None else [settings.home, catalog.parent]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SetupError(f"cannot use the lake's folder {folder}: {error.strerror}") from error
