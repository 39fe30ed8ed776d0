"""Measure `socialflow import-history` in a process of its own: seconds, CPU, peak memory and rows a second.

Imports an invented CSV (ids, texts, links, counts and one unknown column; 40 accounts) or a given file into a fresh
home on SQLite, as the command line does it, with the optimal times at its end. CPU counts all threads of the process,
so it hardly depends on what else the machine does. The goals for 1,000,000 rows on a quiet machine: 3 minutes, 1 GB.

    python benchmarks/bench_imports.py --rows 1000000
    python benchmarks/bench_imports.py --file history.parquet --platform facebook --goal-seconds 40
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROWS = 1_000_000
ACCOUNTS = 40
GOAL_SECONDS = 180.0
"""For ROWS rows; other numbers of rows have their share of it."""
GOAL_BYTES = 1_000_000_000
_WORDS = (
    "the",
    "tea",
    "of",
    "today",
    "with",
    "milk",
    "honey",
    "a",
    "cup",
    "warm",
    "rain",
    "garden",
    "market",
)
_COLUMNS = (
    *("account", "post_id", "published_at", "kind", "text", "permalink"),
    *("impressions", "likes", "comments", "shares", "campaign"),
)
_KINDS = ("photo", "video", "text", "link")


def main() -> int:
    """Print one line of figures; exit code 1 if a goal is missed or a row is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the invented CSV")
    parser.add_argument("--file", type=Path, help="a file of posts instead of the invented one")
    parser.add_argument("--platform", default="facebook")
    parser.add_argument("--goal-seconds", type=float, help="default: 180 s for 1,000,000 rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-imports-") as folder:
        home = Path(folder) / "home"
        file = arguments.file or write_csv(Path(folder) / "posts.csv", arguments.rows)
        seconds, cpu, peak = _import(file, home, arguments.platform)
        posts = _count_posts(home)
        size = _size(home)
    goal = arguments.goal_seconds or GOAL_SECONDS * max(posts, 1) / ROWS
    print(
        f"{posts:,} posts of {file.name}: {seconds:.1f} s (goal {goal:.0f} s), {cpu:.1f} s of CPU, "
        f"peak {peak / 1e6:,.0f} MB (goal {GOAL_BYTES / 1e6:,.0f} MB), {posts / seconds:,.0f} rows a second, "
        f"{cpu / max(posts, 1) * 1e6:.0f} us of CPU a row, home {size / 1e6:,.0f} MB, "
        f"load of the machine {os.getloadavg()[0]:.1f}"
    )
    missing = arguments.file is None and posts != arguments.rows
    if missing:
        print(f"{arguments.rows - posts:,} rows are missing")
    return int(missing or seconds > goal or peak > GOAL_BYTES)


def write_csv(path: Path, rows: int) -> Path:
    """Write an invented history of some accounts, in the order of time; return the path."""
    chance = random.Random(17)
    at = datetime(2019, 1, 1, tzinfo=UTC)
    step = timedelta(days=365 * 5) / max(rows, 1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for number in range(rows):
            at += step * chance.uniform(0.1, 1.9)
            likes = int(chance.lognormvariate(4, 1.2))
            post_id = 1_000_000_000_000_000_000 + number * 7_919
            writer.writerow(
                (
                    f"page{number % ACCOUNTS}",
                    post_id,
                    f"{at:%Y-%m-%dT%H:%M:%SZ}",
                    chance.choice(_KINDS),
                    f"{number} {' '.join(chance.choices(_WORDS, k=14))} #tea",
                    f"https://social.example/page{number % ACCOUNTS}/posts/{post_id}",
                    likes * chance.randint(8, 40),
                    likes,
                    likes // 9,
                    likes // 20,
                    chance.choice(("spring", "", "summer")),
                )
            )
    return path


def _import(file: Path, home: Path, platform: str) -> tuple[float, float, int]:
    """Import a file; return seconds, seconds of CPU and the peak of resident bytes."""
    environment = {**os.environ, "SOCIALFLOW_HOME": str(home)}
    command = [
        str(Path(sys.executable).with_name("socialflow")),
        "import-history",
        str(file),
        "--platform",
        platform,
    ]
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the import ended with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def _count_posts(home: Path) -> int:
    with closing(sqlite3.connect(home / "socialflow.sqlite")) as store:
        return int(store.execute("SELECT count(*) FROM publications").fetchone()[0])


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
