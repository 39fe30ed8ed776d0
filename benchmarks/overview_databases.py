"""One year of a busy workspace in three databases: a lake, a native DuckDB file and PostgreSQL.

Values are derived from a publication's name and a snapshot's position, so that all three hold the same data.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import psycopg

from warehouse.lake.attach import attach_lake
from warehouse.lake.connect import Lake
from warehouse.lake.maintenance import rebuild_marts

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START = NOW - timedelta(days=30)
ACCOUNTS = 8
DAYS = 365
PLATFORMS = ("twitter", "instagram", "mastodon", "bluesky")

PUBLICATIONS = """
SELECT
  'ws_default' AS workspace_id,
  'pub_' || p AS publication_id,
  'post_' || p AS post_id,
  'acct_' || p % {accounts} AS account_id,
  {platforms}[1 + p % {kinds}] AS platform,
  'external' AS origin,
  'text' AS kind,
  TIMESTAMPTZ '2026-11-01 00:00:00+00' - to_seconds((p * {days} * 86400.0 / {publications} + 60)::INT) AS published_at
FROM range({publications}) AS t(p)
"""
COUNTS = """
SELECT
  'ws_default' AS workspace_id,
  'acct_' || a AS account_id,
  TIMESTAMPTZ '2026-11-01 00:00:00+00' - to_days(d::INT) - INTERVAL 1 HOUR AS captured_at,
  (100000 - 10 * d + a)::BIGINT AS followers,
  'bench' AS run_id,
  now() AS loaded_at
FROM range({accounts}) AS t(a), range({days}) AS u(d)
"""
SNAPSHOTS = """
SELECT
  publications.workspace_id,
  publication_id,
  account_id,
  published_at,
  published_at + to_minutes((15 * (s + 1) * (s + 1))::INT) AS captured_at,
  hash(publication_id) % 1000 * (s + 1) AS impressions,
  hash(publication_id) % 100 * (s + 1) AS likes,
  hash(publication_id) % 10 * (s + 1) AS comments,
  hash(publication_id) % 5 * (s + 1) AS shares,
  NULL::BIGINT AS saves
FROM publications, range({each}) AS t(s)
"""
RAW_QUESTION = """
WITH newest AS (
  SELECT publication_id, max(captured_at) AS captured_at, arg_max(likes + comments + shares, captured_at) AS engagement
  FROM post_snapshots
  WHERE workspace_id = 'ws_default' AND published_at >= TIMESTAMPTZ '{before}' AND published_at < TIMESTAMPTZ '{end}'
  GROUP BY publication_id
),
scope AS (
  SELECT
    publications.*, newest.captured_at, newest.engagement,
    publications.published_at >= TIMESTAMPTZ '{start}' AS now
  FROM publications LEFT JOIN newest USING (publication_id)
  WHERE workspace_id = 'ws_default' AND publications.published_at >= TIMESTAMPTZ '{before}'
    AND publications.published_at < TIMESTAMPTZ '{end}'
)
SELECT count(*) FILTER (WHERE now), sum(engagement) FILTER (WHERE now), count(*) FILTER (WHERE NOT now),
       sum(engagement) FILTER (WHERE NOT now), max(captured_at),
       (SELECT count(*) FROM (SELECT platform, sum(engagement) FROM scope WHERE now GROUP BY platform) AS p),
       (SELECT count(*) FROM (SELECT published_at::DATE, sum(engagement) FROM scope WHERE now GROUP BY 1) AS d),
       (SELECT max(engagement) FROM scope WHERE now)
