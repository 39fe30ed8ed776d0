"""A history backfill whose process is killed: the next run continues and does not start over."""

from __future__ import annotations

import math
import signal
import time
from typing import TYPE_CHECKING

import httpx
from sqlalchemy import select

from connectors.types import Platform
from flows.ingestion.history import STRETCH
from tests.chaos.ingest_scene import Scene, scene
from warehouse.lake.connect import Lake
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

PAGE = 40
"""Posts that Mastodon lists at once."""


def test_a_killed_backfill_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with (
        scene(tmp_path, seed=1, history_days=420, accounts=1, platforms=(Platform.MASTODON,)) as made,
        Store.open(made.settings) as store,
    ):
        first = made.start(histories_only=True)
        kept = wait_for_a_stretch(store, first)
        first.kill()
        first.join()
        assert first.exitcode == -signal.SIGKILL
        half_way = get_account(store)
        assert half_way.backfill_cursor is not None
        pages_before = count_pages(made)

        second = made.start(histories_only=True)
        second.join(120)
        assert second.exitcode == 0
        account, pages = get_account(store), count_pages(made) - pages_before
        posts = httpx.get(f"{made.url}/_sandbox/posts", params={"platform": "mastodon"}).json()
        with store.read() as session:
            ids = session.scalars(select(Publication.external_id)).all()
        assert sorted(str(name) for name in ids) == sorted(post["external_id"] for post in posts)
        assert account.backfill_finished_at == made.now
        assert account.backfill_posts == len(posts)
        # Not from the start: only the pages that the first had not kept, and the empty one that ends the list.
        left = math.ceil((len(posts) - half_way.backfill_posts) / PAGE)
        assert left <= pages <= left + 1 < len(posts) / PAGE
        assert half_way.backfill_posts >= kept >= STRETCH
    with Lake.open(made.settings, threads=1) as lake:
        rows = lake.query(
            "SELECT count(*) AS n, count(DISTINCT publication_id) AS publications FROM raw.post_snapshots"
        )
    assert rows == [{"n": len(posts), "publications": len(posts)}]


def wait_for_a_stretch(store: Store, process: ForkServerProcess) -> int:
    """Return how many posts are kept as soon as some are, while the process is still reading."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.is_alive():
        if kept := get_account(store).backfill_posts:
            return kept
        time.sleep(0.01)  # polling another process's progress, bounded by the deadline
    raise AssertionError("the process read nothing")


def get_account(store: Store) -> AccountRow:
    with store.read() as session:
        return session.scalars(select(AccountRow)).one()


def count_pages(made: Scene) -> int:
    return int(httpx.get(f"{made.url}/_sandbox/requests").json().get("mastodon:read", 0))
