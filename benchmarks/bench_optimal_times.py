"""Speed of the daily timing run, compared with LightGBM and a loop over accounts, on the same posts in one run.

    make bench-optimal-times [ACCOUNTS=10000] [POSTS=1000]
    make bench-optimal-times ACCOUNTS=10000 POSTS=100,300,1000      # refresh only, one row for each number of posts

    refresh   a lake with ACCOUNTS x POSTS measured posts -> marts.optimal_times, all of it
    loop      the same model, one call of compute_optimal_times an account, as a service would do it that
              answers one account at a time: without the lake, on a sample, time scaled up to all accounts
    lightgbm  one LightGBM of 100 trees for all accounts (account, hour, weekday, kind -> ln(1 + engagement)) and
              its answer for every slot: likewise. Without the `bench` extra it is left out

Each measure runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    import pandas as pd

    from warehouse.lake.connect import Lake

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Bangkok", "Australia/Lord_Howe", "UTC")
GOAL_SECONDS, GOAL_MB = 20, 3000

# Habits and effects are simple here: the model's speed does not depend on the data.
FILL = """
SELECT setseed(0.5);
INSERT INTO dims.accounts BY NAME
SELECT
  'acct_' || lpad(number::VARCHAR, 6, '0') AS account_id, 'ws_1' AS workspace_id, 'twitter' AS platform,
  'handle' || number AS handle, {zones}[1 + number % {zone_count}] AS timezone
