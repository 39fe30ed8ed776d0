"""Statements that attach the lake in an analyst's own DuckDB, without secrets.

Keys and passwords are replaced by a placeholder or a comment, because statements end up in shell histories, notebooks
and chats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from warehouse.lake.attach import attach_statement, extension_files, local_catalog, postgres_words, quote

if TYPE_CHECKING:
    from warehouse.lake.attach import AsOf
    from warehouse.settings import WarehouseSettings

KEY_PLACEHOLDER = "<your key id>"
SECRET_PLACEHOLDER = "<your secret>"  # noqa: S105 (a placeholder)


def attach_statements(settings: WarehouseSettings, *, as_of: AsOf | None = None) -> list[str]:
    """Return the statements that attach the lake read-only as `lake`, in order, without semicolons.

    They work in any DuckDB of exactly this version. Raises SetupError for an invalid address or extension.
    """
    statements = [f"LOAD {quote(str(path))}" for path in extension_files(settings)]
    if settings.resolved_lake_data_path.startswith("s3://"):
        statements.append(_secret_statement(settings))
    statements.append(
        attach_statement(settings, read_only=True, as_of=as_of, catalog=_catalog_without_password(settings))
    )
    statements += ["USE lake", "SET TimeZone = 'UTC'"]
    return statements


def attach_notes(settings: WarehouseSettings) -> list[str]:
    """Return the prerequisites of the statements, one sentence each."""
    notes = [f"Needs DuckDB {duckdb.__version__}: its extensions work only with that version."]
    if local_catalog(settings) is None and "password" in conninfo_to_dict(postgres_words(settings)):
        notes.append("Put the catalog's password into the environment variable PGPASSWORD or into ~/.pgpass.")
    if settings.resolved_lake_data_path.startswith("s3://"):
        notes.append("Replace the placeholders with a key of the bucket, preferably a read-only one.")
    return notes


def show_for_cli(settings: WarehouseSettings, *, as_of: AsOf | None = None) -> str:
    """Return lines for the DuckDB command line, or for a file for its option -init."""
    notes = [f"-- {note}" for note in attach_notes(settings)]
    return "\n".join([*notes, *(f"{statement};" for statement in attach_statements(settings, as_of=as_of))])


def show_for_python(settings: WarehouseSettings, *, as_of: AsOf | None = None) -> str:
    """Return lines of Python that create a connection `lake`."""
    return "\n".join(
        [
            *(f"# {note}" for note in attach_notes(settings)),
            "import duckdb",
            "",
            "lake = duckdb.connect()",
            *(f"lake.execute({statement!r})" for statement in attach_statements(settings, as_of=as_of)),
        ]
    )


def _catalog_without_password(settings: WarehouseSettings) -> str:
    if local_catalog(settings) is not None:
        return settings.resolved_lake_catalog
    words = conninfo_to_dict(postgres_words(settings))
    return "postgres:" + make_conninfo(
        **{name: str(word) for name, word in words.items() if name != "password"}
    )


def _secret_statement(settings: WarehouseSettings) -> str:
    words = [
        "TYPE s3",
        f"KEY_ID {quote(KEY_PLACEHOLDER)}",
        f"SECRET {quote(SECRET_PLACEHOLDER)}",
        f"REGION {quote(settings.lake_s3_region)}",
    ]
    if settings.lake_s3_endpoint:
        words += [f"ENDPOINT {quote(settings.lake_s3_endpoint)}", "URL_STYLE 'path'"]
        words.append(f"USE_SSL {str(settings.lake_s3_use_ssl).lower()}")
    return f"CREATE SECRET lake_bucket ({', '.join(words)})"
