"""Copy SocialFlow's posts and figures into a PostgreSQL table, and keep the copy up to date by the export's cursor.

One file to copy and change; needs httpx, psycopg and pyarrow. Each run fetches what changed since the last one and
applies it in one transaction together with the new cursor: a run that dies half way has changed nothing.

    export SOCIALFLOW_URL=http://127.0.0.1:8000 SOCIALFLOW_API_KEY=... SOCIALFLOW_API_SECRET=...
    export TARGET=postgresql://user@db/analytics
    python sync_posts.py

The key needs the scope `analytics`.
"""

from __future__ import annotations

import io
import os
from typing import Any, NamedTuple

import httpx
import psycopg
import pyarrow.parquet as pq
from psycopg import sql

TABLE = "posts_wide"
KEY = "publication_id"
COLUMNS = {
    "publication_id": "text PRIMARY KEY",
    "platform": "text",
    "account_id": "text",
    "account_name": "text",
    "external_account_id": "text",
    "external_id": "text",
    "post_type": "text",
    "post_message": "text",
    "post_url": "text",
    "hashtags": "text[]",
    "language": "text",
    "created_timestamp": "timestamptz",
    "created_date": "date",
    "is_deleted": "boolean",
    "captured_at": "timestamptz",
    "impressions": "bigint",
    "likes": "bigint",
    "comments": "bigint",
    "shares": "bigint",
    "engagement": "bigint",
    "engagement_24h": "double precision",
    "times_usual_24h": "double precision",
}
"""The columns to copy, with their types in PostgreSQL. All columns: docs/warehouse-columns.md."""


class Changes(NamedTuple):
    """An export: what changed since a cursor, or everything."""

    rows: list[dict[str, Any]]
    cursor: int
    everything: bool


class Export:
    """SocialFlow's export endpoint."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=120)
        body = {"api_key": api_key, "api_secret": api_secret}
        answer = self._http.post("/api/v1/auth/token", json=body)
        answer.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def fetch(self, cursor: int | None) -> Changes:
        """Return what changed since the cursor; everything without one, and if the lake no longer has its snapshot."""
        params: dict[str, Any] = {"table": TABLE, "format": "parquet"}
        if cursor is not None:
            params["changed_since"] = cursor
        answer = self._http.get("/api/v1/analytics/export", params=params)
        if cursor is not None and answer.status_code == 422 and answer.json()["code"] in _START_AGAIN:
            return self.fetch(None)
        answer.raise_for_status()
        rows = pq.read_table(io.BytesIO(answer.content)).to_pylist()
        return Changes(rows, int(answer.headers["X-Next-Cursor"]), everything=cursor is None)


_START_AGAIN = {"cursor_expired", "columns_changed", "unknown_snapshot"}


def sync(export: Export, target: psycopg.Connection[Any]) -> dict[str, int]:
    """Bring the table up to date; return the number of rows by kind of change."""
    with target.transaction(), target.cursor() as cursor:
        fields = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({fields})")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS socialflow_cursor (name text PRIMARY KEY, snapshot bigint NOT NULL)"
        )
        # A second run at the same time waits here, and then continues from the first one's cursor.
        cursor.execute("LOCK TABLE socialflow_cursor IN EXCLUSIVE MODE")
        cursor.execute("SELECT snapshot FROM socialflow_cursor WHERE name = %s", [TABLE])
        known = cursor.fetchone()
        changes = export.fetch(known[0] if known else None)
        counts = apply(cursor, changes)
        cursor.execute(
            "INSERT INTO socialflow_cursor VALUES (%s, %s) "
            "ON CONFLICT (name) DO UPDATE SET snapshot = excluded.snapshot",
            [TABLE, changes.cursor],
        )
    return counts


def apply(cursor: psycopg.Cursor[Any], changes: Changes) -> dict[str, int]:
    """Delete what was removed or changed, and insert what is new or changed."""
    counts = {"inserted": 0, "changed": 0, "removed": 0}
    for row in changes.rows:
        counts[row.get("change", "inserted")] += 1
    if changes.everything:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608 (a name from above)
    else:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE {KEY} = ANY(%s)",  # noqa: S608 (names from above)
            [[row[KEY] for row in changes.rows]],
        )
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(TABLE), sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    with cursor.copy(statement) as copy:
        for row in changes.rows:
            if row.get("change") != "removed":
                copy.write_row([row[name] for name in COLUMNS])
    return counts


def main() -> None:
    """Synchronize once, with the settings from the environment."""
    export = Export(
        os.environ["SOCIALFLOW_URL"], os.environ["SOCIALFLOW_API_KEY"], os.environ["SOCIALFLOW_API_SECRET"]
    )
    with psycopg.connect(os.environ["TARGET"], autocommit=True) as target:
        print(sync(export, target))


if __name__ == "__main__":
    main()
