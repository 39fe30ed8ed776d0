"""An analyst's process for the tests: plain DuckDB, the printed statements, one question again and again.

Usage: python lake_reader.py STATEMENTS, a JSON array. Each line of its output is one answer: snapshots in raw,
publications in the mart, and the engagement by each of the two. It ends when its stdin is closed.
"""

from __future__ import annotations

import json
import select
import sys

import duckdb

PAUSE_S = 0.2
QUESTION = """
SELECT
  (SELECT count(*) FROM raw.post_snapshots),
  (SELECT count(*) FROM marts.publication_latest),
  (SELECT coalesce(sum(engagement), 0) FROM marts.publication_latest),
  (SELECT coalesce(sum(engagement(likes, comments, shares, saves)), 0) FROM raw.post_snapshots
   WHERE captured_at = (SELECT max(captured_at) FROM raw.post_snapshots))
"""


def main() -> None:
    lake = duckdb.connect()
    for statement in json.loads(sys.argv[1]):
        lake.execute(statement)
    last = False
    while True:
        row = lake.execute(QUESTION).fetchone()
        print(json.dumps(row, default=int), flush=True)
        if last:
            return
        # One more question after the end, which then sees everything.
        last = bool(select.select([sys.stdin], [], [], PAUSE_S)[0])


if __name__ == "__main__":
    main()