FROM scope
"""
"""The parts of the overview that use snapshots, in the SQL of both databases."""


def fill_lake(settings: WarehouseSettings, publications: int, each: int) -> None:
    """Generate a year of a busy workspace by SQL.

    The marts are built with the product's own statements, and the lake's files are merged.
    """
    words = {
        "accounts": ACCOUNTS,
        "platforms": list(PLATFORMS),
        "kinds": len(PLATFORMS),
        "days": DAYS,
        "publications": publications,
    }
    with Lake.open(settings) as lake:
        with lake.write() as cursor:
            cursor.execute(f"CREATE TEMP TABLE publications AS {PUBLICATIONS.format(**words)}")
            cursor.execute("INSERT INTO dims.publications BY NAME FROM publications")
            cursor.execute(
                "INSERT INTO dims.accounts BY NAME SELECT DISTINCT account_id, workspace_id, platform, "
                "account_id AS handle FROM publications"
            )
            cursor.execute(f"INSERT INTO raw.account_snapshots BY NAME {COUNTS.format(**words)}")
            cursor.execute(
                "INSERT INTO raw.post_snapshots BY NAME SELECT *, 'platform' AS source, 'bench' AS run_id, "
                f"now() AS loaded_at FROM ({SNAPSHOTS.format(each=each)}) ORDER BY captured_at"
            )
        rebuild_marts(lake)


def fill_native(settings: WarehouseSettings, path: Path) -> None:
    """Copy raw snapshots and publications into a native DuckDB file."""
    connection = attach_lake(settings, read_only=True)
    connection.execute(f"ATTACH '{path}' AS native")
    for table, source in (
        ("publications", "lake.dims.publications"),
        ("post_snapshots", "(SELECT * EXCLUDE (raw) FROM lake.raw.post_snapshots)"),
    ):
        connection.execute(f"CREATE TABLE native.{table} AS FROM {source}")
    connection.close()


def fill_postgres(native: Path, address: str) -> None:
    """Copy the same into PostgreSQL, with the index that the query needs."""
    columns = "workspace_id, publication_id, published_at, captured_at, likes, comments, shares"
    with (
        duckdb.connect(str(native), read_only=True) as source,
        psycopg.connect(address, autocommit=True) as target,
    ):
        target.execute(
            "CREATE UNLOGGED TABLE publications (workspace_id text, publication_id text PRIMARY KEY, platform text, "
            "published_at timestamptz)"
        )
        target.execute(
            "CREATE UNLOGGED TABLE post_snapshots (workspace_id text, publication_id text, published_at timestamptz, "
            "captured_at timestamptz, likes bigint, comments bigint, shares bigint)"
        )
        source.execute("SET TimeZone = 'UTC'")
        for table, wanted in (
            ("publications", "workspace_id, publication_id, platform, published_at"),
            ("post_snapshots", columns),
        ):
            with tempfile.NamedTemporaryFile(suffix=".csv") as file:
                source.execute(
                    f"COPY (SELECT {wanted} FROM {table}) TO '{file.name}' (FORMAT csv, HEADER false)"
                )
                with (
                    target.cursor() as cursor,
                    cursor.copy(f"COPY {table} ({wanted}) FROM STDIN (FORMAT csv)") as copy,
                    Path(file.name).open("rb") as rows,
                ):
                    while block := rows.read(1 << 20):
                        copy.write(block)
        target.execute("CREATE INDEX ON post_snapshots (published_at)")
        target.execute("CREATE INDEX ON post_snapshots (publication_id, captured_at DESC)")
        target.execute("ANALYZE")


def raw_question(dialect: str) -> str:
    """Return the query in the SQL of duckdb or postgres."""
    text = RAW_QUESTION.format(
        before=(START - (NOW - START)).isoformat(), start=START.isoformat(), end=NOW.isoformat()
    )
    if dialect == "postgres":
        text = text.replace(
            "max(captured_at) AS captured_at, arg_max(likes + comments + shares, captured_at) AS engagement\n",
            "captured_at, likes + comments + shares AS engagement\n",
        ).replace(
            "SELECT publication_id, captured_at",
            "SELECT DISTINCT ON (publication_id) publication_id, captured_at",
        )
        text = text.replace("  GROUP BY publication_id\n", "  ORDER BY publication_id, captured_at DESC\n")
    return text
