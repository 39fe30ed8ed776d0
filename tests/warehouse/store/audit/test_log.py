from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from warehouse.errors import InvalidInputError
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.audit.failures import MOST_BUCKETS, FailureCounter
from warehouse.store.audit.log import list_entries, record

if TYPE_CHECKING:
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def add_entry(store: Store) -> str:
    with store.write() as session:
        workspace = ensure_default_workspace(session, NOW)
        record(session, "account_paused", workspace.id, NOW, "acct_1")
        return workspace.id


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"])
def test_the_database_refuses_to_change_or_delete_an_entry(any_store: Store, statement: str) -> None:
    workspace_id = add_entry(any_store)
    with pytest.raises(DatabaseError, match="append-only"), any_store.write() as session:
        session.execute(text(statement))
    with any_store.read() as session:
        assert [row.action for row in list_entries(session, workspace_id)] == ["account_paused"]


def test_an_unknown_action_is_refused(any_store: Store) -> None:
    workspace_id = add_entry(any_store)
    with any_store.read() as session, pytest.raises(InvalidInputError, match="use one of"):
        list_entries(session, workspace_id, action="party")


def test_failures_of_one_minute_make_few_entries() -> None:
    counter = FailureCounter()
    due = [counter.count("key_1", "192.0.2.1", NOW) for _ in range(12_345)]
    assert [one[2] for one in due if one] == [1, 10, 100, 1000, 10_000]
    assert counter.count("key_1", "192.0.2.1", NOW + timedelta(minutes=1)) == ("key_1", "192.0.2.1", 1)


def test_many_addresses_make_a_bounded_number_of_entries() -> None:
    counter = FailureCounter()
    due = [counter.count("unknown", f"2001:db8::{number:x}", NOW) for number in range(5000)]
    rows = [one for one in due if one]
    assert len(rows) == MOST_BUCKETS + 4
    assert rows[-1] == ("", "", 1000)
