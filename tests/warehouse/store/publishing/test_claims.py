"""Who gets what when several claim: in turns over the accounts, never the same, never nothing while more is due."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, text, update

from connectors.types import Media, PostContent
from tests.warehouse.conftest import LEASE, NOON, World, connect
from warehouse.store.measuring.measurements import measure_waits
from warehouse.store.models import AccountRow, PlatformLimit, Post, Publication, Workspace
from warehouse.store.publishing import claims, queue_state
from warehouse.store.publishing.claims import (
    claim_due,
    claim_unknown,
    has_work,
    pause_account_until,
    pause_platform_until,
    release_claims,
)
from warehouse.store.publishing.lateness import measure_lateness
from warehouse.store.publishing.ledger import list_events
from warehouse.store.publishing.outcomes import Outcome, begin_sending, record_outcomes
from warehouse.store.publishing.queue_state import StatusCounter, get_oldest_unread, get_queue_state
from warehouse.store.publishing.recovery import (
    expire_leases,
    fail_unusable,
    needs_recovery,
    review_overdue,
    review_unaskable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.store.publishing.claims import ClaimedPublication

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture(params=[(0, 2000), (0, 1), (2000, 2000)], ids=["many due", "many accounts", "few due"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways to find the accounts that have a turn."""
    few_due, walk = request.param
    monkeypatch.setattr(claims, "FEW_DUE", few_due)
    monkeypatch.setattr(claims, "WALK", walk)
    monkeypatch.setattr(claims, "MORE_HEADS", 10)


def add_account(world: World, name: str, due: list[int]) -> None:
    """Connect an account on Bluesky with a post due each of `due` seconds ago."""
    world.accounts[name] = connect(world.store, world.workspace_id, "bluesky", name)
    for seconds in due:
        (publication,) = world.schedule("twitter", text=f"{name} {seconds}", after=-seconds * SECOND)
        with world.store.write() as session:
            session.execute(
                update(Publication)
                .where(Publication.id == publication)
                .values(account_id=world.accounts[name], platform="bluesky", payload_hash=f"{name} {seconds}")
            )


def names(claimed: list[ClaimedPublication]) -> list[str]:
    return [row.content.text for row in claimed]


def claim(
    world: World,
    limit: int,
    owner: str = "a",
    *,
    account_limit: int | None = None,
    full: tuple[str, ...] = (),
) -> list[str]:
    with world.store.write() as session:
        rows = claim_due(
            session, owner=owner, now=world.at, horizon=world.at, limit=limit, lease=LEASE,
            account_limit=account_limit, full=[world.accounts[name] for name in full],
        )  # fmt: skip
    assert [row.due_at for row in rows] == sorted(row.due_at for row in rows)
    return names(rows)


@pytest.mark.usefixtures("ways")
def test_accounts_take_turns_the_longest_waiting_first(world: World) -> None:
    add_account(world, "many", [90, 80, 70, 60, 50])
    add_account(world, "two", [40, 30])
    add_account(world, "one", [20])
    add_account(world, "later", [-1])
    assert claim(world, 2) == ["many 90", "two 40"]
    assert claim(world, 1) == ["many 80"]
    assert claim(world, 4) == ["many 70", "many 60", "two 30", "one 20"]
    assert claim(world, 4) == ["many 50"]
    assert claim(world, 4) == []
    with world.store.read() as session:
        leases = session.execute(select(Publication.status, Publication.lease_until).distinct()).all()
    assert set(leases) == {("claimed", world.at + LEASE), ("scheduled", None)}


@pytest.mark.usefixtures("ways")
def test_turns_follow_the_waiting_time_and_count_only_what_is_planned(world: World) -> None:
    add_account(world, "first", [10, 100])
    add_account(world, "second", [50])
    add_account(world, "third", [60])
    add_account(world, "fourth", [30, 40])
    with world.store.write() as session:  # its oldest is no longer planned
        session.execute(
            update(Publication)
            .where(Publication.due_at == NOON - 100 * SECOND)
            .values(status="unknown", unknown_since=NOON)
        )
    assert claim(world, 1) == ["third 60"]
    assert claim(world, 1) == ["second 50"]
    assert claim(world, 1) == ["fourth 40"]
    assert claim(world, 2) == ["fourth 30", "first 10"]


@pytest.mark.usefixtures("ways")
def test_a_backlog_of_one_account_leaves_room(world: World) -> None:
    add_account(world, "many", [90, 80, 70, 60, 50])
    add_account(world, "one", [20])
    assert claim(world, 5, account_limit=2) == ["many 90", "many 80", "one 20"]
    assert claim(world, 5, full=("many",)) == []
    assert claim(world, 5, full=("one",), account_limit=9) == ["many 70", "many 60", "many 50"]


