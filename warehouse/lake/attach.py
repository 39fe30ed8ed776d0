"""Create a DuckDB connection with the lake attached as `lake`. Nothing is downloaded at run time."""

from __future__ import annotations

import importlib.util
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from warehouse.errors import InvalidInputError, SetupError
from warehouse.postgres import add_timeouts

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

    AsOf = int | datetime

MAX_THREADS = 4
"""More threads write more and smaller Parquet files per commit, without a gain at the lake's size."""

BUCKET_TIMEOUT_S, BUCKET_RETRIES = 10, 2
"""How long a request to the bucket waits for the next byte, and how often it is repeated."""

CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_unsigned_extensions": "false",
    # Queries must not read Python variables that happen to have a table's name.
    "python_enable_replacements": "false",
}
"""DuckDB's options for every connection to a lake, fixed when it is opened.

Checking the signatures of the two extension files takes 0.27 s of CPU a connection.
"""


def local_catalog(settings: WarehouseSettings) -> Path | None:
    """Return the catalog's file, or None for a catalog in PostgreSQL. Raises SetupError."""
    kind, _, rest = settings.resolved_lake_catalog.partition(":")
    if kind == "postgres" and rest:
        try:
            conninfo_to_dict(rest)
        except ProgrammingError:
            raise SetupError(
                "SOCIALFLOW_LAKE_CATALOG needs connection parameters after 'postgres:', such as "
                "'postgres:host=db dbname=lake user=lake'"
            ) from None
        return None
    if kind == "sqlite" and rest:
        return Path(rest)
    raise SetupError("SOCIALFLOW_LAKE_CATALOG must be 'sqlite:<file>' or 'postgres:<connection parameters>'")


def postgres_words(settings: WarehouseSettings) -> str:
    """Return the connection parameters of a PostgreSQL catalog."""
    return settings.resolved_lake_catalog.removeprefix("postgres:")


def describe_lake(settings: WarehouseSettings) -> str:
    """Return the catalog's address without its password, for messages."""
    if (path := local_catalog(settings)) is not None:
        return str(path)
    words = conninfo_to_dict(postgres_words(settings))
    return "postgres:" + " ".join(f"{key}={value}" for key, value in words.items() if key != "password")


def attach_lake(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    create: bool = False,
    as_of: AsOf | None = None,
    threads: int = MAX_THREADS,
) -> duckdb.DuckDBPyConnection:
    """Return a connection with the lake attached; `create` creates a missing catalog.

    `as_of` (the number of a snapshot, or an aware instant) attaches that state of the lake, read-only.
    `threads` is the maximum number of threads per statement.

    Raises SetupError: an extension, the catalog or the memory limit is unusable.
    Raises InvalidInputError: the lake has no snapshot that old.
    """
    connection = duckdb.connect(":memory:", config={**CONFIG})
    try:
        _configure(connection, settings, threads)
        _load_extensions(connection, settings)
        _create_secret(connection, settings)
        catalog = None
        if local_catalog(settings) is None:
            catalog = f"postgres:{add_timeouts(postgres_words(settings))}"
        statement = attach_statement(
            settings, read_only=read_only, create=create, as_of=as_of, catalog=catalog
        )
        _attach(connection, settings, statement)
    except BaseException:
        connection.close()
        raise
    return connection


def attach_statement(
    settings: WarehouseSettings,
    *,
    read_only: bool,
    create: bool = False,
    as_of: AsOf | None = None,
    catalog: str | None = None,
) -> str:
    """Return the ATTACH statement. It contains the catalog's password if the settings (or `catalog`) do."""
    options = [f"DATA_PATH {quote(settings.resolved_lake_data_path)}"]
    # The catalog stores the path of its creation; override it, so that a home folder can be moved.
    options.append("OVERRIDE_DATA_PATH true")
    if read_only or as_of is not None:
        options.append("READ_ONLY")
    else:
        # Inlining made batches of 500 rows 4 times slower (measured).
        options.append("DATA_INLINING_ROW_LIMIT 0")
    if not create:
        options.append("CREATE_IF_NOT_EXISTS false")
    if local_catalog(settings) is not None:
        options.append("META_BUSY_TIMEOUT 5000")
        if not read_only:
            options.append("META_JOURNAL_MODE 'WAL'")
    if isinstance(as_of, int):
        options.append(f"SNAPSHOT_VERSION {as_of}")
    elif as_of is not None:
        options.append(f"SNAPSHOT_TIME {quote(as_of.isoformat())}")
    address = quote(f"ducklake:{catalog or settings.resolved_lake_catalog}")
    return f"ATTACH {address} AS lake ({', '.join(options)})"


def extension_files(settings: WarehouseSettings) -> list[Path]:
    """Return the extension files that this lake needs, in load order. Raises SetupError."""
    names = ["ducklake", "postgres_scanner" if local_catalog(settings) is None else "sqlite_scanner"]
    if settings.resolved_lake_data_path.startswith("s3://"):
        names.append("httpfs")
    return [_extension_file(name) for name in names]


