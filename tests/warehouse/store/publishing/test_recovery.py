"""Housekeeping moves exactly what nobody can continue, says why, and leaves everything else as it was. On SQLite."""

from __future__ import annotations

import shutil
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from tests.warehouse.conftest import NOON, World, connect
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.publishing import recovery
from warehouse.store.publishing.ledger import list_events, verify_ledger
from warehouse.store.publishing.recovery import (
    fail_unusable,
    needs_recovery,
    review_overdue,
    review_unaskable,
)
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

HOUR = timedelta(hours=1)
STATUSES = (
    "draft",
    "scheduled",
    "claimed",
    "sending",
    "unknown",
    "published",
    "failed",
    "needs_review",
    "canceled",
)


@pytest.fixture
def world(tmp_path: Path, migrated_home: Path) -> Iterator[World]:
    shutil.copytree(migrated_home, tmp_path / "home", dirs_exist_ok=True)
    with Store.open(WarehouseSettings(home=tmp_path / "home")) as store:
        with store.write() as session:
            made = World(store, ensure_default_workspace(session, NOON).id)
        for platform in ("twitter", "mastodon", "bluesky"):
            made.accounts[platform] = connect(store, made.workspace_id, platform, f"{platform}-user")
        yield made


def put(world: World, platform: str, status: str, *, age: timedelta = timedelta(0), **values: Any) -> str:
    """One publication in this status, due and to be published `age` ago."""
    (publication,) = world.schedule(platform, text=f"{status} {age} {values}")
    held = {"lease_owner": "a", "lease_until": world.at + HOUR} if status in {"claimed", "sending"} else {}
    times = {"scheduled_at": world.at - age, "due_at": world.at - age}
    with world.store.write() as session:
        session.execute(
            update(Publication)
            .where(Publication.id == publication)
            .values(status=status, updated_at=NOON, **(times | held | values))
        )
    return publication


def set_account(world: World, platform: str, status: str, reason: str | None = None) -> None:
    with world.store.write() as session:
        session.execute(
            update(AccountRow)
            .where(AccountRow.id == world.accounts[platform])
            .values(status=status, status_reason=reason)
        )


def states(world: World) -> dict[str, tuple[Any, ...]]:
    with world.store.read() as session:
        rows = session.scalars(select(Publication)).all()
        assert [problem for row in rows for problem in verify_ledger(session, row.id)] == []
        return {row.id: (row.status, row.reason_code, row.reason, row.updated_at) for row in rows}


def keep_house(world: World, step: Callable[[Session], int]) -> tuple[int, dict[str, tuple[Any, ...]]]:
    """Run one step; return its count and the new states of the rows that it changed."""
    before = states(world)
    with world.store.write() as session:
        count = step(session)
    after = states(world)
    return count, {row: state for row, state in after.items() if state != before[row]}


def is_needed(world: World) -> bool:
    with world.store.read() as session:
        return needs_recovery(session, now=world.at, max_lateness=HOUR)


def last_event(world: World, publication: str) -> tuple[str, Any]:
    with world.store.read() as session:
        event = list_events(session, publication)[-1]
        return event.event, event.detail


def post_statuses(world: World, publications: list[str]) -> set[tuple[str, Any]]:
    with world.store.read() as session:
        rows = (session.get_one(Post, session.get_one(Publication, one).post_id) for one in publications)
        return {(row.status, row.updated_at) for row in rows}


def listen(world: World) -> None:
    with world.store.write() as session:
        create_endpoint(
            session, world.store.cipher, world.workspace_id, url="https://hooks.example/all", now=NOON,
            events=["post.failed", "post.needs_review"],
        )  # fmt: skip


def announced(world: World) -> list[tuple[str, Any]]:
    with world.store.read() as session:
        return [(row.type, row.created_at) for row in session.scalars(select(WebhookEvent))]


def test_it_is_needed_for_what_no_publisher_can_continue_and_only_then(world: World) -> None:
    needed = set()
    for status in STATUSES:
        publication = put(world, "twitter", status)
        for account in ("active", "revoked"):
            set_account(world, "twitter", account)
            if is_needed(world):
                needed.add((status, account))
        with world.store.write() as session:
            session.execute(
                update(Publication).where(Publication.id == publication).values(status="canceled")
            )
    assert needed == {("scheduled", "revoked"), ("unknown", "revoked")}


