"""Measure whether a lake stays fast: a simulated year of commits compared with a freshly written lake.

Prints the number of Parquet files after the last night, and how much slower typical queries are than on a
fresh lake with the same rows. The queries alternate between both lakes; medians of many runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from simulated_year import FIRST_DAY, WORKSPACE, Night, Year, YearPlan, count_files

from warehouse.lake.connect import Lake
from warehouse.lake.maintenance import measure_files
from warehouse.lake.queries.overview import get_overview
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    Question = Callable[[Lake], object]

MOST_FILES = 200
MOST_RATIO = 1.25
SCHEMAS = ("raw", "dims", "marts", "quality")


def make_questions(days: int) -> dict[str, Question]:
    """Return typical queries on a lake: the overview, and worked queries of docs/warehouse.md."""
    end = FIRST_DAY + timedelta(days=days)
    month = f"TIMESTAMPTZ '{end - timedelta(days=30)}'"

    def ask(sql: str) -> Question:
        return lambda lake: lake.query(sql)

    return {
        "overview of 30 days": lambda lake: get_overview(
            lake, workspace_id=WORKSPACE, start=end - timedelta(days=30), end=end
        ),
        "platforms, 30 days": ask(
            "SELECT platform, count(*), count(engagement), sum(engagement), median(engagement) "
            f"FROM marts.publication_latest WHERE published_at > {month} GROUP BY platform"
        ),
        "best posts": ask(
            "SELECT latest.post_id, any_value(text), sum(engagement) AS engagement FROM marts.publication_latest "
            "AS latest JOIN dims.publications USING (publication_id) GROUP BY 1 ORDER BY engagement DESC LIMIT 10"
        ),
        "one post's growth": ask(
            "SELECT captured_at, engagement(likes, comments, shares, saves) FROM raw.post_snapshots WHERE "
            "publication_id = (SELECT max(publication_id) FROM raw.post_snapshots) ORDER BY captured_at"
        ),
        "gains per day": ask(
            "SELECT day, sum(gain), sum(correction) FROM marts.engagement_daily "
            "WHERE counted_to - counted_from <= INTERVAL 2 DAY GROUP BY day ORDER BY day"
        ),
        "followers by week": ask(
            "SELECT handle, date_trunc('week', day) AS week, arg_max(followers, day), sum(follower_growth) "
            "FROM marts.account_daily JOIN dims.accounts USING (account_id) GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        "ranks of the month": ask(
            "SELECT post_id, engagement_24h, rank_24h FROM marts.post_performance "
            f"WHERE published_at > {month} AND rank_24h <= 10 ORDER BY rank_24h"
        ),
    }


def list_tables(lake: Lake) -> list[str]:
    """Return the lake's tables that loads fill."""
    rows = lake.query(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
    )
    return [f"{row['schema_name']}.{row['table_name']}" for row in rows if row["schema_name"] in SCHEMAS]


def copy_lake(lake: Lake, fresh: Lake) -> None:
    """Copy all rows of one lake into another, table by table: the smallest and tidiest possible layout."""
    for table in list_tables(lake):
        rows = lake._cursor().execute(f"FROM {table}").to_arrow_table()  # noqa: SLF001 (Arrow keeps every type)
        with fresh.write() as cursor:
            cursor.register("rows", rows)
            cursor.execute(f"INSERT INTO {table} BY NAME FROM rows")


def compare(
    lake: Lake, fresh: Lake, questions: dict[str, Question], turns: int
) -> dict[str, dict[str, float]]:
    """Return by query the median milliseconds of both and their ratio."""
    results = {}
    for name, question in questions.items():
        if question(lake) != question(fresh):  # also warms both
            raise SystemExit(f"{name}: the two lakes give different answers")
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                began = time.perf_counter()
                question((lake, fresh)[which])
                times[which].append(time.perf_counter() - began)
        of_year, of_fresh = (statistics.median(values) * 1000 for values in times)
        results[name] = {
            "year_ms": round(of_year, 2),
            "fresh_ms": round(of_fresh, 2),
            "ratio": round(of_year / of_fresh, 3),
        }
    return results


def measure(home: Path, plan: YearPlan, turns: int) -> dict[str, object]:
    """Simulate the year, then compare."""
    began = time.perf_counter()

    def tell(day: int, night: Night) -> None:
        if day % 30 == 0 or day == plan.days:
            after = night.report["after"]
            print(
                f"  day {day}: {time.perf_counter() - began:.0f} s; files {after['files']}, with deletions "
                f"{after['delete_files']}; night {night.cpu:.1f} s of CPU; load "
                f"{statistics.median(year.load_cpu[-plan.commits_per_day * 10 :]):.2f} s of CPU",
                file=sys.stderr,
                flush=True,
            )

    with Lake.open(WarehouseSettings(home=home / "year"), threads=1) as lake:
        year = Year(lake, plan)
        year.run(tell)
        files = measure_files(lake)
        by_table = count_files(lake)
    on_disk = sum(1 for _ in (home / "year").rglob("*.parquet"))
    # Reopened, as in a reader's process.
    with (
        Lake.open(WarehouseSettings(home=home / "year"), threads=1) as lake,
        Lake.open(WarehouseSettings(home=home / "fresh"), threads=1) as fresh,
    ):
        copy_lake(lake, fresh)
        queries = compare(lake, fresh, make_questions(plan.days), turns)
    month = plan.commits_per_day * 30
    return {
        "days": plan.days,
        "snapshots": year.rows,
        "merges_by_day": year.merges,
        "files": files["files"],
        "delete_files": files["delete_files"],
        "files_by_table": by_table,
        "files_on_disk": on_disk,
        "load_cpu_s_first_month": round(statistics.median(year.load_cpu[:month]), 3),
        "load_cpu_s_last_month": round(statistics.median(year.load_cpu[-month:]), 3),
        "night_cpu_s_last_month": round(statistics.median(night.cpu for night in year.nights[-30:]), 2),
        "queries": queries,
        "worst_ratio": max(query["ratio"] for query in queries.values()),
    }


def main() -> None:
    """Run, print, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--commits", type=int, default=3, help="ingest commits a day")
    parser.add_argument("--posts", type=int, default=20, help="posts a day, each on two accounts")
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--turns", type=int, default=41, help="how often each query is asked")
    parser.add_argument("--home", type=Path, help="keep the lakes in this folder")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    plan = YearPlan(given.days, given.commits, given.accounts, given.posts)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(given.home or Path(folder), plan, given.turns)
    if given.json:
        print(json.dumps(results))
    else:
        for key, value in results.items():
            if not isinstance(value, dict):
                print(f"{key:<28}{value}")
                continue
            print(key)
            for name, part in value.items():
                print(f"  {name:<26}{part}")
    missed = results["files"] >= MOST_FILES or results["worst_ratio"] > MOST_RATIO  # type: ignore[operator]  # numbers
    print(
        f"goals (fewer than {MOST_FILES} files, no query over {MOST_RATIO}): {'MISSED' if missed else 'met'}"
    )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
