"""Export the marts and dimensions to a folder of Parquet or CSV files, or to one self-contained DuckDB or Excel file.

An export contains one snapshot of the lake, regardless of concurrent writes, and appears when it is complete. The lake
contains no credentials, so exports do not either.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import duckdb

from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError
from warehouse.lake.attach import attach_lake, attach_statement, describe_lake, quote, read_snapshot
from warehouse.lake.export.report import ExportedTable, ExportReport
from warehouse.lake.export.targets import SCHEMAS, DatabaseTarget, FolderTarget, WorkbookTarget
from warehouse.lake.export.workspace_files import KEY_OF, compare
from warehouse.lake.migrate import check_version
from warehouse.lake.views import VIEWS, describe_columns, describe_view, select_view

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from warehouse.lake.attach import AsOf
    from warehouse.lake.export.targets import Target
    from warehouse.settings import WarehouseSettings

    Progress = Callable[[str, int, int], None]


_INTRODUCTION = """# Tables and columns of the lake

This page is made from the comments in the lake's catalog (`make docs`); a test compares the two. The same texts are
in `duckdb_tables()` and `duckdb_columns()`, in the comment of each view, in an exported `.duckdb` file, in the sheet
`about` of an exported workbook and in the `export.json` of an exported folder. Rules about several tables are in
[warehouse.md](warehouse.md#definitions)."""


class ExportFormat(StrEnum):
    """Format of an export."""

    PARQUET = "parquet"
    CSV = "csv"
    DUCKDB = "duckdb"
    XLSX = "xlsx"


def export_lake(
    settings: WarehouseSettings,
    target: Path,
    kind: ExportFormat,
    *,
    workspace_id: str | None = None,
    as_of: AsOf | None = None,
    changed_since: int | None = None,
    more: Collection[str] = (),
    progress: Progress | None = None,
) -> ExportReport:
    """Write every mart and dimension to `target`: a new folder, or one file, which may replace an old one.

    `more`: also these schemas: raw (the snapshots, with the platforms' answers), quality (the findings of checks).
    With `changed_since`, only what differs from that snapshot, as `workspace_files.write_table` does.
    With `workspace_id`, only that workspace's rows. `progress(table, number, of)` is called after each table.

    Raises InvalidInputError: the target cannot be written, the workspace is unknown, or there is no such snapshot.
    Raises SetupError: there is no lake, it cannot be opened, or it is of a newer version.
    """
    place = _make_target(kind)
    place.check(target)
    connection = attach_lake(settings, read_only=True, as_of=as_of)
    log: Path | None = None
    try:
        check_version(connection, describe_lake(settings))
        snapshot_id, snapshot_time = read_snapshot(connection)
        connection.execute("DETACH lake")
        connection.execute(attach_statement(settings, read_only=True, as_of=snapshot_id))
        tables = list_tables(connection, (*SCHEMAS, *more))
        where = _filter(connection, tables, workspace_id)
        if changed_since is not None:
            _attach_earlier(connection, settings, tables, changed_since, snapshot_id)
        report = ExportReport(snapshot_id, snapshot_time, workspace_id)
        with write_beside(target) as path:
            log = path.with_name(path.name + ".wal")
            place.open(connection, path)
            for number, table in enumerate(tables, start=1):
                report.rows[table.full_name] = place.copy(
                    connection, table, _source(table, where, changed_since)
                )
                if progress is not None:
                    progress(table.full_name, number, len(tables))
            place.finish(connection, tables, report)
    except duckdb.IOException as error:
        raise InvalidInputError(f"cannot write {target}: {error}", field="output") from error
    finally:
        connection.close()
        if log is not None:
            # Left by DuckDB if writing was interrupted.
            log.unlink(missing_ok=True)
    return report


def _source(table: ExportedTable, where: str, changed_since: int | None) -> str:
    """Return the rows of a table, or their difference from an earlier snapshot, as an expression after FROM."""
    if changed_since is None:
        return f"{_relation('lake', table)}{where}"
    before, after = (f"FROM {_relation(catalog, table)}{where}" for catalog in ("earlier", "lake"))
    return f"({compare(before, after, KEY_OF[table.full_name])})"


def _relation(catalog: str, table: ExportedTable) -> str:
    """Return a table or view of an attached lake, as an expression after FROM."""
    if table.full_name in VIEWS:
        return f"({select_view(table.full_name, lambda name: f'{catalog}.{name}')}) AS shown"
    return f"{catalog}.{table.full_name}"


def _attach_earlier(
    connection: DuckDBPyConnection,
    settings: WarehouseSettings,
    tables: list[ExportedTable],
    since: int,
    snapshot_id: int,
) -> None:
    """Attach the lake's earlier snapshot as `earlier`. Raises InvalidInputError if the two cannot be compared."""
    statement = attach_statement(settings, read_only=True, as_of=since).replace(" AS lake ", " AS earlier ")
    try:
        if since <= snapshot_id:
            connection.execute(statement)
            changed = [table.full_name for table in tables if not _same_columns(connection, table)]
            reason = f"the columns of {changed[0]} have changed" if changed else None
        else:
            reason = f"the newest snapshot is {snapshot_id}"
    except (duckdb.InvalidInputException, duckdb.CatalogException, duckdb.BinderException) as error:
        reason = str(error)
    if reason is not None:
        raise InvalidInputError(
            f"changed_since: the lake cannot be compared with its snapshot {since} ({reason}): export everything once "
            "without --changed-since, and continue from the snapshot that it prints",
            field="changed_since",
            code="cursor_expired",
        )


def _same_columns(connection: DuckDBPyConnection, table: ExportedTable) -> bool:
    before, now = (
        connection.execute(f"DESCRIBE FROM {_relation(catalog, table)}").fetchall()
        for catalog in ("earlier", "lake")
    )
    return before == now


def list_tables(connection: DuckDBPyConnection, schemas: Sequence[str] = SCHEMAS) -> list[ExportedTable]:
    """Return the lake's tables and views of these schemas with their comments, by name."""
    rows = connection.execute(
        "SELECT schema_name, table_name, coalesce(tables.comment, ''), "
        "list({'name': column_name, 'comment': coalesce(columns.comment, '')} ORDER BY column_index) "
        "FROM duckdb_tables() AS tables "
        "JOIN duckdb_columns() AS columns USING (database_name, schema_name, table_name) "
        "WHERE database_name = 'lake' AND list_contains($schemas, schema_name) GROUP BY ALL",
        {"schemas": list(schemas)},
    ).fetchall()
    tables = [
        ExportedTable(schema, name, comment, {column["name"]: column["comment"] for column in columns})
        for schema, name, comment, columns in rows
    ]
    for view in VIEWS:
        schema, _, name = view.partition(".")
        if schema in schemas:
            tables.append(ExportedTable(schema, name, describe_view(view), describe_columns(view)))
    return sorted(tables, key=lambda table: (table.schema, table.name))


def describe_tables(connection: DuckDBPyConnection) -> str:
    """Return the documentation of every table and column of the lake as Markdown, from the catalog's comments."""
    names = connection.execute(
        "SELECT DISTINCT schema_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
    ).fetchall()
    parts = [_INTRODUCTION]
    for table in list_tables(connection, [row[0] for row in names]):
        types = dict(
            connection.execute(
                f"SELECT column_name, column_type FROM (DESCRIBE FROM lake.{table.full_name})"  # noqa: S608 (our own names)
            ).fetchall()
        )
        lines = [
            f"## {table.full_name}",
            "",
            table.comment,
            "",
            "| column | type | description |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{column}` | {types[column]} | {text.replace('|', chr(92) + '|')} |"
            for column, text in table.columns.items()
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _make_target(kind: ExportFormat) -> Target:
    if kind is ExportFormat.DUCKDB:
        return DatabaseTarget()
    if kind is ExportFormat.XLSX:
        return WorkbookTarget()
    return FolderTarget(
        kind, "FORMAT csv, HEADER" if kind is ExportFormat.CSV else "FORMAT parquet, COMPRESSION zstd"
    )


def _filter(connection: DuckDBPyConnection, tables: list[ExportedTable], workspace_id: str | None) -> str:
    """Return the WHERE clause for one workspace. Every mart and dimension has the column."""
    if workspace_id is None:
        return ""
    known = " UNION ".join(
        f"SELECT workspace_id FROM lake.{table.full_name}"  # noqa: S608 (names of the catalog)
        for table in tables
        if table.full_name not in VIEWS
    )
    names = [row[0] for row in connection.execute(f"{known} ORDER BY 1").fetchall()]
    if workspace_id not in names:
        raise InvalidInputError(
            f"the lake has no rows of workspace {workspace_id!r}; it has: {', '.join(names) or 'none'}",
            field="workspace",
        )
    return f" WHERE workspace_id = {quote(workspace_id)}"
