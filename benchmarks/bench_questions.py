"""Time the documented queries of docs/warehouse.md, the views and the analyst endpoints' queries on 1 M snapshots.

`make bench-questions`. The lake is built once, in BENCH_HOME (default: a temporary folder). Each query runs once to
warm up, then three times: the median counts. Fails if one takes longer than LIMIT_S.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import maintain_lake, refresh_growth
from warehouse.lake.queries.decay import get_decay, get_frequency
from warehouse.lake.queries.timing import refresh_optimal_times
from warehouse.lake.rows import AccountDim
from warehouse.settings import WarehouseSettings

ACCOUNTS, POSTS_PER_ACCOUNT = 100, 1_000
AGES = np.array([1, 3, 6, 12, 24, 48, 96, 168, 400, 720], dtype=float)
"""Hours; 100 accounts x 1,000 posts x 10 ages = 1 M snapshots."""
LIMIT_S = 0.5
TIMES = 3
PLATFORMS = ("twitter", "instagram", "mastodon", "bluesky", "youtube")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC")
DOCUMENT = Path(__file__).parents[1] / "docs" / "warehouse.md"


def main() -> int:
    """Build the lake if it is missing, time everything, print a table."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("BENCH_HOME") or folder) / "home"
        now = datetime.now(UTC).replace(microsecond=0)
        with Lake.open(WarehouseSettings(home=home)) as lake:
            if not lake.query("SELECT count(*) AS n FROM raw.post_snapshots")[0]["n"]:
                start = time.perf_counter()
                fill(lake, now)
                print(f"lake built in {time.perf_counter() - start:.0f} s")
            return report(lake, now)


