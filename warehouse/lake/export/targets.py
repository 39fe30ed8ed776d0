"""Targets of an export: a folder with one file per table, or one self-contained DuckDB file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from warehouse.errors import InvalidInputError
from warehouse.lake.attach import quote
from warehouse.lake.export.formulas import describe, guard_columns
from warehouse.lake.export.workbook import Workbook, read_batches

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from warehouse.lake.export.report import ExportedTable, ExportReport

MANIFEST = "export.json"
SCHEMAS = ("dims", "marts")
"""Schemas of an ordinary export."""
STORAGE_VERSION = "v1.2.0"
"""Storage format of a DuckDB file: DuckDB 1.2 and later open it. Fixed, so that a newer DuckDB writes the same."""


class Target(Protocol):
    """Writes tables one by one; `path` is the temporary path until everything is complete."""

    def check(self, wanted: Path) -> None:
        """Raise InvalidInputError if the requested target is not allowed."""

    def open(self, connection: DuckDBPyConnection, path: Path) -> None:
        """Start writing at `path`."""

    def copy(self, connection: DuckDBPyConnection, table: ExportedTable, source: str) -> int:
        """Write the rows of `source` (an expression after FROM) as `table`; return the number of rows."""

    def finish(
        self, connection: DuckDBPyConnection, tables: list[ExportedTable], report: ExportReport
    ) -> None:
        """Write the report and close the files."""


class FolderTarget:
    """One file per table, and a manifest with the comments, which Parquet and CSV cannot contain."""

    def __init__(self, kind: str, options: str) -> None:
        self._kind, self._options = kind, options
        self._path: Path

    def check(self, wanted: Path) -> None:
        """Refuse an existing folder: its other contents would be lost."""
        if wanted.exists() and (wanted.is_file() or any(wanted.iterdir())):
            raise InvalidInputError(f"{wanted} already exists: choose a new folder", field="output")

    def open(self, _connection: DuckDBPyConnection, path: Path) -> None:
        """Create the folder."""
        path.mkdir()
        self._path = path

    def copy(self, connection: DuckDBPyConnection, table: ExportedTable, source: str) -> int:
        """Write one file."""
        path = quote(str(self._path / f"{table.full_name}.{self._kind}"))
        chosen = "*"
        if self._kind == "csv":
            chosen = guard_columns(connection.execute(describe(source)).fetchall())
        return count_of(
            connection.execute(
                f"COPY (SELECT {chosen} FROM {source}) TO {path} ({self._options})"  # noqa: S608 (our own names)
            )
        )

    def finish(
        self, _connection: DuckDBPyConnection, tables: list[ExportedTable], report: ExportReport
    ) -> None:
        """Write the manifest."""
        manifest: dict[str, Any] = {
            "snapshot_id": report.snapshot_id,
            "snapshot_time": report.snapshot_time.isoformat(),
            "workspace_id": report.workspace_id,
            "tables": [
                {
                    "name": table.full_name,
                    "rows": report.rows[table.full_name],
                    "comment": table.comment,
                    "columns": table.columns,
                }
                for table in tables
            ],
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (self._path / MANIFEST).write_text(text, encoding="utf-8")


class DatabaseTarget:
    """One file with every table, its comments, the lake's functions, and a table about its origin."""

    def check(self, wanted: Path) -> None:
        """Refuse a file named like a schema: DuckDB uses it as the database name, and `FROM marts.x` is ambiguous."""
        if wanted.stem in {*SCHEMAS, "raw", "quality"}:
            raise InvalidInputError(
                f"the name {wanted.stem} is also the name of a schema: choose another, such as socialflow.duckdb",
                field="output",
            )

    def open(self, connection: DuckDBPyConnection, path: Path) -> None:
        """Create the file."""
        connection.execute(f"ATTACH {quote(str(path))} AS exported (STORAGE_VERSION '{STORAGE_VERSION}')")

    def copy(self, connection: DuckDBPyConnection, table: ExportedTable, source: str) -> int:
        """Write one table and its comments."""
        name = f"exported.{table.full_name}"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS exported.{table.schema}")
        rows = count_of(connection.execute(f"CREATE TABLE {name} AS FROM {source}"))
        connection.execute(f"COMMENT ON TABLE {name} IS {quote(table.comment)}")
        for column, comment in table.columns.items():
            connection.execute(f'COMMENT ON COLUMN {name}."{column}" IS {quote(comment)}')
        return rows

    def finish(
        self, connection: DuckDBPyConnection, _tables: list[ExportedTable], report: ExportReport
    ) -> None:
        """Copy the functions and close the file."""
        macros = connection.execute(
            "SELECT function_name, parameters, macro_definition FROM duckdb_functions() "
            "WHERE database_name = 'lake' AND function_type = 'macro' AND NOT internal"
        ).fetchall()
        for name, parameters, definition in macros:
            connection.execute(f"CREATE MACRO exported.{name}({', '.join(parameters)}) AS {definition}")
        connection.execute(
            "CREATE TABLE exported.export AS SELECT $id::BIGINT AS snapshot_id, "
            "$time::TIMESTAMPTZ AS snapshot_time, $workspace::VARCHAR AS workspace_id",
            {"id": report.snapshot_id, "time": report.snapshot_time, "workspace": report.workspace_id},
        )
        comments = {
            "TABLE exported.export": "Grain: one row: which state of the lake this file holds.",
            "COLUMN exported.export.snapshot_id": "Number of the lake's snapshot.",
            "COLUMN exported.export.snapshot_time": "When that was committed (UTC).",
            "COLUMN exported.export.workspace_id": "The one workspace exported; NULL = all.",
        }
        for place, comment in comments.items():
            connection.execute(f"COMMENT ON {place} IS {quote(comment)}")
        # DETACH writes everything into the file and removes the log beside it.
        connection.execute("DETACH exported")


class WorkbookTarget:
    """One Excel workbook: a sheet per table, and one with the descriptions of tables and columns."""

    def check(self, wanted: Path) -> None:
        """Refuse another ending: Excel does not open such a file."""
        if wanted.suffix.lower() != ".xlsx":
            raise InvalidInputError(
                f"{wanted.name} must end in .xlsx, or Excel does not open it", field="output"
            )

    def open(self, _connection: DuckDBPyConnection, path: Path) -> None:
        """Start the workbook."""
        self._book = Workbook(path)

    def copy(self, connection: DuckDBPyConnection, table: ExportedTable, source: str) -> int:
        """Write one sheet."""
        cursor = connection.execute(f"SELECT * FROM {source}")  # noqa: S608 (our own names)
        columns = [str(column[0]) for column in cursor.description or []]
        return self._book.add_sheet(table.name, columns, read_batches(cursor))

    def finish(
        self, _connection: DuckDBPyConnection, tables: list[ExportedTable], report: ExportReport
    ) -> None:
        """Write the descriptions and close the file."""
        rows = [
            ("export", "snapshot_id", str(report.snapshot_id)),
            ("export", "snapshot_time", report.snapshot_time.isoformat()),
        ]
        for table in tables:
            rows.append((table.full_name, "", table.comment))
            rows += [(table.full_name, column, text) for column, text in table.columns.items()]
        self._book.add_texts("about", ("table", "column", "description"), rows)
        self._book.close()


def count_of(cursor: DuckDBPyConnection) -> int:
    """Return the row count of a COPY or CREATE TABLE statement."""
    row = cursor.fetchone()
    return int(row[0]) if row else 0