FROM range({accounts}) AS numbers(number);
CREATE TEMP TABLE posts AS
SELECT
  'pub_' || lpad(number::VARCHAR, 9, '0') AS publication_id,
  'acct_' || lpad((number % {accounts})::VARCHAR, 6, '0') AS account_id,
  (TIMESTAMPTZ '{now}' - to_microseconds((364 * 86400e6 * random())::BIGINT)) AS published_at,
  ['text', 'link', 'photo', 'video'][1 + (random() * 4)::INTEGER % 4] AS kind,
  exp(5 + 1.1 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::BIGINT AS likes
FROM range({accounts} * {posts}) AS numbers(number);
INSERT INTO dims.publications BY NAME
SELECT
  publication_id, publication_id AS post_id, 'ws_1' AS workspace_id, account_id, 'twitter' AS platform,
  'external' AS origin, kind, published_at, (random() * 400)::BIGINT AS text_length
FROM posts;
INSERT INTO marts.publication_latest BY NAME
SELECT
  'ws_1' AS workspace_id, publication_id, publication_id AS post_id, account_id, 'twitter' AS platform,
  'external' AS origin, kind, published_at, TIMESTAMPTZ '{now}' AS captured_at,
  (epoch(TIMESTAMPTZ '{now}') - epoch(published_at)) / 3600 AS age_hours, likes, likes AS engagement
FROM posts;
INSERT INTO raw.post_snapshots BY NAME
SELECT
  'ws_1' AS workspace_id, publication_id, account_id, published_at, likes::BIGINT AS likes, captured_at,
  'platform' AS source, 'run_1' AS run_id, captured_at AS loaded_at
FROM (
  SELECT * EXCLUDE (likes), likes, TIMESTAMPTZ '{now}' AS captured_at FROM posts
  UNION ALL BY NAME
  SELECT * EXCLUDE (likes), likes * share AS likes, published_at + to_hours(hours) AS captured_at
  FROM posts, (VALUES (1, 0.4), (6, 0.7), (24, 0.9)) AS ages(hours, share)
  WHERE published_at BETWEEN TIMESTAMPTZ '{now}' - INTERVAL 30 DAY AND TIMESTAMPTZ '{now}' - INTERVAL 2 DAY
);
DROP TABLE posts;
"""


def open_lake(home: Path) -> Lake:
    """Open the lake in a folder."""
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (each process loads what it measures)
    from warehouse.settings import WarehouseSettings  # noqa: PLC0415 (same)

    return Lake.open(WarehouseSettings(home=home))


def fill(home: Path, accounts: int, posts: int) -> dict[str, Any]:
    """Write the posts directly into the lake's tables: loading is not measured here."""
    started = time.perf_counter()
    statements = FILL.format(
        accounts=accounts, posts=posts, zones=list(ZONES), zone_count=len(ZONES), now=NOW.isoformat()
    )
    with open_lake(home) as lake, lake.write() as cursor:
        for statement in statements.split(";"):
            if statement.strip():
                cursor.execute(statement)
    return {"seconds": time.perf_counter() - started}


def refresh(home: Path, accounts: int, posts: int) -> dict[str, Any]:
    """The daily run's function, from the lake to the table."""
    from warehouse.lake.queries.timing import refresh_optimal_times  # noqa: PLC0415 (each process loads what it measures)

    with open_lake(home) as lake:
        started, worked = time.perf_counter(), time.process_time()
        summary = refresh_optimal_times(lake, now=NOW)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    if (summary["accounts"], summary["posts"]) != (accounts, accounts * posts):
        raise SystemExit(f"the refresh did not see every post: {summary}")
    return {"seconds": seconds, "cpu_seconds": cpu, "rows": summary["rows"]}


def sample(home: Path, accounts: int) -> list[tuple[str, pd.DataFrame]]:
    """Time zones and histories of some accounts, as input of the pure function."""
    with open_lake(home) as lake:
        frame = lake.frame(
            "SELECT account_id, timezone, published_at, engagement::DOUBLE AS engagement, kind, age_hours "
            "FROM marts.publication_latest INNER JOIN dims.accounts USING (account_id) "
            "WHERE account_id IN (SELECT account_id FROM dims.accounts ORDER BY account_id LIMIT $accounts) "
            "ORDER BY account_id, published_at",
            {"accounts": accounts},
        )
    return [(str(part["timezone"].iloc[0]), part) for _, part in frame.groupby("account_id")]


def loop(home: Path, accounts: int, sampled: int) -> dict[str, Any]:
    """One call per account."""
    from warehouse.timing.model import compute_optimal_times  # noqa: PLC0415 (each process loads what it measures)

    histories = sample(home, sampled)
    started = time.perf_counter()
    for zone, history in histories:
        compute_optimal_times(history, timezones=zone, as_of=NOW)
    return scale(time.perf_counter() - started, len(histories), accounts)


def lightgbm(home: Path, accounts: int, sampled: int) -> dict[str, Any]:
    """One gradient boosting for all sampled accounts, and its prediction for each slot."""
    import lightgbm as lgb  # noqa: PLC0415 (each process loads what it measures)
    import numpy as np  # noqa: PLC0415 (same)
    import pandas as pd  # noqa: PLC0415 (same)

    histories = sample(home, sampled)
    started = time.perf_counter()
    parts = []
    for place, (zone, history) in enumerate(histories):
        local = history["published_at"].dt.tz_convert(zone)
        features = {"account": place, "hour": local.dt.hour, "weekday": local.dt.day_of_week}
        features["kind"] = history["kind"].map({"link": 0, "photo": 1, "text": 2, "video": 3})
        parts.append(pd.DataFrame(features | {"y": np.log1p(history["engagement"])}))
    posts = pd.concat(parts)
    week = np.arange(168 * len(histories))
    slots = pd.DataFrame({"account": week // 168, "hour": week % 24, "weekday": week % 168 // 24, "kind": 0})
    data = lgb.Dataset(posts.drop(columns="y"), posts["y"], categorical_feature=["account"])
    lgb.train({"verbose": -1, "num_threads": os.cpu_count() or 1}, data, num_boost_round=100).predict(slots)
    return scale(time.perf_counter() - started, len(histories), accounts)


def scale(seconds: float, measured: int, accounts: int) -> dict[str, Any]:
    """A sample's time, and its projection to all accounts."""
    return {
        "accounts_measured": measured,
        "measured_seconds": seconds,
        "seconds": seconds / measured * accounts,
        "extrapolated": measured < accounts,
    }


def run_alone(measure: str, options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Run one measurement in its own process.

    Adds peak_mb, the highest resident memory (sampled every 20 ms).
    """
    command = [sys.executable, __file__, "--measure", measure, "--home", str(home)]
    command += ["--accounts", str(options.accounts), "--posts", str(options.posts)]
    command += ["--sample", str(min(options.sample, options.accounts))]
    # As flow runs are started, see flows/serving/prefect_environment.py.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.02)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{measure} failed")
    return json.loads(output) | {"peak_mb": round(peak / 1e6)}


def main() -> None:
    """Run the measurements and print them with their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument(
        "--posts",
        default="1000",
        help="posts an account; several, comma-separated, measure the refresh of each",
    )
    parser.add_argument(
        "--sample", type=int, default=500, help="accounts that loop and LightGBM are timed on"
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--measure", choices=("fill", "refresh", "loop", "lightgbm"), help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    series = [int(posts) for posts in options.posts.split(",")]
    options.posts = series[0]
    if options.measure in ("fill", "refresh"):
        measure = {"fill": fill, "refresh": refresh}[options.measure]
        print(json.dumps(measure(options.home, options.accounts, options.posts)))
    elif options.measure is not None:
        compared = {"loop": loop, "lightgbm": lightgbm}[options.measure]
        print(json.dumps(compared(options.home, options.accounts, options.sample)))
    elif len(series) > 1:
        rows = run_series(options, series)
        print(json.dumps(rows) if options.json else describe_series(options.accounts, rows))
    else:
        results = run_all(options)
        print(json.dumps(results) if options.json else describe(results))


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements on the same lake, with the ratios of the others to the refresh."""
    results: dict[str, Any] = {"accounts": options.accounts, "posts_each": options.posts}
    with tempfile.TemporaryDirectory(prefix="bench-optimal-times-") as folder:
        home = Path(folder)
        run_alone("fill", options, home)
        results["refresh"] = run_alone("refresh", options, home)
        results["loop"] = run_alone("loop", options, home)
        if find_spec("lightgbm") is not None:
            results["lightgbm"] = run_alone("lightgbm", options, home)
    for name in ("loop", "lightgbm"):
        if name in results:
            results[name]["times_refresh"] = results[name]["seconds"] / results["refresh"]["seconds"]
    return results


def run_series(options: argparse.Namespace, series: list[int]) -> list[dict[str, Any]]:
    """The refresh for each number of posts an account, each in a lake of its own."""
    rows = []
    for posts in series:
        options.posts = posts
        with tempfile.TemporaryDirectory(prefix="bench-optimal-times-") as folder:
            run_alone("fill", options, Path(folder))
            rows.append({"posts_each": posts} | run_alone("refresh", options, Path(folder)))
    return rows


def describe_series(accounts: int, rows: list[dict[str, Any]]) -> str:
    """Format the series as text: a cost that is linear in posts has the same CPU time per further million."""
    lines = [f"refresh of {accounts} accounts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"]
    before: dict[str, Any] | None = None
    for row in rows:
        line = f"{accounts * row['posts_each'] / 1e6:6.2f} M posts {row['seconds']:8.1f} s   "
        line += f"CPU {row['cpu_seconds']:6.1f} s   peak {row['peak_mb']:5d} MB"
        if before is not None:
            further = accounts * (row["posts_each"] - before["posts_each"]) / 1e6
            line += (
                f"   CPU {(row['cpu_seconds'] - before['cpu_seconds']) / further:.2f} s per further million"
            )
        lines.append(line)
        before = row
    return "\n".join(lines)


def describe(results: dict[str, Any]) -> str:
    """Format the results as text."""
    lines = [f"{results['accounts']} accounts x {results['posts_each']} posts, {os.cpu_count()} cores"]
    for name in ("refresh", "loop", "lightgbm"):
        if name not in results:
            lines.append(f"{name:<10}left out: run `make .venv/.bench` first")
            continue
        figures = results[name]
        line = f"{name:<10}{figures['seconds']:8.1f} s   peak {figures['peak_mb']:5d} MB   "
        if name == "refresh":
            line += f"CPU {figures['cpu_seconds']:.1f} s, {figures['rows']} rows; "
            line += f"goal {GOAL_SECONDS} s and {GOAL_MB} MB at 10000 x 1000"
        else:
            line += f"{figures['times_refresh']:.1f} x refresh"
        if figures.get("extrapolated"):
            line += f" (scaled up from {figures['accounts_measured']} accounts, {figures['measured_seconds']:.1f} s)"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