def fill(lake: Lake, now: datetime) -> None:
    """Fill the lake: posts of the last two years, most of them measured at all ages."""
    draw = np.random.default_rng(5)
    accounts = [
        AccountDim(f"acct_{n:03}", "ws_1", PLATFORMS[n % 5], f"account{n}", timezone=ZONES[n % 4])
        for n in range(ACCOUNTS)
    ]
    load_accounts(lake, accounts)
    posts = ACCOUNTS * POSTS_PER_ACCOUNT
    account = np.arange(posts) % ACCOUNTS
    latest, earliest = (int((now - timedelta(days=days)).timestamp() * 1e6) for days in (2, 730))
    published = np.sort(draw.integers(earliest, latest, posts))
    names = pa.array([f"pub_{n:06}" for n in range(posts)])
    instant = pa.timestamp("us", tz="UTC")
    account_ids = pa.array([f"acct_{n:03}" for n in account])
    words = np.array(["plain words", "#tea and more", "hello @ada #tea #time", ""])
    load_publications(
        lake,
        pa.table(
            {
                "publication_id": names,
                "post_id": pa.array([f"post_{n - n % 2 if n % 10 == 1 else n:06}" for n in range(posts)]),
                "workspace_id": pa.array(["ws_1"] * posts),
                "account_id": account_ids,
                "platform": pa.array([PLATFORMS[n % 5] for n in account]),
                "origin": pa.array(np.array(["socialflow", "external"])[draw.integers(0, 2, posts)]),
                "kind": pa.array(np.array(["text", "photo", "video", "link"])[draw.integers(0, 4, posts)]),
                "published_at": pa.array(published, instant),
                "text": pa.array(words[draw.integers(0, 4, posts)]),
            }
        ),
    )
    final = np.exp(draw.normal(5, 1, posts))
    newest = int(now.timestamp() * 1e6)
    for start in range(0, posts, 20_000):
        chosen = slice(start, start + 20_000)
        captured = published[chosen, None] + (
            AGES * draw.uniform(1.0, 1.05, (20_000, len(AGES))) * 3.6e9
        ).astype(int)
        shares = 1 - np.exp(-((AGES / 14) ** 0.6))
        likes = (final[chosen, None] * shares).astype(int)
        keep = (captured <= newest).ravel()
        row = np.repeat(np.arange(start, start + 20_000), len(AGES))[keep]
        load_post_snapshots(
            lake,
            pa.table(
                {
                    "workspace_id": pa.array(["ws_1"] * len(row)),
                    "publication_id": names.take(pa.array(row)),
                    "account_id": account_ids.take(pa.array(row)),
                    "captured_at": pa.array(captured.ravel()[keep], instant),
                    "published_at": pa.array(published[row], instant),
                    "likes": pa.array(likes.ravel()[keep]),
                    "comments": pa.array(likes.ravel()[keep] // 8),
                    "shares": pa.array(likes.ravel()[keep] // 11),
                    "impressions": pa.array(likes.ravel()[keep] * 40),
                }
            ),
            f"run_{start}",
        )
    days = 365
    load_account_snapshots(
        lake,
        pa.table(
            {
                "workspace_id": pa.array(["ws_1"] * ACCOUNTS * days),
                "account_id": pa.array([f"acct_{n // days:03}" for n in range(ACCOUNTS * days)]),
                "captured_at": pa.array(
                    [newest - (n % days) * 86_400_000_000 for n in range(ACCOUNTS * days)], instant
                ),
                "followers": pa.array([5_000 + 10 * (days - n % days) for n in range(ACCOUNTS * days)]),
            }
        ),
        "run",
    )
    refresh_optimal_times(lake, now=now)
    refresh_growth(lake, now)
    maintain_lake(lake, now + timedelta(hours=7))


def report(lake: Lake, now: datetime) -> int:
    """Print a line per query; return 1 if one is slower than LIMIT_S."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Example queries")[2].partition("\n## ")[0]
    questions = re.findall(r"^([A-Z][^\n]*\?)\n\n```sql\n(.*?)```", section, re.MULTILINE | re.DOTALL)
    asked = {question: lambda sql=sql: lake.query(sql) for question, sql in questions}
    period = {"workspace_id": "ws_1", "start": now - timedelta(days=90), "end": now}
    asked |= {
        "marts.posts_wide, one account": lambda: lake.query(
            "SELECT * FROM marts.posts_wide WHERE account_id = 'acct_007' ORDER BY created_timestamp DESC LIMIT 100"
        ),
        "marts.posts_wide by weekday": lambda: lake.query(
            "SELECT weekday_name, median(times_usual_24h) FROM marts.posts_wide AS posts JOIN dims.dates AS dates "
            "ON dates.workspace_id = posts.workspace_id AND dates.timezone = posts.timezone AND day = created_date "
            "GROUP BY ALL"
        ),
        "marts.account_baselines": lambda: lake.query("FROM marts.account_baselines"),
        "half-life and decay, 90 days": lambda: get_decay(lake, **period),  # type: ignore[arg-type]  # a dict
        "frequency, 90 days": lambda: get_frequency(lake, **period),  # type: ignore[arg-type]  # a dict
    }
    (size,) = lake.query(
        "SELECT (SELECT count(*) FROM raw.post_snapshots) AS snapshots, "
        "(SELECT count(*) FROM marts.publication_latest) AS publications"
    )
    print(f"{size['snapshots']:,} snapshots of {size['publications']:,} publications, {os.cpu_count()} cores")
    slow = []
    print("| query | ms | ms of CPU |\n|---|---:|---:|")
    for question, run in asked.items():
        run()
        took, worked = [], []
        for _ in range(TIMES):
            start, cpu = time.perf_counter(), time.process_time()
            run()
            took.append(time.perf_counter() - start)
            worked.append(time.process_time() - cpu)
        median = statistics.median(took)
        if median > LIMIT_S:
            slow.append(question)
        print(f"| {question} | {median * 1000:.0f} | {statistics.median(worked) * 1000:.0f} |", flush=True)
    print(f"slower than {LIMIT_S} s: {slow or 'none'}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