@pytest.mark.usefixtures("ways")
def test_what_may_not_be_called_is_left_out_of_the_turns(world: World) -> None:
    for number, name in enumerate(("paused", "limited", "revoked", "free")):
        add_account(world, name, [90 - number, 10])
    with world.store.write() as session:
        row = session.get_one(AccountRow, world.accounts["paused"])
        row.paused_at = world.at
        session.get_one(AccountRow, world.accounts["revoked"]).status = "revoked"
        pause_account_until(session, world.accounts["limited"], world.at + SECOND, "429")
    assert claim(world, 3) == ["free 87", "free 10"]
    world.at += SECOND
    assert claim(world, 1) == ["limited 89"]
    with world.store.write() as session:
        pause_platform_until(session, "bluesky", world.at + SECOND, "app limit")
    assert claim(world, 3) == []
    world.at += SECOND
    with world.store.write() as session:
        session.get_one(Workspace, world.workspace_id).publishing_paused_at = world.at
    assert claim(world, 3) == []


@pytest.mark.usefixtures("ways")
def test_those_who_claim_at_once_share_what_is_due(world: World) -> None:
    """On PostgreSQL with open transactions; SQLite has one writer at a time."""
    if world.store.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    add_account(world, "many", list(range(90, 80, -1)))
    add_account(world, "two", [40, 30])
    got: list[list[str]] = []
    with world.store.write() as one, world.store.write() as two, world.store.write() as three:
        for session, owner in ((one, "a"), (two, "b"), (three, "c")):
            rows = claim_due(session, owner=owner, now=world.at, horizon=world.at, limit=4, lease=LEASE)
            got.append(names(rows))
    assert [len(rows) for rows in got] == [4, 4, 4]
    assert got[0] == ["many 90", "many 89", "two 40", "two 30"]
    assert got[1] == ["many 88", "many 87", "many 86", "many 85"]
    assert max(Counter(row for rows in got for row in rows).values()) == 1
    with world.store.read() as session:
        owners = session.execute(select(Publication.lease_owner, Publication.status)).all()
    assert Counter(owners) == {("a", "claimed"): 4, ("b", "claimed"): 4, ("c", "claimed"): 4}


def test_unknown_outcomes_are_shared_by_those_who_look(world: World) -> None:
    if world.store.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    add_account(world, "many", [4, 3, 2, 1])
    with world.store.write() as session:
        session.execute(update(Publication).values(status="unknown", unknown_since=NOON))
    with world.store.write() as one, world.store.write() as two:
        got = [
            names(claim_unknown(session, owner=owner, now=world.at, limit=2, lease=LEASE))
            for session, owner in ((one, "a"), (two, "b"))
        ]
    # The oldest two for the first who asks, in any order: they are looked up side by side.
    assert [sorted(one) for one in got] == [["many 3", "many 4"], ["many 1", "many 2"]]


@pytest.fixture
def statements(world: World) -> Iterator[list[tuple[str, object]]]:
    """What is sent to the database."""
    sent: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        sent.append((statement, parameters))

    engines = {world.store._engine, world.store._writer}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


_OPEN_ONLY = {
    "ix_publications_turn",
    "ix_publications_planned",
    "ix_publications_open",
    "ix_publications_failed_parts",
}
"""Indexes of what is open: reading one from end to end does not read the history."""


def test_no_part_of_a_turn_reads_the_history(world: World, statements: list[tuple[str, object]]) -> None:
    """Claims, housekeeping, /metrics, /readyz and doctor: every read of the large tables has a key or a small index."""
    sent, claimed = world.schedule("twitter", "mastodon")
    world.claim(limit=1)
    with world.store.write() as session:
        claim_due(session, owner="b", now=world.at, horizon=world.at, limit=9, lease=LEASE)
        claims._read_waiting(session, claims._walk_accounts(session, world.at), now=world.at)
        claims._read_waiting(session, claims._select_longest_due(world.at, without=["acct"]), now=world.at)
        begin_sending(session, [sent, claimed], owner="b", now=world.at, lease_until=world.at + LEASE)
        record_outcomes(session, [Outcome(claimed, "retry", next_at=world.at)], owner="b", now=world.at)
        claim_unknown(session, owner="b", now=world.at, limit=9, lease=LEASE)
        release_claims(session, owner="b", now=world.at)
        expire_leases(session, now=world.at + HOUR)
        review_overdue(session, now=world.at + HOUR, max_lateness=SECOND)
        fail_unusable(session, now=world.at)
        review_unaskable(session, now=world.at)
        needs_recovery(session, now=world.at, max_lateness=HOUR)
        has_work(session, now=world.at, horizon=world.at)
        get_queue_state(session, world.at)
        session.execute(queue_state._BY_STATUS.where(Publication.status.in_(queue_state.QUEUE))).all()
        get_oldest_unread(session, world.at)
        measure_lateness(session, world.at)
        measure_waits(session, world.at)
    asked = [one for one in statements if "publications" in one[0] or "publication_attempts" in one[0]]
    asked = [one for one in asked if not one[0].lstrip().startswith("INSERT")]
    assert len(asked) > 20
    whole = [_find_whole_reads(world, statement, parameters) for statement, parameters in asked]
    assert [found for found in whole if found] == []


