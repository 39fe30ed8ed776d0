"""The ledger's chain covers every column, and a claim's lease runs from its due time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from tests.warehouse.conftest import LEASE, NOON, World
from warehouse.store.models import Publication, PublicationAttempt
from warehouse.store.publishing.ledger import LedgerEvent, append_events, list_events, verify_ledger
from warehouse.store.publishing.outcomes import Outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SECOND = timedelta(seconds=1)


@pytest.fixture
def sent(world: World) -> str:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "published", receipt=world.receipt("7")))
    return publication


def tamper(world: World, publication: str, seq: int, name: str, value: object) -> list[str]:
    with world.store.write() as session:
        setattr(find(session, publication, seq), name, value)
        session.flush()
        problems = verify_ledger(session, publication)
        session.rollback()
    return problems


def find(session: Session, publication: str, seq: int) -> PublicationAttempt:
    query = select(PublicationAttempt).where(
        PublicationAttempt.publication_id == publication, PublicationAttempt.seq == seq
    )
    return session.scalars(query).one()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempt", 9),
        ("event", "failed"),
        ("at", NOON + SECOND),
        ("payload_hash", "0" * 64),
        ("owner", "another"),
        ("detail", {"external_id": "8"}),
        ("prev_hash", "0" * 64),
        ("hash", "0" * 64),
    ],
)
def test_no_column_can_be_changed_unseen(world: World, sent: str, name: str, value: Any) -> None:
    with world.store.read() as session:
        assert verify_ledger(session, sent) == []
        rows = len(list_events(session, sent))
    assert rows == 4
    for seq in range(1, rows + 1):
        with world.store.read() as session:
            present = getattr(find(session, sent, seq), name)
        if present != value:
            assert tamper(world, sent, seq, name, value), f"{name} of row {seq}"


def test_a_row_that_is_missing_or_cut_off_shows(world: World, sent: str) -> None:
    for seq, words in ((1, "row 1 is missing"), (2, "row 2 is missing"), (4, "3 rows are there")):
        with world.store.write() as session:
            session.delete(find(session, sent, seq))
            session.flush()
            assert words in verify_ledger(session, sent)[0]
            session.rollback()


@pytest.mark.parametrize(("name", "value"), [("ledger_rows", 5), ("ledger_hash", "0" * 64)])
def test_a_publication_that_counts_otherwise_shows(world: World, sent: str, name: str, value: Any) -> None:
    with world.store.write() as session:
        setattr(session.get_one(Publication, sent), name, value)
        session.flush()
        assert "4 rows are there" in verify_ledger(session, sent)[0]
        session.rollback()


def test_the_chain_tells_who_did_what_in_which_attempt(world: World, sent: str) -> None:
    with world.store.read() as session:
        events = list_events(session, sent)
        row = session.get_one(Publication, sent)
    assert [(event.seq, event.event, event.attempt, event.owner) for event in events] == [
        (1, "scheduled", 0, None),
        (2, "claimed", 0, "a"),
        (3, "sending", 1, "a"),
        (4, "published", 1, "a"),
    ]
    assert [event.at for event in events] == [NOON] * 4
    assert {event.payload_hash for event in events} == {row.payload_hash}
    assert {event.workspace_id for event in events} == {world.workspace_id}
    assert [event.prev_hash for event in events] == ["", *(event.hash for event in events[:-1])]
    assert (row.ledger_rows, row.ledger_hash) == (4, events[-1].hash)


def test_nothing_to_append_appends_nothing(world: World, sent: str) -> None:
    with world.store.write() as session:
        append_events(session, [], now=world.at)
        append_events(session, [LedgerEvent(sent, "edited", {"why": "é"})], now=world.at + SECOND, owner="b")
        assert verify_ledger(session, sent) == []
        last = list_events(session, sent)[-1]
    assert (last.event, last.detail, last.owner, last.at) == ("edited", {"why": "é"}, "b", NOON + SECOND)


def test_a_lease_runs_from_the_due_time(world: World) -> None:
    (soon,) = world.schedule("twitter", after=timedelta(seconds=8))
    world.claim(ahead=timedelta(seconds=10))
    lease_until = world.get(soon).lease_until
    assert lease_until is not None
    assert lease_until >= NOON + timedelta(seconds=8) + LEASE, "it must not expire before it is sent"
    assert lease_until <= NOON + timedelta(seconds=10) + LEASE, "a dead publisher is not waited for longer"


def test_a_lease_of_what_is_overdue_runs_from_now(world: World) -> None:
    (late,) = world.schedule("twitter")
    world.at += timedelta(minutes=5)
    with world.store.write() as session:
        from warehouse.store.publishing.claims import claim_due  # noqa: PLC0415 (an older horizon, on purpose)

        claim_due(session, owner="a", now=world.at, horizon=NOON, limit=1, lease=LEASE)
    assert world.get(late).lease_until == world.at + LEASE
