"""Workers share pieces of work: none is given twice, and those of a dead worker are given again."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

from warehouse.store.leases.work_leases import (
    forget_expired_work,
    list_work,
    release_work,
    renew_work,
    take_work,
)

if TYPE_CHECKING:
    from warehouse.store.database import Store

LONG, OVER = timedelta(hours=1), timedelta(seconds=-1)
ITEMS = [f"acct_{number:03}" for number in range(60)]


def take(store: Store, owner: str, *items: str, lease: timedelta = LONG, limit: int = 100) -> list[str]:
    with store.write() as session:
        return take_work(session, "reading", items, owner=owner, lease=lease, limit=limit)


def test_many_workers_at_once_get_each_item_once_and_none_is_left(any_store: Store) -> None:
    def work(owner: str) -> list[str]:
        got: list[str] = []
        while share := take(any_store, owner, *ITEMS, limit=5):
            got += share
        return got

    with ThreadPoolExecutor(4) as threads:
        shares = list(threads.map(work, "abcd"))
    assert Counter(item for share in shares for item in share) == dict.fromkeys(ITEMS, 1)


def test_a_share_is_the_first_free_items_in_order(any_store: Store) -> None:
    assert take(any_store, "a", "y", "b", "m", limit=2) == ["y", "b"]
    assert take(any_store, "b", "y", "b", "m", "a", limit=2) == ["m", "a"]
    assert take(any_store, "a", "y", "b") == []


def test_what_a_dead_worker_had_is_given_again_and_it_cannot_take_it_back(any_store: Store) -> None:
    assert take(any_store, "dead", "x", "y", lease=OVER) == ["x", "y"]
    assert take(any_store, "b", "x") == ["x"]
    with any_store.write() as session:
        assert renew_work(session, "dead", LONG) == 1, "only what nobody has taken"
        assert renew_work(session, "b", LONG) == 1
        release_work(session, "dead", "reading", ["x", "y"])
        assert [row.owner for row in list_work(session, "reading")] == ["b"]


def test_kinds_are_apart_and_released_or_forgotten_leases_are_gone(any_store: Store) -> None:
    assert take(any_store, "a", "x") == ["x"]
    with any_store.write() as session:
        assert take_work(session, "other", ["x"], owner="b", lease=OVER, limit=1) == ["x"]
        forget_expired_work(session, timedelta(hours=1))
        assert renew_work(session, "b", OVER) == 1, "expired a moment ago: still there"
        forget_expired_work(session, timedelta(0))
        assert renew_work(session, "b", LONG) == 0
        release_work(session, "a")
    assert take(any_store, "b", "x") == ["x"]