def _find_whole_reads(world: World, statement: str, parameters: object) -> list[str]:
    """Return the parts of a statement's plan that read a large table, or an index of all its rows, from end to end."""
    with world.store.read() as session:
        connection = session.connection()
        if isinstance(parameters, list):  # many rows at once: the plan of one says all
            parameters = parameters[0]
        if world.store.dialect == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans = [row[-1] for row in rows if "publication" in row[-1]]
            # An update sets it; what it looks for by status is open.
            asks_for_history = "published" in f"{statement} {parameters}" and not statement.startswith(
                "UPDATE"
            )
            return [
                plan
                for plan in plans
                if (plan.startswith("SCAN") and not any(name in plan for name in _OPEN_ONLY))
                or (asks_for_history and "ix_publications_due (status=?)" in plan)
            ]
        # Small tables are read whole in any case: this asks whether there is an index that serves.
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).one()
        return [
            f"{node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')}"
            for node in _walk_plan(plan[0]["Plan"])
            if (
                (node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith("publication"))
                or (
                    node.get("Index Name", "").startswith(
                        ("ix_publication", "pk_publication", "uq_publication")
                    )
                    and "Index Cond" not in node
                    and node["Index Name"] not in _OPEN_ONLY
                )
            )
        ]


def _walk_plan(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _walk_plan(part)


def test_a_long_history_is_counted_apart_and_the_queue_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    counts: list[Callable[[], None]] = []
    counter = StatusCounter(monotonic=lambda: now, start=counts.append)
    monkeypatch.setattr(queue_state, "FIRST_COUNT_AWAITED", timedelta(0))

    def read() -> dict[str, int]:
        with world.store.read() as session:
            return counter.read(session, world.store)

    def put(status: str) -> None:
        (publication,) = world.schedule("twitter", text=f"{status} {now} {read()}")
        with world.store.write() as session:
            session.execute(update(Publication).where(Publication.id == publication).values(status=status))

    assert read() == {}
    for status in ("published", "failed", "canceled", "needs_review", "scheduled"):
        put(status)
    # A short history is counted each time.
    assert read() == dict.fromkeys(("published", "failed", "canceled", "needs_review", "scheduled"), 1)
    monkeypatch.setattr(queue_state, "HISTORY_REMEMBERED_FROM", 2)
    # The first count of a long history is still running: no number is shown yet, and no second count starts.
    assert (read(), read(), len(counts)) == (*[{"needs_review": 1, "scheduled": 1}] * 2, 1)
    counts.pop()()
    assert read()["published"] == 1
    put("published")
    put("scheduled")
    now = 599.0
    assert (read()["published"], read()["scheduled"], counts) == (1, 2, [])
    now = 600.0
    assert (read()["published"], len(counts)) == (1, 1)
    counts.pop()()
    assert read()["published"] == 2


def test_a_history_that_cannot_be_counted_is_counted_at_the_next_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_state, "HISTORY_REMEMBERED_FROM", 0)
    world.schedule("twitter", "mastodon")
    counts: list[Callable[[], None]] = []
    counter = StatusCounter(monotonic=lambda: 0.0, start=counts.append)
    monkeypatch.setattr(queue_state, "FIRST_COUNT_AWAITED", timedelta(0))
    with world.store.write() as session:
        session.execute(update(Publication).values(status="published"))
        with world.store.read() as reader:
            assert counter.read(reader, world.store) == {"scheduled": 2}
    with world.store.read() as session:
        assert counter.read(session, world.store) == {}
        monkeypatch.setattr(world.store, "read", lambda: 1 / 0)
        counts.pop()()
        monkeypatch.undo()
        monkeypatch.setattr(queue_state, "HISTORY_REMEMBERED_FROM", 0)
        assert counter.read(session, world.store) == {}
        counts.pop()()
        assert counter.read(session, world.store) == {"published": 2}


def test_an_index_holds_what_is_open_and_nothing_else(world: World) -> None:
    if world.store.dialect == "postgresql":
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'publications'"
    else:
        query = "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'publications' AND type = 'index'"
    with world.store.read() as session:
        made = {name: str(sql) for name, sql in session.execute(text(query))}
    assert "scheduled" in made["ix_publications_turn"].split("WHERE")[1]
    assert all(status in made["ix_publications_open"].split("WHERE")[1] for status in ("claimed", "sending"))


