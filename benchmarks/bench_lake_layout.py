"""How raw.post_snapshots lies on disk: plain, partitioned, sorted, inlined. CPU of loads and queries, files, bytes.

Each layout gets the same rows in a DuckLake of its own: snapshots in the order of their capture, one load per ingest
run; then small loads of 500 rows; then DuckLake's own merge of small files. `platform` is a column here that the
product's table does not have: partitions by platform would need it.

    python benchmarks/bench_lake_layout.py [--rows 5000000] [--only plain,month] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.lake.attach import extension_files
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 180
ACCOUNTS = 2_000
TURNS = 10
"""Snapshots of each publication."""
LOADS = 50
SMALL_LOADS, SMALL_ROWS = 40, 500
REPEATS = 5

_TABLE = """
CREATE TABLE snapshots (
  platform VARCHAR NOT NULL, publication_id VARCHAR NOT NULL, account_id VARCHAR NOT NULL,
  published_at TIMESTAMPTZ NOT NULL, captured_at TIMESTAMPTZ NOT NULL,
  impressions BIGINT, likes BIGINT, comments BIGINT, run_id VARCHAR NOT NULL, raw VARCHAR
)
"""
# Row n: turn n % 10 of a publication; ids begin with the time, as ULIDs do, and end in noise.
_ROWS = """
WITH numbers AS (SELECT unnest(range($first::BIGINT, $last::BIGINT)) AS n),
publications AS (
  SELECT
    n, n % $turns AS turn, (n // $turns * 7919) % $accounts AS account,
    $start::TIMESTAMPTZ
    + to_microseconds(CAST($span AS BIGINT) * (n // $turns) // ($rows // $turns + 1)) AS published_at
  FROM numbers
)
SELECT
  ['twitter', 'mastodon', 'instagram', 'bluesky'][1 + account % 4] AS platform,
  format('pub_{:012x}{}', epoch_ms(published_at), substr(md5((n // $turns)::VARCHAR), 1, 14)) AS publication_id,
  'acct_' || substr(md5(account::VARCHAR), 1, 22) AS account_id,
  published_at,
  published_at + to_seconds(900 * (1 << turn::INTEGER)) AS captured_at,
  hash(n) % 10000 * (turn + 1) AS impressions, hash(n) % 97 * (turn + 1) AS likes, hash(n) % 11 AS comments,
  'run_' || $first AS run_id,
  format('{{"id": "{}", "like_count": {}}}', n, hash(n) % 97) AS raw
FROM publications
"""
_QUERIES = {
    "one publication": "SELECT count(*), max(likes) FROM snapshots WHERE publication_id = $publication",
    "one account, 30 days": "SELECT count(*), sum(likes) FROM snapshots WHERE account_id = $account "
    "AND captured_at >= $since AND captured_at < $until",
    "newest of one account": "SELECT publication_id, arg_max(likes, captured_at) FROM snapshots "
    "WHERE account_id = $account GROUP BY ALL",
    "one month by platform": "SELECT platform, count(*), sum(likes) FROM snapshots "
    "WHERE captured_at >= $since AND captured_at < $until GROUP BY ALL",
}


@dataclass(frozen=True)
class Layout:
    """One way to store the table."""

    name: str
    statements: tuple[str, ...] = ()
    inlined: int = 0


LAYOUTS = (
    Layout("plain"),
    Layout("month", ("ALTER TABLE snapshots SET PARTITIONED BY (year(captured_at), month(captured_at))",)),
    Layout(
        "platform+month",
        ("ALTER TABLE snapshots SET PARTITIONED BY (platform, year(captured_at), month(captured_at))",),
    ),
    Layout("sorted", ("ALTER TABLE snapshots SET SORTED BY (account_id, publication_id, captured_at)",)),
    Layout(
        "month, sorted",
        (
            "ALTER TABLE snapshots SET PARTITIONED BY (year(captured_at), month(captured_at))",
            "ALTER TABLE snapshots SET SORTED BY (account_id, publication_id, captured_at)",
        ),
    ),
    Layout("bucket of account", ("ALTER TABLE snapshots SET PARTITIONED BY (bucket(8, account_id))",)),
    Layout("inlined", inlined=1_000),
)


def measure(layout: Layout, rows: int, *, small_loads: int = SMALL_LOADS) -> dict[str, Any]:
    """Return CPU seconds, files and megabytes of a layout."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        connection = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(home / "tmp")})
        for path in extension_files(WarehouseSettings(home=home)):
            connection.execute(f"LOAD '{path}'")
        connection.execute(
            f"ATTACH 'ducklake:sqlite:{home}/catalog.sqlite' AS lake "
            f"(DATA_PATH '{home}/data', DATA_INLINING_ROW_LIMIT {layout.inlined}, META_JOURNAL_MODE 'WAL')"
        )
        connection.execute("USE lake")
        connection.execute("SET threads = 2")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(_TABLE)
        for statement in layout.statements:
            connection.execute(statement)
        found: dict[str, Any] = {"layout": layout.name, "rows": rows}
        step = max(1, rows // LOADS)
        found["load_s"] = cpu(
            lambda: [load(connection, first, first + step, rows) for first in range(0, rows, step)]
        )
        found["small_loads_s"] = cpu(
            lambda: [
                load(connection, rows + turn * SMALL_ROWS, rows + (turn + 1) * SMALL_ROWS, rows)
                for turn in range(small_loads)
            ]
        )
        if layout.inlined:
            found["flush_s"] = cpu(lambda: connection.execute("CALL ducklake_flush_inlined_data('lake')"))
        found["files"], found["mb"] = count_files(connection)
        found["queries_ms"] = ask(connection, rows)
        found["merge_s"] = cpu(lambda: connection.execute("CALL ducklake_merge_adjacent_files('lake')"))
        found["files_merged"], found["mb_merged"] = count_files(connection)
        found["queries_merged_ms"] = ask(connection, rows)
        stored = connection.execute("SELECT count(*) FROM snapshots").fetchone()
        found["stored"] = stored[0] if stored else 0
        connection.close()
    return found


def load(connection: duckdb.DuckDBPyConnection, first: int, last: int, rows: int) -> None:
    """Insert the rows of one ingest run."""
    given = {
        "first": first,
        "last": last,
        "rows": rows,
        "turns": TURNS,
        "accounts": ACCOUNTS,
        "start": START,
        "span": DAYS * 86_400 * 1_000_000,
    }
    connection.execute(f"INSERT INTO snapshots {_ROWS}", given)


def count_files(connection: duckdb.DuckDBPyConnection) -> tuple[int, float]:
    """Return number and megabytes of the newest snapshot's files."""
    row = connection.execute(
        "SELECT sum(file_count), sum(file_size_bytes) FROM ducklake_table_info('lake')"
    ).fetchone()
    return (int(row[0] or 0), round((row[1] or 0) / 1e6, 1)) if row else (0, 0.0)


def ask(connection: duckdb.DuckDBPyConnection, rows: int) -> dict[str, float]:
    """Return the smallest CPU of each query in milliseconds."""
    row = connection.execute(
        "SELECT publication_id, account_id FROM snapshots WHERE run_id = $run LIMIT 1",
        {"run": f"run_{max(1, rows // LOADS) * (LOADS // 2)}"},
    ).fetchone()
    if row is None:
        raise SystemExit("the rows are missing")
    since = START + timedelta(days=DAYS / 2)
    given = {"publication": row[0], "account": row[1], "since": since, "until": since + timedelta(days=30)}
    found = {}
    for name, query in _QUERIES.items():
        wanted = {key: value for key, value in given.items() if f"${key}" in query}
        times = [cpu(lambda: connection.execute(query, wanted).fetchall()) for _ in range(REPEATS)]  # noqa: B023 (run at once)
        found[name] = round(min(times) * 1000, 1)
    return found


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds that the work takes in all threads."""
    began = time.process_time()
    work()
    return round(time.process_time() - began, 4)


def main() -> None:
    """Measure every layout and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", default="", help="names of layouts, separated by commas")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = [one.strip() for one in options.only.split(",") if one.strip()]
    results = [measure(one, options.rows) for one in LAYOUTS if not wanted or one.name in wanted]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    names = list(_QUERIES)
    head = "".join(f"{name:>24}" for name in names)
    print(f"{options.rows:,} rows, CPU; load of the machine {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(f"{'layout':<20}{'load s':>8}{'40 x 500':>10}{'merge s':>9}{'files':>14}{'MB':>8}{head}")
    print(f"{'':<69}(ms, before and after the merge)")
    for one in results:
        times = "".join(
            f"{one['queries_ms'][name]:>15.1f} /{one['queries_merged_ms'][name]:>7.1f}" for name in names
        )
        files = f"{one['files']} > {one['files_merged']}"
        print(
            f"{one['layout']:<20}{one['load_s']:>8.1f}{one['small_loads_s']:>10.2f}{one['merge_s']:>9.1f}"
            f"{files:>14}{one['mb_merged']:>8.0f}{times}"
        )


if __name__ == "__main__":
    main()
