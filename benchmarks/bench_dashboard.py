"""Time the dashboard's pages on 1 M snapshots, each compared with its own queries within the same request.

`make bench-dashboard`. The lake is that of `bench_questions` (BENCH_HOME keeps it: 1 M snapshots are built in about two
minutes, once; POSTS=200 an account for a small one). Each page is opened twice to warm up, then TIMES times: the
fastest counts, since other programs on the machine only add to it, beside it the CPU time of the whole process. A page
is sent in one piece, so its first byte comes when it is ready.
Fails if a page takes more than LIMIT times its queries and more than SLACK_S longer than they, or more than MOST_KB.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench_questions
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from api.app import create_app
from warehouse.lake.connect import Lake
from warehouse.process import set_up_process
from warehouse.settings import WarehouseSettings
from warehouse.store.access.sign_in_links import make_local_link
from warehouse.store.access.workspaces import create_workspace
from warehouse.store.database import Store
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 1.5
SLACK_S = 0.025
"""The rest of a page with almost no queries: session, frame, template, and the test client itself (5 ms)."""
MOST_KB = 200
TIMES = 7
PAGES = (
    *("", "/calendar?view=month", "/calendar?view=week&account=acct_007", "/posts", "/posts?tab=history"),
    *(
        "/numbers",
        "/numbers?days=7&metric=follower_growth",
        "/numbers/accounts/acct_007",
        "/times",
        "/times?account=acct_007",
    ),
    *("/times/acct_007/hour?weekday=1&hour=10", "/accounts", "/accounts/acct_007", "/settings", "/imports"),
    *("/posts/new", "/posts/new?account=acct_007", "/keys", "/settings/recurrences/new"),
)


class Spent:
    """Seconds that the current request has spent in queries of either database."""

    def __init__(self) -> None:
        """Listen to every query of this process."""
        self.seconds = 0.0
        query, query_rows, stream = Lake.query, Lake.query_rows, Lake.stream

        def timed_query(lake: Lake, *given: Any, **named: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (passed on)
            start = time.perf_counter()
            try:
                return query(lake, *given, **named)
            finally:
                self.seconds += time.perf_counter() - start

        def timed_rows(lake: Lake, *given: Any, **named: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 (same)
            start = time.perf_counter()
            try:
                return query_rows(lake, *given, **named)
            finally:
                self.seconds += time.perf_counter() - start

        @contextmanager
        def timed_stream(lake: Lake, *given: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401 (passed on)
            start = time.perf_counter()
            with stream(lake, *given, **named) as cursor:
                yield cursor
            self.seconds += time.perf_counter() - start

        Lake.query, Lake.query_rows = timed_query, timed_rows  # type: ignore[method-assign]
        Lake.stream = timed_stream  # type: ignore[method-assign]
        started: list[float] = []

        @event.listens_for(Engine, "before_cursor_execute")
        def begin(*_given: object) -> None:
            started.append(time.perf_counter())

        @event.listens_for(Engine, "after_cursor_execute")
        def end(*_given: object) -> None:
            self.seconds += time.perf_counter() - started.pop()


def main() -> int:
    """Build the home if it is missing, time every page, print a table."""
    set_up_process()
    bench_questions.POSTS_PER_ACCOUNT = int(os.environ.get("POSTS", bench_questions.POSTS_PER_ACCOUNT))
    with tempfile.TemporaryDirectory() as folder:
        settings = WarehouseSettings(home=Path(os.environ.get("BENCH_HOME") or folder) / "home")
        now = datetime.now(UTC).replace(microsecond=0)
        with Lake.open(settings) as lake:
            if not lake.query("SELECT count(*) AS n FROM raw.post_snapshots")[0]["n"]:
                bench_questions.fill(lake, now)
            (size,) = lake.query("SELECT count(*) AS n FROM raw.post_snapshots")
        print(f"{size['n']:,} snapshots, {os.cpu_count()} cores")
        link = prepare(settings, now)
        with TestClient(
            create_app(warehouse=settings), base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)
        ) as client:
            sign_in(client, link)
            gc.collect()
            gc.freeze()  # as the processes of `socialflow up` do
            return report(client, Spent())


def prepare(settings: WarehouseSettings, now: datetime) -> str:
    """Make the workspace and the accounts that the lake knows; return the path of a sign-in link."""
    with Store.open(settings) as store, store.write() as session:
        if session.get(AccountRow, "acct_000") is None:
            create_workspace(
                session, name="Benchmark", timezone="Europe/Berlin", now=now, workspace_id="ws_1"
            )
            session.flush()
            for number in range(bench_questions.ACCOUNTS):
                platform = bench_questions.PLATFORMS[number % len(bench_questions.PLATFORMS)]
                name = f"account{number}"
                session.add(
                    AccountRow(
                        id=f"acct_{number:03}", workspace_id="ws_1", platform=platform, external_id=name,
                        handle=name, status="active", connected_at=now,
                    )
                )  # fmt: skip
        return make_local_link(session, store.cipher, "ws_1", now)


def sign_in(client: TestClient, link: str) -> None:
    """Use the link as a browser does."""
    page = client.get(link).text
    fields = {name: re.findall(f'name="{name}" value="([^"]*)"', page)[0] for name in ("form_token", "token")}
    answer = client.post("/dashboard/login/link", data=fields)
    if answer.status_code != 200 or "Sign out" not in answer.text:
        raise SystemExit(f"the sign-in link did not work: {answer.status_code}")


def report(client: TestClient, spent: Spent) -> int:
    """Print a line per page; return 1 if one is too slow beside its queries."""
    slow = []
    print("| page | ms | ms of its queries | ratio | ms of CPU | kB |\n|---|---:|---:|---:|---:|---:|")
    for page in PAGES:
        measured = []
        for _ in range(TIMES + 2):
            spent.seconds, start, cpu = 0.0, time.perf_counter(), time.process_time()
            answer = client.get(f"/dashboard{page}")
            measured.append((time.perf_counter() - start, spent.seconds, time.process_time() - cpu))
            if answer.status_code != 200:
                raise SystemExit(f"{page}: {answer.status_code}")
        took, asked, worked = min(measured[2:])
        size = len(answer.content) / 1000
        if (took > LIMIT * asked and took - asked > SLACK_S) or size > MOST_KB:
            slow.append(page or "/")
        figures = (
            f"{took * 1000:.0f} | {asked * 1000:.0f} | {took / asked:.2f} | {worked * 1000:.0f} | {size:.0f}"
        )
        print(f"| {page or '/'} | {figures} |", flush=True)
    print(
        f"more than {LIMIT} times their queries and {SLACK_S * 1000:.0f} ms, or {MOST_KB} kB: {slow or 'none'}"
    )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