def quote(text: str) -> str:
    """Return the text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def read_snapshot(connection: duckdb.DuckDBPyConnection) -> tuple[int, datetime]:
    """Return number and time (UTC) of the attached snapshot."""
    row = connection.execute(
        "SELECT snapshot_id, epoch_us(snapshot_time) FROM ducklake_snapshots('lake') "
        "WHERE snapshot_id = (SELECT id FROM ducklake_current_snapshot('lake'))"
    ).fetchone()
    if row is None:
        raise InvalidInputError("the lake has no such snapshot", field="as_of")
    return int(row[0]), datetime.fromtimestamp(row[1] / 1_000_000, UTC)


def _configure(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings, threads: int) -> None:
    try:
        connection.execute(f"SET memory_limit = {quote(settings.lake_memory_limit)}")
    except duckdb.Error:
        raise SetupError(
            f"SOCIALFLOW_LAKE_MEMORY_LIMIT={settings.lake_memory_limit!r} is not a size such as 1GB"
        ) from None
    connection.execute(f"SET threads = {min(threads, os.cpu_count() or 1)}")
    # By default DuckDB spills into the current folder.
    connection.execute(f"SET temp_directory = {quote(str(settings.home / 'lake' / 'tmp'))}")
    # Do not use DuckDB secrets stored in the user's home folder.
    connection.execute(f"SET secret_directory = {quote(str(settings.home / 'lake' / 'secrets'))}")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET TimeZone = 'UTC'")


def _load_extensions(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> None:
    for path in extension_files(settings):
        try:
            connection.execute(f"LOAD {quote(str(path))}")
        except duckdb.Error as error:
            raise SetupError(
                f"DuckDB {duckdb.__version__} cannot load its extension {path.stem} from {path}: install "
                f"SocialFlow's pinned requirements again ({_first_line(error)})"
            ) from error
    if settings.resolved_lake_data_path.startswith("s3://"):
        # By default a bucket that hangs is given up after two minutes (30 s, four times), under the write lock.
        connection.execute(f"SET http_timeout = {BUCKET_TIMEOUT_S}")
        connection.execute(f"SET http_retries = {BUCKET_RETRIES}")
    connection.execute("SET ducklake_max_retry_count = 100")
    connection.execute("SET ducklake_retry_wait_ms = 20")
    connection.execute("SET ducklake_retry_backoff = 1.2")


def _extension_file(name: str) -> Path:
    package = f"duckdb_extension_{name}"
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    raise SetupError(
        f"the package {package.replace('_', '-')}=={duckdb.__version__} is missing: install SocialFlow's "
        "pinned requirements again"
    )


def _create_secret(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> None:
    if not settings.resolved_lake_data_path.startswith("s3://"):
        return
    words = ["TYPE s3", f"REGION {quote(settings.lake_s3_region)}"]
    if settings.lake_s3_access_key_id and settings.lake_s3_secret_access_key:
        words.append(f"KEY_ID {quote(settings.lake_s3_access_key_id.get_secret_value())}")
        words.append(f"SECRET {quote(settings.lake_s3_secret_access_key.get_secret_value())}")
    if settings.lake_s3_endpoint:
        words += [f"ENDPOINT {quote(settings.lake_s3_endpoint)}", "URL_STYLE 'path'"]
        words.append(f"USE_SSL {str(settings.lake_s3_use_ssl).lower()}")
    try:
        connection.execute(f"CREATE SECRET lake_bucket ({', '.join(words)})")
    except duckdb.Error as error:
        # The statement contains the key, and so may the cause: show neither.
        raise SetupError(
            f"the SOCIALFLOW_LAKE_S3_* settings are unusable ({type(error).__name__}): check them"
        ) from None


def _attach(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings, statement: str) -> None:
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        if "No snapshot found" in str(error):
            remedy = (
                "SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('lake') lists the existing ones"
            )
            raise InvalidInputError(
                f"{_first_line(error).rpartition(': ')[2]}: {remedy}", field="as_of"
            ) from None
        raise refuse_catalog(error, settings) from None


def refuse_catalog(error: duckdb.Error, settings: WarehouseSettings) -> SetupError:
    """Return the error of a catalog that cannot be opened, without its password."""
    return SetupError(
        f"cannot open the lake at {describe_lake(settings)}: {_hide_password(_first_line(error), settings)}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _hide_password(message: str, settings: WarehouseSettings) -> str:
    if local_catalog(settings) is not None:
        return message
    # DuckDB quotes the whole address; a URI may contain the password percent-encoded, so hide all of it.
    for words in (add_timeouts(postgres_words(settings)), postgres_words(settings)):
        message = message.replace(words, "...")
    password = conninfo_to_dict(postgres_words(settings)).get("password")
    return message.replace(str(password), "***") if password else message