def test_it_is_needed_for_what_is_due_on_an_unusable_account_not_for_what_is_due_later_or_elsewhere(
    world: World,
) -> None:
    set_account(world, "twitter", "revoked")
    put(world, "twitter", "scheduled", age=-timedelta(seconds=1))
    put(world, "mastodon", "scheduled")
    put(world, "mastodon", "unknown")
    assert not is_needed(world)
    put(world, "mastodon", "scheduled", age=HOUR)
    assert not is_needed(world)
    put(world, "mastodon", "scheduled", age=HOUR + timedelta(seconds=1))
    assert is_needed(world)


def test_what_is_due_on_an_unusable_account_fails_with_the_accounts_reason(world: World) -> None:
    listen(world)
    set_account(world, "twitter", "revoked", "the password was changed")
    set_account(world, "bluesky", "disconnected")
    for status in STATUSES:
        if status != "scheduled":
            put(world, "twitter", status)
    put(world, "twitter", "scheduled", age=-timedelta(seconds=1))
    put(world, "mastodon", "scheduled")
    due = [
        put(world, "twitter", "scheduled"),
        put(world, "twitter", "scheduled", age=HOUR),
        put(world, "bluesky", "scheduled"),
    ]
    world.at += timedelta(milliseconds=1)
    count, changed = keep_house(world, lambda session: fail_unusable(session, now=world.at))
    revoked = "the account twitter-user is revoked: the password was changed; connect it again"
    gone = "the account bluesky-user is disconnected; connect it again"
    assert count == 3
    assert changed == {
        due[0]: ("failed", "account_revoked", revoked, world.at),
        due[1]: ("failed", "account_revoked", revoked, world.at),
        due[2]: ("failed", "account_disconnected", gone, world.at),
    }
    assert [last_event(world, one) for one in due] == [
        ("failed", {"message": revoked}),
        ("failed", {"message": revoked}),
        ("failed", {"message": gone}),
    ]
    assert post_statuses(world, due) == {("failed", world.at)}
    assert announced(world) == [("post.failed", world.at)] * 3
    assert keep_house(world, lambda session: fail_unusable(session, now=world.at)) == (0, {})


def test_an_unknown_outcome_on_an_unusable_account_waits_for_a_person(world: World) -> None:
    listen(world)
    set_account(world, "twitter", "revoked")
    for status in STATUSES:
        if status != "unknown":
            put(world, "twitter", status)
    put(world, "mastodon", "unknown")
    stuck = [put(world, "twitter", "unknown"), put(world, "twitter", "unknown", age=-HOUR)]
    world.at += timedelta(milliseconds=1)
    count, changed = keep_house(world, lambda session: review_unaskable(session, now=world.at))
    message = (
        "it may be published, but the account's token no longer works, so the platform cannot be queried: look there, "
        "then resolve it (published, send or discard)"
    )
    assert count == 2
    assert changed == dict.fromkeys(stuck, ("needs_review", "cannot_find_out", message, world.at))
    assert {last_event(world, one)[0] for one in stuck} == {"needs_review"}
    assert {last_event(world, one)[1]["message"] for one in stuck} == {message}
    assert post_statuses(world, stuck) == {("publishing", world.at)}
    assert announced(world) == [("post.needs_review", world.at)] * 2


def test_what_is_too_late_waits_for_a_person_oldest_first_and_says_what_held_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status in STATUSES:
        if status != "scheduled":
            put(world, "twitter", status, age=2 * HOUR)
    put(world, "twitter", "scheduled", age=HOUR)
    put(world, "twitter", "scheduled", age=2 * HOUR, due_at=None)
    late = put(world, "twitter", "scheduled", age=2 * HOUR)
    # A retry has moved when it is due, not when it was to be out.
    later = put(world, "twitter", "scheduled", age=3 * HOUR, due_at=world.at, reason="HTTP 503")
    monkeypatch.setattr(recovery, "BATCH", 1)

    def review(session: Session) -> int:
        return review_overdue(session, now=world.at, max_lateness=HOUR)

    message = "not sent within 1 h of its time (SOCIALFLOW_MAX_LATENESS): send it now, set a new time, or discard it"
    reason = f"{message}. Before that: HTTP 503"
    assert keep_house(world, review) == (1, {later: ("needs_review", "too_late", reason, world.at)})
    assert last_event(world, later) == ("needs_review", {"message": reason})
    assert keep_house(world, review) == (1, {late: ("needs_review", "too_late", message, world.at)})
    assert keep_house(world, review) == (0, {})


