"""Load rows into the lake: each row once by its natural key, with the marts updated in the same transaction.

DuckLake has no unique keys, so a load inserts rows later than all known ones of their publication, and of the other
rows those not found by an anti-join with raw. This is safe only behind the lake's lock, and makes loads idempotent:
after any error the same call can be repeated.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from connectors.tracing import span
from warehouse.errors import InvalidInputError
from warehouse.lake.marts import (
    find_newest_known,
    refresh_after_account_snapshots,
    refresh_after_accounts,
    refresh_after_post_snapshots,
    refresh_after_publications,
)
from warehouse.lake.quality import check_account_snapshots, check_post_snapshots
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake

    Row = AccountDim | PublicationDim | PostSnapshot | AccountSnapshot

Source = Literal["platform", "import"]

BLOCK_ROWS = 4096
"""Rows converted to columns at a time: few enough to stay in the processor's cache, which saves a quarter of the
time."""

_INSTANT = pa.timestamp("us", tz="UTC")
_INSTANTS = ("captured_at", "published_at", "scheduled_at", "deleted_at")
_TYPES = (
    dict.fromkeys(_INSTANTS, _INSTANT)
    | {
        "placement_share": pa.float64(),
        "day_only": pa.bool_(),
        "paid": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "is_lifetime": pa.bool_(),
    }
    | dict.fromkeys(
        (
            "media_count",
            *("impressions", "reach", "likes", "comments", "shares", "saves", "clicks", "video_views"),
            *("followers", "following", "posts"),
        ),
        pa.int64(),
    )
)


def load_accounts(lake: Lake, rows: Sequence[AccountDim] | pa.Table) -> int:
    """Insert or update accounts by account_id; return the number of new ones."""
    batch = to_batch(rows, AccountDim)

    def work(cursor: DuckDBPyConnection) -> int:
        inserted, changed = _replace_changed(cursor, batch, "accounts")
        if changed:
            refresh_after_accounts(cursor)
        return inserted

    return _write(lake, "accounts", batch, work)


def load_publications(lake: Lake, rows: Sequence[PublicationDim] | pa.Table) -> int:
    """Insert or update publications by publication_id, and their marts; return the number of new ones."""
    batch = to_batch(rows, PublicationDim)

    def work(cursor: DuckDBPyConnection) -> int:
        inserted, changed = _replace_changed(cursor, batch, "publications")
        if changed:
            refresh_after_publications(cursor)
        return inserted

    return _write(lake, "publications", batch, work)


def load_post_snapshots(
    lake: Lake, rows: Sequence[PostSnapshot] | pa.Table, run_id: str, *, source: Source = "platform"
) -> int:
    """Append snapshots by (publication_id, captured_at); return the number of new ones.

    All snapshots of a publication are kept; the marts use the newest. A table needs the columns of PostSnapshot.
    Raises InvalidInputError for a naive time.
    """
    batch = to_batch(rows, PostSnapshot)

    def work(cursor: DuckDBPyConnection) -> int:
        return insert_post_snapshots(cursor, batch, run_id, source=source)

    return _write(lake, "post_snapshots", batch, work)


def insert_post_snapshots(
    cursor: DuckDBPyConnection, batch: pa.Table, run_id: str, *, source: Source, any_new: bool = False
) -> int:
    """Like `load_post_snapshots`, inside a transaction of `Lake.write`.

    `any_new`: this transaction has inserted the publications of `changed` and not refreshed the marts after it.
    """
    params, extent = _provenance(run_id) | {"source": source}, _extent(batch)
    cursor.register("batch", batch)
    try:
        touched = find_newest_known(cursor, "batch")
        if any_new:
            cursor.execute(load_sql("load/find_new_publications"))
            cursor.execute(load_sql("load/add_new_publications"))
        if touched < len(batch):  # otherwise all rows are new
            batch = _without_repeats(cursor, batch)
            cursor.register("batch", batch)
        inserted = _count(cursor.execute(load_sql("load/insert_newest_post_snapshots"), params))
        if inserted < len(batch):
            inserted += _count(cursor.execute(load_sql("load/insert_other_post_snapshots"), params | extent))
    finally:
        cursor.unregister("batch")
    if inserted:
        cursor.execute("INSERT INTO raw.post_snapshots BY NAME FROM added")
        refresh_after_post_snapshots(cursor, extent["first"].date(), repeated=inserted < len(batch))
        check_post_snapshots(cursor, run_id, params["loaded_at"])
    return inserted


def load_readings(
    lake: Lake,
    accounts: Sequence[AccountDim],
    publications: Sequence[PublicationDim],
    snapshots: Sequence[PostSnapshot],
    run_id: str,
) -> int:
    """Load accounts, publications and snapshots of them, as the three functions above do, in one commit if possible.

    Returns the number of new snapshots. A commit costs as much as thousands of rows, and all writers take turns.
    """
    account_batch = to_batch(accounts, AccountDim)
    publication_batch = to_batch(publications, PublicationDim)
    batch = to_batch(snapshots, PostSnapshot)
    if not (len(account_batch) or len(publication_batch) or len(batch)):
        return 0

    def work(cursor: DuckDBPyConnection) -> int | None:
        """Return the number of new snapshots; None = they need a commit of their own."""
        if len(account_batch) and _replace_changed(cursor, account_batch, "accounts")[1]:
            refresh_after_accounts(cursor)
        new = changed = 0
        if len(publication_batch):
            new, changed = _replace_changed(cursor, publication_batch, "publications")
        if changed:
            # The marts of a new publication are made with its snapshots, in one go.
            cursor.register("batch", batch)
            others = _count(cursor.execute(load_sql("load/find_changed_others")))
            cursor.unregister("batch")
            if others:
                # No transaction inserts into a mart twice: in an empty table, DuckLake (1.5.5) then loses the minimum
                # and maximum of columns without a value in the first of the files, and queries return wrong numbers.
                refresh_after_publications(cursor)
                return None
        if not len(batch):
            return 0
        return insert_post_snapshots(cursor, batch, run_id, source="platform", any_new=new > 0)

    with span("lake.load", table="readings", rows=len(batch)) as current:
        inserted = lake.run_write(work)
        if inserted is None:
            inserted = load_post_snapshots(lake, batch, run_id)
        current.note(inserted=inserted)
        return inserted


def replace_publications(cursor: DuckDBPyConnection, batch: pa.Table) -> bool:
    """Insert or update publications inside a transaction of `Lake.write`; return whether all of them were new.

    If so, the marts are not refreshed: `insert_post_snapshots` with `any_new` has to follow, with rows of each of them.
    """
    inserted, changed = _replace_changed(cursor, batch, "publications")
    if inserted == pc.count_distinct(batch["publication_id"]).as_py():
        return True
    if changed:
        refresh_after_publications(cursor)
    return False


def load_account_snapshots(lake: Lake, rows: Sequence[AccountSnapshot] | pa.Table, run_id: str) -> int:
    """Append account counts by (account_id, captured_at); return the number of new ones."""
    batch = to_batch(rows, AccountSnapshot)

    def work(cursor: DuckDBPyConnection) -> int:
        params, extent = _provenance(run_id), _extent(batch)
        inserted = _with_batch(cursor, batch, "load/insert_account_snapshots", params | extent)
        if inserted:
            cursor.execute("INSERT INTO raw.account_snapshots BY NAME FROM added")
            refresh_after_account_snapshots(cursor, extent["first"].date())
            check_account_snapshots(cursor, run_id, params["loaded_at"], extent["first"])
        return inserted

    return _write(lake, "account_snapshots", batch, work)


def _write(lake: Lake, table: str, batch: pa.Table, work: Callable[[DuckDBPyConnection], int]) -> int:
    if not len(batch):
        return 0
    with span("lake.load", table=table, rows=len(batch)) as current:
        inserted = lake.run_write(work)
        current.note(inserted=inserted)
        return inserted


def to_batch(rows: Sequence[Row] | pa.Table, kind: type[Row]) -> pa.Table:
    """Return the rows as an Arrow table with exactly the columns and types of `kind`.

    Raises InvalidInputError for a naive time, because reading it as UTC could be silently wrong.
    """
    names = [field.name for field in fields(kind)]
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])
    if isinstance(rows, pa.Table):
        for name in _INSTANTS:
            if name in rows.column_names and rows.schema.field(name).type.tz is None:
                raise InvalidInputError(f"{name} has no time zone: give aware UTC instants", field=name)
        columns = [
            rows[name] if name in rows.column_names else pa.nulls(len(rows), schema.field(name).type)
            for name in names
        ]
        return pa.table(columns, names=names).cast(schema)
    blocks = (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
    return pa.Table.from_batches(
        [
            pa.record_batch([_column(block, field.name, field.type) for field in schema], schema)
            for block in blocks
        ],
        schema,
    )


def _column(rows: Sequence[Row], name: str, kind: pa.DataType) -> pa.Array:
    values: list[Any] = [getattr(row, name) for row in rows]
    if kind == _INSTANT:
        for value in values:
            if value is not None and value.tzinfo is None:
                raise InvalidInputError(
                    f"{name}={value} has no time zone: give aware UTC instants", field=name
                )
    elif name == "raw":
        values = [None if value is None else _dump(value) for value in values]
    return pa.array(values, kind)


def _dump(value: Any) -> str | None:  # noqa: ANN401 (any response of a platform)
    """Return the platform's response as JSON text, or None if it is not serialisable: only the metrics are required."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers beyond 64 bits, lone surrogates
        try:
            return json.dumps(value, default=str, skipkeys=True)
        except (ValueError, RecursionError):
            return None