def test_an_outcome_is_looked_up_when_it_is_due_whoever_paused_sending(world: World) -> None:
    add_account(world, "one", [0])
    with world.store.write() as session:
        session.execute(
            update(Publication).values(
                status="unknown",
                unknown_since=NOON,
                attempts=1,
                first_attempt_at=NOON - SECOND,
                due_at=NOON + SECOND,
            )
        )
        session.get_one(AccountRow, world.accounts["one"]).paused_at = NOON
        session.get_one(Workspace, world.workspace_id).publishing_paused_at = NOON
        pause_platform_until(session, "mastodon", NOON + HOUR, "another platform's limit")

    def look() -> list[ClaimedPublication]:
        with world.store.read() as session:
            expected = has_work(session, now=world.at, horizon=world.at + HOUR)
        with world.store.write() as session:
            found = claim_unknown(session, owner="a", now=world.at, limit=5, lease=LEASE)
        assert expected == bool(found)
        return found

    assert look() == []
    world.at += SECOND
    with world.store.write() as session:
        pause_platform_until(session, "bluesky", world.at + SECOND, "app limit")
    assert look() == []
    world.at += SECOND
    (found,) = look()
    assert (found.first_attempt_at, found.unknown_since, found.attempts) == (NOON - SECOND, NOON, 1)
    assert (found.status, found.scheduled_at, found.due_at) == ("unknown", NOON, NOON + SECOND)
    assert look() == []


def test_a_released_claim_is_as_it_was_and_says_why(world: World) -> None:
    add_account(world, "two", [2, 1])
    with world.store.write() as session:
        rows = claim_due(session, owner="a", now=world.at, horizon=world.at, limit=5, lease=LEASE)
    with world.store.write() as session:
        release_claims(session, owner="b", now=world.at)
        release_claims(session, owner="a", now=world.at, ids=[rows[0].id], reason="the disk is full")
        release_claims(session, owner="a", now=world.at, ids=[rows[1].id])
    with world.store.read() as session:
        states = session.execute(
            select(
                Publication.status, Publication.lease_owner, Publication.lease_until, Publication.reason
            ).order_by(Publication.due_at)
        ).all()
        last = [list_events(session, row.id)[-1] for row in rows]
    assert states == [("scheduled", None, None, "the disk is full"), ("scheduled", None, None, None)]
    assert [(one.event, one.owner, one.detail) for one in last] == [
        ("released", "a", {"message": "the disk is full"}),
        ("released", "a", {}),
    ]


def test_the_longest_pause_of_an_account_counts(world: World) -> None:
    seen = []
    for seconds in (10, 5, 20):
        with world.store.write() as session:
            pause_account_until(session, world.accounts["twitter"], NOON + seconds * SECOND, f"{seconds} s")
        with world.store.read() as session:
            row = session.get_one(AccountRow, world.accounts["twitter"])
            other = session.get_one(AccountRow, world.accounts["mastodon"])
            seen.append((row.rate_limited_until, row.rate_limit_reason, other.rate_limited_until))
    assert seen == [
        (NOON + 10 * SECOND, "10 s", None),
        (NOON + 10 * SECOND, "10 s", None),
        (NOON + 20 * SECOND, "20 s", None),
    ]


def test_the_longest_pause_of_a_platform_counts(world: World) -> None:
    seen = []
    for seconds in (10, 5, 20):
        with world.store.write() as session:
            pause_platform_until(session, "twitter", NOON + seconds * SECOND, f"{seconds} s")
        with world.store.read() as session:
            seen += [
                (row.platform, row.paused_until, row.reason) for row in session.scalars(select(PlatformLimit))
            ]
    assert seen == [("twitter", NOON + seconds * SECOND, f"{seconds} s") for seconds in (10, 10, 20)]


def test_a_claim_carries_what_was_approved(world: World) -> None:
    add_account(world, "two", [2, 1])
    media = PostContent(text="two 2", media=(Media(url="https://cdn.example/a.png"),))
    with world.store.write() as session:
        row = session.scalars(select(Publication).order_by(Publication.due_at).limit(1)).one()
        row.content = media.model_dump(mode="json")
        session.get_one(Post, row.post_id).approved_media = {"https://cdn.example/a.png": "ab12"}
        plain = session.scalars(select(Publication).where(Publication.id != row.id)).one()
        session.get_one(Post, plain.post_id).approved_media = {"https://cdn.example/b.png": "cd34"}
    with world.store.write() as session:
        rows = claim_due(session, owner="a", now=world.at, horizon=world.at, limit=5, lease=LEASE)
    assert [dict(one.approved_media) for one in rows] == [{"https://cdn.example/a.png": "ab12"}, {}]
    assert rows[0].content == media
