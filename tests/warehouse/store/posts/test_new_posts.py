"""A new post is written without being read back: what is handed out must be what the database holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from connectors.types import PostContent
from warehouse.errors import ConflictError
from warehouse.store.access.workspaces import update_workspace
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.models import AccountRow, Base, Post
from warehouse.store.posts.posts import PostDraft, Target, create_post_and_publications
from warehouse.store.publishing.ledger import list_events, verify_ledger

if TYPE_CHECKING:
    from conftest import World

    from warehouse.store.models import Publication

HOUR = timedelta(hours=1)


def make(world: World, *, text: str = "hello", is_draft: bool = False) -> tuple[Post, list[Publication]]:
    with world.store.write() as session:
        accounts = list_target_accounts(
            session, world.workspace_id, account_ids=list(world.accounts.values())
        )
        targets = [Target(account, PostContent(text=text)) for account in accounts]
        draft = PostDraft(text, targets, None if is_draft else world.at + HOUR, is_draft=is_draft)
        return create_post_and_publications(session, world.workspace_id, draft, world.at)


def columns(row: Base) -> dict[str, Any]:
    # From the object's own memory: an attribute that is not there would be read from the database.
    return {name: vars(row)[name] for name in row.__table__.columns.keys()}  # noqa: SIM118 (no dict)


@pytest.mark.parametrize("is_draft", [False, True])
@pytest.mark.parametrize("approval", [False, True])
def test_what_is_handed_out_is_what_the_database_holds(
    world: World, *, is_draft: bool, approval: bool
) -> None:
    with world.store.write() as session:
        update_workspace(session, world.workspace_id, approval_required=approval)
    post, publications = make(world, is_draft=is_draft)
    with world.store.read() as session:
        assert columns(session.get_one(Post, post.id)) == columns(post)
        for one in publications:
            kept = columns(session.get_one(type(one), one.id))
            given = columns(one)
            # A later event of the ledger is noted beside the session, as for every publication.
            for name in ("ledger_rows", "ledger_hash"):
                assert approval or kept[name] == given[name]
                del kept[name], given[name]
            assert kept == given
            assert verify_ledger(session, one.id) == []
            events = [event.event for event in list_events(session, one.id)]
            waits = approval and not is_draft
            assert events == [
                "draft" if is_draft else "scheduled",
                *(["approval_requested"] if waits else []),
            ]
            assert (one.due_at is None) == (is_draft or waits)


def test_what_is_handed_out_can_be_changed_like_anything_loaded(world: World) -> None:
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
        draft = PostDraft("a", [Target(account, PostContent(text="a"))], world.at + HOUR)
        post, (publication,) = create_post_and_publications(session, world.workspace_id, draft, world.at)
        post.client_ref, publication.reason = "mine", "why not"
    with world.store.read() as session:
        assert session.get_one(Post, post.id).client_ref == "mine"
    assert world.get(publication.id).reason == "why not"


def test_a_new_post_takes_few_statements_and_one_transaction(world: World) -> None:
    make(world, text="warm")
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(str(arguments[2]))

    event.listen(world.store._writer, "before_cursor_execute", note)
    try:
        make(world)
    finally:
        event.remove(world.store._writer, "before_cursor_execute", note)
    assert [statement.split()[0] for statement in seen if not statement.startswith("BEGIN")] == [
        *("SELECT", "SELECT"),  # whom it goes to, and who said the same
        "SELECT",  # whether somebody has to approve
        *("INSERT", "INSERT", "INSERT"),  # post, publications, ledger
    ], seen


def test_the_duplicate_guard_does_not_read_all_that_an_account_ever_sent(world: World) -> None:
    """By the account's index it would: a create would take longer with each post that is there."""
    if world.store.dialect != "sqlite":
        pytest.skip("PostgreSQL chooses by its own figures")
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append((str(arguments[2]), arguments[3]))

    event.listen(world.store._writer, "before_cursor_execute", note)
    try:
        make(world)
        with pytest.raises(ConflictError):
            make(world)
    finally:
        event.remove(world.store._writer, "before_cursor_execute", note)
    statement, values = next(one for one in asked if "payload_hash IN" in one[0])
    with world.store.read() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert any("ix_publications_payload_hash" in row[3] for row in plan), plan
