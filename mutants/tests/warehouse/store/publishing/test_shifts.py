"""Publishers relieve each other in the order of the store, whatever their clocks say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from tests.warehouse.store.conftest import NOON
from warehouse.store.publishing.shifts import KEPT, PublisherShift, begin_shift, end_shift, is_relieved

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.database import Store


def begin(store: Store, owner: str, at: datetime = NOON) -> int:
    with store.write() as session:
        return begin_shift(session, owner, at)


def relieved(store: Store, shift: int) -> bool:
    with store.read() as session:
        return is_relieved(session, shift)


def test_a_later_shift_relieves_an_earlier_one_though_its_clock_is_behind(any_store: Store) -> None:
    first = begin(any_store, "one")
    assert not relieved(any_store, first)
    second = begin(any_store, "two", NOON - timedelta(minutes=5))
    assert relieved(any_store, first)
    assert not relieved(any_store, second)


def test_an_ended_shifts_number_is_never_given_again(any_store: Store) -> None:
    first = begin(any_store, "one")
    second = begin(any_store, "two")
    with any_store.write() as session:
        end_shift(session, second)
    assert not relieved(any_store, first)
    assert begin(any_store, "three") > second
    assert relieved(any_store, first)


def test_shifts_of_dead_publishers_are_forgotten_after_a_day(any_store: Store) -> None:
    begin(any_store, "dead")
    begin(any_store, "alive", NOON + KEPT + timedelta(seconds=1))
    with any_store.read() as session:
        assert list(session.scalars(select(PublisherShift.owner))) == ["alive"]
