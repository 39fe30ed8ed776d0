"""What is written to the outbox: with the change it tells of or not at all, once for each endpoint, never a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from connectors.types import Credentials, PostMetrics
from tests.warehouse.store.conftest import NOON, World
from warehouse.store.access.workspaces import create_workspace
from warehouse.store.accounts.credentials import list_expiring_accounts, mark_revoked, save_credentials
from warehouse.store.accounts.events import announce_expiring
from warehouse.store.measuring.events import MEASUREMENTS_PER_EVENT, announce_metrics
from warehouse.store.models import AccountRow, Publication
from warehouse.store.publishing.ledger import list_events
from warehouse.store.publishing.outcomes import Outcome
from warehouse.store.publishing.publications import get_publication, resolve_review
from warehouse.store.publishing.recovery import fail_unusable, review_overdue, review_unaskable
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from warehouse.store.database import Store

TOLD = {"published", "found", "failed", "needs_review"}


def listen(world: World, *events: str, workspace_id: str | None = None) -> str:
    with world.store.write() as session:
        made = create_endpoint(
            session,
            world.store.cipher,
            workspace_id or world.workspace_id,
            url="https://hooks.example/x",
            events=events or EVENT_TYPES,
            now=world.at,
        )
    return made.row.id


def told(store: Store) -> list[dict[str, Any]]:
    with store.read() as session:
        return [
            json.loads(row.body) for row in session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
        ]


def deliveries(store: Store) -> list[WebhookDelivery]:
    with store.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def send(world: World, *outcomes: Outcome) -> None:
    ids = [outcome.publication_id for outcome in outcomes]
    world.claim()
    world.begin(ids)
    world.record(*outcomes)


def test_every_outcome_in_the_ledger_is_told_exactly_once(world: World) -> None:
    """Each way to an end, whoever takes it: the publisher, housekeeping, a person."""
    listen(world)
    published, failed, unsure = (world.schedule("mastodon", text=f"post {n}")[0] for n in range(3))
    send(
        world,
        Outcome(published, "published", receipt=world.receipt("1")),
        Outcome(failed, "failed", "rejected", "the platform said no"),
        Outcome(unsure, "needs_review", "cannot_find_out", "look there"),
    )
    late, unusable, unaskable = (world.schedule("twitter", text=f"later {n}")[0] for n in range(3))
    world.claim()
    world.begin([unaskable])
    world.record(Outcome(unaskable, "unknown", "timeout", "no answer", world.at))
    with world.store.write() as session:
        late_row = session.get_one(Publication, late)
        late_row.status, late_row.scheduled_at = "scheduled", world.at - timedelta(hours=2)
        session.get_one(Publication, unusable).status = "scheduled"
        mark_revoked(session, world.accounts["twitter"], "revoked by its owner", world.at)
        review_overdue(session, now=world.at, max_lateness=timedelta(hours=1))
        fail_unusable(session, now=world.at)
        review_unaskable(session, now=world.at)
        resolve_review(
            session,
            get_publication(session, world.workspace_id, unsure),
            "published",
            world.at,
            external_id="9",
        )
    with world.store.read() as session:
        expected = sorted(
            (row.id, "resolved" if event.event == "resolved" else event.event)
            for row in session.scalars(select(Publication))
            for event in list_events(session, row.id)
            if event.event in TOLD or event.detail.get("decision") == "published"
        )
    messages = [one for one in told(world.store) if one["type"].startswith("post.")]
    names = {"published": "post.published", "resolved": "post.published", "found": "post.published"}
    assert sorted((one["data"]["publication"]["id"], one["type"]) for one in messages) == sorted(
        (publication_id, names.get(event, f"post.{event}")) for publication_id, event in expected
    )
    assert len(messages) == 7


def test_a_message_holds_what_it_tells_of(world: World) -> None:
    listen(world)
    [publication_id] = world.schedule("mastodon", text="Hello, world ☀")
    send(world, Outcome(publication_id, "published", receipt=world.receipt("42")))
    [message] = told(world.store)
    assert message["type"] == "post.published"
    assert message["timestamp"] == "2026-03-02T12:00:00Z"
    assert message["data"]["post"]["content"] == "Hello, world ☀"
    assert message["data"]["post"]["status"] == "published"
    publication = message["data"]["publication"]
    assert publication["content"]["text"] == "Hello, world ☀"
    assert publication["permalink"] == "https://social.example/42"
    assert (publication["external_id"], publication["published_at"]) == ("42", "2026-03-02T12:00:00Z")


def test_a_failure_tells_why(world: World) -> None:
    listen(world)
    [publication_id] = world.schedule("mastodon")
    send(world, Outcome(publication_id, "failed", "rejected", "too rude"))
    [message] = told(world.store)
    assert message["data"]["post"]["status"] == "failed"
    assert message["data"]["publication"]["reason"] == "too rude"


def test_a_change_that_is_rolled_back_tells_nothing(world: World) -> None:
    listen(world)

    def revoke_and_fail() -> None:
        with world.store.write() as session:
            mark_revoked(session, world.accounts["twitter"], "no", world.at)
            raise LookupError

    with pytest.raises(LookupError):
        revoke_and_fail()
    assert told(world.store) == []
    assert deliveries(world.store) == []


def test_each_endpoint_that_asked_gets_one_delivery_and_no_other(world: World) -> None:
    with world.store.write() as session:
        create_workspace(session, workspace_id="ws_other", name="Other", now=world.at)
    wanting = {listen(world, "post.published"), listen(world)}
    listen(world, "post.failed")
    listen(world, workspace_id="ws_other")
    [publication_id] = world.schedule("mastodon")
    send(world, Outcome(publication_id, "published", receipt=world.receipt("1")))
    rows = deliveries(world.store)
    assert {row.endpoint_id for row in rows} == wanting
    assert len(rows) == 2
    assert len({row.event_id for row in rows}) == 1


def test_where_nobody_listens_nothing_is_written(world: World) -> None:
    [publication_id] = world.schedule("mastodon")
    send(world, Outcome(publication_id, "published", receipt=world.receipt("1")))
    assert told(world.store) == []


def test_for_a_disabled_endpoint_it_is_kept(world: World) -> None:
    endpoint_id = listen(world)
    with world.store.write() as session:
        session.get_one(WebhookEndpoint, endpoint_id).disabled_at = world.at
    [publication_id] = world.schedule("mastodon")
    send(world, Outcome(publication_id, "published", receipt=world.receipt("1")))
    assert [row.status for row in deliveries(world.store)] == ["pending"]


def test_a_revoked_account_is_told_without_its_credentials(world: World) -> None:
    listen(world)
    with world.store.write() as session:
        mark_revoked(session, world.accounts["twitter"], "the owner withdrew it", world.at)
        mark_revoked(session, world.accounts["twitter"], "said again", world.at)
    [message] = told(world.store)
    assert message["type"] == "account.revoked"
    assert message["data"]["account"]["health"]["reason"] == "the owner withdrew it"
    assert "token-of-" not in json.dumps(message)
    assert "refresh-1" not in json.dumps(message)


def test_an_expiry_is_told_once_for_each_token(world: World) -> None:
    listen(world)
    account_id = world.accounts["twitter"]

    def renew(days: float) -> None:
        credentials = Credentials(SecretStr("t"), None, world.at + timedelta(days=days))
        with world.store.write() as session:
            save_credentials(session, world.store.cipher, account_id, credentials, world.at)

    def look() -> int:
        with world.store.write() as session:
            rows = list_expiring_accounts(session, world.at + timedelta(days=7))
            return announce_expiring(session, rows, world.at)

    renew(60)
    assert look() == 0
    world.at += timedelta(days=55)
    assert [look(), look()] == [1, 0]
    world.at += timedelta(days=6)  # ended by now: the same token, told already
    assert look() == 0
    renew(60)
    assert look() == 0
    world.at += timedelta(days=58)
    assert look() == 1
    messages = told(world.store)
    assert [one["data"]["account"]["health"]["status"] for one in messages] == ["expiring", "expiring"]


def test_numbers_are_told_and_what_was_not_measured_is_null(world: World) -> None:
    listen(world)
    ids = [world.schedule("mastodon", text=f"post {n}")[0] for n in range(MEASUREMENTS_PER_EVENT + 1)]
    with world.store.write() as session:
        rows = [session.get_one(Publication, one) for one in ids]
        measured = [(row, PostMetrics(row.id, NOON, likes=3, raw={"secret": "x"})) for row in rows]
        announce_metrics(session, measured, NOON)
    messages = told(world.store)
    assert [len(one["data"]["measurements"]) for one in messages] == [MEASUREMENTS_PER_EVENT, 1]
    first = messages[0]["data"]["measurements"][0]
    assert first["publication_id"] == ids[0]
    assert (first["metrics"]["likes"], first["metrics"]["impressions"]) == (3, None)
    assert "raw" not in json.dumps(first)


def test_the_account_row_in_hand_is_the_one_told_of(world: World) -> None:
    """Whoever holds a changed row tells its new state, not the stored one."""
    listen(world)
    with world.store.write() as session:
        row = session.get_one(AccountRow, world.accounts["twitter"])
        row.handle = "renamed"
        mark_revoked(session, row.id, "no", world.at)
    assert told(world.store)[0]["data"]["account"]["handle"] == "renamed"
