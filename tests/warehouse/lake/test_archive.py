"""Ledgers of old publications: moved whole or not at all, never of an open one, and read as before."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from warehouse.errors import ConflictError, SetupError
from warehouse.lake import archive
from warehouse.lake.archive import archive_events, read_ledgers
from warehouse.planning.news import newest_ledger_id
from warehouse.store.models import Publication, PublicationAttempt
from warehouse.store.publishing.ledger import append_event, check_ledger
from warehouse.store.publishing.outcomes import Outcome

if TYPE_CHECKING:
    from tests.warehouse.conftest import World
    from warehouse.lake.connect import Lake

DAY = timedelta(days=1)


def publish(world: World, text: str) -> str:
    (publication,) = world.schedule("twitter", text=text)
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "published", receipt=world.receipt(text)))
    return publication


def tell(world: World, lake: Lake, publication: str) -> tuple[list[tuple[object, ...]], list[str], int]:
    """Return the events as readers get them, what is wrong with them, and how many are in the store."""
    with world.store.read() as session:
        row = session.get_one(Publication, publication)
        events = read_ledgers(session, [row], lambda: nullcontext(lake))[publication]
        query = select(func.count()).where(PublicationAttempt.publication_id == publication)
        return (
            [(one.seq, one.attempt, one.event, one.at, one.owner, one.detail) for one in events],
            check_ledger(row, events),
            session.scalar(query) or 0,
        )


def test_a_ledger_moves_once_and_reads_as_before(world: World, lake: Lake) -> None:
    old = [publish(world, "one"), publish(world, "two")]
    begun = world.at
    before = {key: tell(world, lake, key) for key in old}
    world.at += DAY
    recent = publish(world, "three")
    # A crash after the copy leaves both: it is not copied again.
    with world.store.read() as session:
        archive._copy(
            lake, list(session.scalars(select(PublicationAttempt).filter_by(publication_id=old[0])))
        )
    report = archive_events(world.store, lake, before=begun + DAY / 2)
    assert (report.publications, report.events, report.damaged) == (2, 8, 0)
    for key in old:
        assert tell(world, lake, key) == (*before[key][:2], 0)
    assert tell(world, lake, recent)[2] == 4
    (stored,) = lake.query(
        "SELECT count(*) AS n, count(DISTINCT (publication_id, seq)) AS k FROM raw.publication_events"
    )
    assert stored == {"n": 8, "k": 8}
    assert archive_events(world.store, lake, before=begun + DAY / 2).events == 0
    # What happens later continues the ledger in the store, and moves in its turn.
    with world.store.write() as session:
        append_event(session, old[0], "unpublished", now=world.at)
    publish(world, "newest")
    events, problems, kept = tell(world, lake, old[0])
    assert ([one[0] for one in events], problems, kept) == ([1, 2, 3, 4, 5], [], 1)
    assert archive_events(world.store, lake, before=world.at + DAY).events == 5
    assert tell(world, lake, old[0]) == (events, [], 0)


def test_numbers_of_events_are_not_given_twice(world: World, lake: Lake) -> None:
    """Whoever continues after a number, such as notifications, misses nothing after a long silence."""

    def newest() -> int:
        with world.store.read() as session:
            return newest_ledger_id(session)

    publish(world, "one")
    last = publish(world, "two")
    number = newest()
    assert archive_events(world.store, lake, before=world.at + DAY).events == 4
    assert (newest(), tell(world, lake, last)[2]) == (number, 4)
    publish(world, "three")
    assert newest() == number + 4
    assert archive_events(world.store, lake, before=world.at + DAY).events == 4
    assert tell(world, lake, last)[1:] == ([], 0)


def test_what_is_open_stays(world: World, lake: Lake) -> None:
    changes: dict[str, dict[str, object]] = {
        "scheduled": {"status": "scheduled"},
        "unknown": {"status": "unknown", "unknown_since": world.at},
        "review": {"status": "needs_review"},
        "later": {"rest": "waiting", "rest_at": world.at},
        "refused": {"rest": "failed"},
        "edited": {"edit": {"state": "unknown"}},
        "changed": {"updated_at": world.at + 2 * DAY},
    }
    with_change = {publish(world, text): change for text, change in changes.items()}
    damaged = publish(world, "damaged")
    publish(world, "newest")
    with world.store.write() as session:
        for key, change in with_change.items():
            session.execute(update(Publication).where(Publication.id == key).values(**change))
        session.execute(update(PublicationAttempt).filter_by(publication_id=damaged, seq=2).values(owner="x"))
    report = archive_events(world.store, lake, before=world.at + DAY)
    assert (report.publications, report.events, report.damaged) == (0, 0, 1)
    assert {tell(world, lake, key)[2] for key in (*with_change, damaged)} == {4}


def test_nothing_is_removed_before_the_lake_holds_it(world: World, lake: Lake) -> None:
    first, second = publish(world, "one"), publish(world, "two")
    with world.store.read() as session:
        archive._copy(lake, list(session.scalars(select(PublicationAttempt).filter_by(publication_id=first))))
    with lake.write() as cursor:
        cursor.execute("UPDATE raw.publication_events SET detail = '{}' WHERE seq = 4")
    with pytest.raises(ConflictError, match="row 4 was changed"):
        archive_events(world.store, lake, before=world.at + DAY)
    assert [tell(world, lake, key)[1:] for key in (first, second)] == [([], 4), ([], 4)]
    # Changed between the comparison and the removal: it stays.
    with world.store.read() as session:
        read = session.get_one(Publication, second)
    with world.store.write() as session:
        append_event(session, second, "unpublished", now=world.at)
    assert archive._remove(world.store, {second: read}) == set()
    assert tell(world, lake, second)[1:] == ([], 5)


def test_a_lake_that_cannot_be_read_is_told(world: World, lake: Lake) -> None:
    publication = publish(world, "one")
    publish(world, "newest")
    archive_events(world.store, lake, before=world.at + DAY)

    def refuse() -> nullcontext[Lake]:
        raise SetupError("there is no lake")

    with world.store.read() as session:
        row = session.get_one(Publication, publication)
        events = read_ledgers(session, [row], refuse)[publication]
    assert (events, check_ledger(row, events)) == ([], ["0 rows are there, the publication counted 4"])


def test_blocks_continue_where_the_last_one_ended(
    world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BLOCK", 3)
    kept = publish(world, "open")
    with world.store.write() as session:
        session.execute(update(Publication).filter_by(id=kept).values(status="unknown"))
    moved = [publish(world, text) for text in ("one", "two")]
    publish(world, "newest")
    assert archive_events(world.store, lake, before=world.at + DAY).events == 8
    assert [tell(world, lake, key)[2] for key in (kept, *moved)] == [4, 0, 0]