def _provenance(run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "loaded_at": datetime.now(UTC)}


def _extent(batch: pa.Table) -> dict[str, Any]:
    extent = pc.min_max(batch["captured_at"])
    return {"first": extent["min"].as_py(), "last": extent["max"].as_py()}


def _without_repeats(cursor: DuckDBPyConnection, batch: pa.Table) -> pa.Table:
    """Return the registered table `batch` with each (publication_id, captured_at) once."""
    keys = batch.select(["publication_id", "captured_at"]).group_by(["publication_id", "captured_at"])
    if len(keys.aggregate([])) == len(batch):
        return batch
    return cursor.execute("SELECT DISTINCT ON (publication_id, captured_at) * FROM batch").to_arrow_table()


def _with_batch(cursor: DuckDBPyConnection, batch: pa.Table, statement: str, params: dict[str, Any]) -> int:
    cursor.register("batch", batch)
    try:
        return _count(cursor.execute(load_sql(statement), params))
    finally:
        cursor.unregister("batch")


def _replace_changed(cursor: DuckDBPyConnection, batch: pa.Table, dimension: str) -> tuple[int, int]:
    """Replace the rows that differ from the lake's; return the number of new keys and the number of changed rows."""
    changed = _with_batch(cursor, batch, f"load/select_changed_{dimension}", {})
    if not changed:
        return 0, 0
    deleted = _count(cursor.execute(load_sql(f"load/delete_{dimension}")))
    return _count(cursor.execute(load_sql(f"load/insert_{dimension}"))) - deleted, changed


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