def test_an_old_lease_says_nothing_of_what_is_neither_claimed_nor_sent(world: World) -> None:
    for status in STATUSES:
        if status not in {"claimed", "sending"}:
            put(world, "twitter", status, lease_owner="a", lease_until=NOON)
    assert not is_needed(world)
    assert keep_house(world, lambda session: sum(recovery.expire_leases(session, now=world.at).values())) == (
        0,
        {},
    )


def test_a_later_part_is_too_late_by_its_own_time(world: World) -> None:
    """Its post went out long ago: only the time of the part counts, and only once it may be sent."""
    rest = {"rest": "waiting", "age": 9 * HOUR}
    put(world, "twitter", "published", rest_at=world.at - HOUR, due_at=world.at, **rest)
    put(world, "twitter", "published", rest_at=world.at - 2 * HOUR, due_at=world.at + HOUR, **rest)
    put(
        world, "twitter", "published", rest_at=world.at - 2 * HOUR, due_at=world.at, rest="canceled", age=HOUR
    )
    put(world, "twitter", "claimed", rest_at=world.at - 2 * HOUR, due_at=world.at, **rest)
    put(world, "twitter", "scheduled", rest_at=world.at - 2 * HOUR, due_at=world.at)
    late = {
        put(world, "twitter", "published", rest_at=world.at - 2 * HOUR, due_at=world.at, **rest),
        put(world, "mastodon", "published", rest_at=world.at - 3 * HOUR, due_at=world.at, **rest),
    }
    count, changed = keep_house(
        world, lambda session: review_overdue(session, now=world.at, max_lateness=HOUR)
    )
    assert (count, set(changed)) == (2, late)
    assert {state[0] for state in changed.values()} == {"needs_review"}
    assert {last_event(world, one)[0] for one in late} == {"needs_review"}


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (1, "1 min"), (90, "90 min"), (60, "1 h"), (1440, "24 h")]
)
def test_a_limit_is_named_in_whole_hours_or_in_minutes(minutes: int, words: str) -> None:
    assert recovery._words(timedelta(minutes=minutes)) == words


def test_one_run_of_housekeeping_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "BATCH", 2)
    for platform in ("twitter", "bluesky"):
        set_account(world, platform, "revoked")
        for status in ("scheduled", "unknown"):
            for age in range(2):
                put(world, platform, status, age=timedelta(seconds=age))
    steps: tuple[Callable[..., int], ...] = (fail_unusable, review_unaskable)
    for step in steps:
        counts = [keep_house(world, partial(step, now=world.at))[0] for _ in range(3)]
        assert counts == [2, 2, 0]


def test_what_a_dead_publisher_held_is_free_or_unknown_and_says_so(world: World) -> None:
    claimed = put(world, "twitter", "claimed", lease_until=NOON)
    sending = put(world, "mastodon", "sending", lease_until=NOON)
    put(world, "bluesky", "sending")
    put(world, "bluesky", "claimed")
    world.at += timedelta(milliseconds=1)
    assert is_needed(world)
    count, changed = keep_house(
        world, lambda session: sum(recovery.expire_leases(session, now=world.at).values())
    )
    message = "the publisher ended while sending: it may be published; the platform will be queried"
    assert (count, changed) == (
        2,
        {
            claimed: ("scheduled", None, None, world.at),
            sending: ("unknown", "publisher_died", message, world.at),
        },
    )
    free = "the publisher that had claimed it ended before sending"
    assert last_event(world, claimed) == ("released", {"message": free})
    assert last_event(world, sending) == ("unknown", {"message": message})
    with world.store.read() as session:
        row = session.get_one(Publication, sending)
        assert (row.unknown_since, row.due_at, row.lease_owner, row.lease_until) == (
            world.at,
            world.at,
            None,
            None,
        )
    assert not is_needed(world)
