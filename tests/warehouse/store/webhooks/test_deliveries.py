"""Deliveries on their way: leases, turns, retries, giving up, replay, forgetting; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.warehouse.conftest import NOON
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.webhooks.deliveries import (
    DEAD_AFTER,
    PER_ENDPOINT,
    RETRY_AFTER,
    Attempt,
    ClaimedDelivery,
    claim_deliveries,
    find_due,
    list_deliveries,
    record_attempt,
    replay_deliveries,
)
from warehouse.store.webhooks.endpoints import (
    MOST_ENDPOINTS,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    rotate_secret,
)
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint
from warehouse.store.webhooks.outbox import Happening, write_events
from warehouse.store.webhooks.state import forget_old_events, get_webhook_state

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.database import Store

LEASE = timedelta(seconds=60)


class Office:
    """A workspace, its webhooks, and a clock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at = NOON
        self.secret = ""
        with store.write() as session:
            self.workspace_id = ensure_default_workspace(session, NOON).id

    def listen(self) -> str:
        with self.store.write() as session:
            made = create_endpoint(
                session,
                self.store.cipher,
                self.workspace_id,
                url="https://hooks.example/x",
                events=["post.failed"],
                now=self.at,
            )
        self.secret = made.secret
        return made.row.id

    def happen(self, count: int = 1) -> None:
        with self.store.write() as session:
            for number in range(count):
                write_events(session, [Happening(self.workspace_id, "post.failed", {"n": number})], self.at)

    def claim(self, owner: str = "a") -> list[ClaimedDelivery]:
        with self.store.read() as session:
            ids = find_due(session, self.at, 100)
        with self.store.write() as session:
            return claim_deliveries(session, self.store.cipher, ids, owner=owner, now=self.at, lease=LEASE)

    def record(
        self,
        claimed: ClaimedDelivery,
        status: int | None,
        owner: str = "a",
        retry_at: datetime | None = None,
    ) -> str | None:
        error = None if status else "ConnectError"
        attempt = Attempt(self.at, 5, status, error, "the answer", retry_at)
        with self.store.write() as session:
            return record_attempt(session, claimed, attempt, owner=owner, now=self.at)

    def row(self, delivery_id: str) -> WebhookDelivery:
        with self.store.read() as session:
            return session.get_one(WebhookDelivery, delivery_id)

    def endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        with self.store.read() as session:
            return session.get_one(WebhookEndpoint, endpoint_id)


@pytest.fixture
def office(any_store: Store) -> Office:
    return Office(any_store)


def test_one_that_died_is_taken_over_with_the_same_id(office: Office) -> None:
    office.listen()
    office.happen()
    [first] = office.claim("dies")
    assert office.claim("b") == []
    office.at += LEASE
    [second] = office.claim("b")
    assert (second.event_id, second.body) == (first.event_id, first.body)
    assert office.record(first, 500, owner="dies") == "pending"
    assert office.row(first.id).attempts == 0, "a failure of one that lost its lease counts for nothing"
    assert office.record(first, 200, owner="dies") == "delivered", "that it was taken is a fact"
    assert office.record(second, 200, owner="b") == "delivered"
    assert office.row(first.id).attempts == 1


def test_the_retries_follow_the_schedule_and_end_in_exhausted(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen()
    pauses = []
    for _ in RETRY_AFTER:
        [claimed] = office.claim()
        assert office.record(claimed, 500) == "pending"
        next_at = office.row(claimed.id).next_attempt_at
        assert next_at is not None
        pauses.append(next_at - office.at)
        office.at = next_at
    for pause, planned in zip(pauses, RETRY_AFTER, strict=True):
        assert planned * 0.9 <= pause <= planned * 1.1
    assert timedelta(days=2.5) < sum(pauses, timedelta()) < timedelta(days=3.6)
    assert office.endpoint(endpoint_id).disabled_at is None
    [claimed] = office.claim()
    assert office.record(claimed, 500) == "exhausted"
    assert office.row(claimed.id).next_attempt_at is None
    assert len(office.row(claimed.id).history) == len(RETRY_AFTER) + 1


def test_an_endpoint_on_which_everything_fails_for_days_is_disabled_and_says_why(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen()
    [claimed] = office.claim()
    office.record(claimed, None)
    office.at += DEAD_AFTER
    [claimed] = office.claim()
    office.record(claimed, None)
    endpoint = office.endpoint(endpoint_id)
    assert endpoint.disabled_at == office.at
    assert "no delivery has succeeded since 2026-03-02 12:00 UTC; last result: ConnectError" in str(
        endpoint.disabled_reason
    )
    office.happen()
    office.at += timedelta(days=1)
    assert office.claim() == []
    with office.store.write() as session:
        change_endpoint(
            session, get_endpoint(session, office.workspace_id, endpoint_id), office.at, enabled=True
        )
    assert len(office.claim()) == 2, "what happened meanwhile was kept, and goes out"


def test_gone_disables_at_once(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen()
    [claimed] = office.claim()
    assert office.record(claimed, 410) == "exhausted"
    assert "410" in str(office.endpoint(endpoint_id).disabled_reason)


def test_a_success_forgets_the_failures(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen(2)
    first, second = office.claim()
    office.record(first, 503)
    assert office.endpoint(endpoint_id).failing_since == office.at
    office.record(second, 204)
    endpoint = office.endpoint(endpoint_id)
    assert (endpoint.failing_since, endpoint.failures_in_a_row, endpoint.paused_until) == (None, 0, None)


def test_a_failing_receiver_is_asked_seldom_however_much_waits(office: Office) -> None:
    office.listen()
    office.happen(50)
    asked = 0
    for _ in range(60):
        for claimed in office.claim():
            asked += 1
            office.record(claimed, None)
        office.at += timedelta(seconds=30)
    assert 8 <= asked < 20


def test_a_receiver_that_names_a_time_is_left_alone_until_then(office: Office) -> None:
    office.listen()
    office.happen(2)
    claimed = office.claim()[0]
    office.record(claimed, 429, retry_at=office.at + timedelta(minutes=10))
    office.at += timedelta(minutes=9)
    assert office.claim() == []
    office.at += timedelta(minutes=1)
    assert len(office.claim()) == 1


def test_endpoints_take_turns_and_none_takes_all_the_room(office: Office) -> None:
    office.listen()
    office.happen(20)
    office.at += timedelta(seconds=1)
    quiet = office.listen()
    office.happen()
    claimed = office.claim()
    assert [one.endpoint_id for one in claimed].count(quiet) == 1
    assert len(claimed) == PER_ENDPOINT + 1
    assert office.claim("b") == [], "the room is that of all processes together"


def test_a_replay_goes_out_under_the_same_id(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen()
    [before] = office.claim()
    office.record(before, 200)
    with office.store.write() as session:
        endpoint = get_endpoint(session, office.workspace_id, endpoint_id)
        assert replay_deliveries(session, endpoint, office.at, since=office.at, only_undelivered=True) == 0
        assert replay_deliveries(session, endpoint, office.at, since=office.at + LEASE) == 0
        assert replay_deliveries(session, endpoint, office.at, since=office.at) == 1
    [again] = office.claim()
    assert again.event_id == before.event_id
    assert office.row(again.id).replayed
    with office.store.write() as session:
        endpoint = get_endpoint(session, office.workspace_id, endpoint_id)
        assert replay_deliveries(session, endpoint, office.at, since=office.at) == 0, "it is under way"


def test_a_disabled_webhook_refuses_a_replay(office: Office) -> None:
    endpoint_id = office.listen()
    with office.store.write() as session:
        row = get_endpoint(session, office.workspace_id, endpoint_id)
        change_endpoint(session, row, office.at, enabled=False)
        with pytest.raises(ConflictError, match="enable it first"):
            replay_deliveries(session, row, office.at, since=office.at)


def test_after_a_rotation_both_secrets_sign_for_a_day(office: Office) -> None:
    endpoint_id = office.listen()
    old = office.secret
    with office.store.write() as session:
        row = get_endpoint(session, office.workspace_id, endpoint_id)
        new = rotate_secret(session, office.store.cipher, row, office.at).secret
    office.happen()
    [claimed] = office.claim()
    assert claimed.secrets == (new, old)
    office.at += timedelta(hours=24)
    [claimed] = office.claim("b")
    assert claimed.secrets == (new,)


def test_the_secret_is_not_readable_in_the_store(office: Office) -> None:
    row = office.endpoint(office.listen())
    assert office.secret.startswith("whsec_")
    assert office.secret.removeprefix("whsec_").encode() not in row.secret


def test_the_log_pages_and_filters(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen(5)
    taken = office.claim()
    office.record(taken[0], 200)
    with office.store.read() as session:
        first, more = list_deliveries(session, office.workspace_id, endpoint_id, limit=3)
        rest, end = list_deliveries(
            session, office.workspace_id, endpoint_id, before_id=first[-1][0].id, limit=3
        )
        done, _ = list_deliveries(session, office.workspace_id, endpoint_id, status="delivered")
    assert (len(first), more, len(rest), end) == (3, True, 2, False)
    assert [row.id for row, _ in done] == [taken[0].id]


def test_deleting_takes_all_that_waits_along(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen(3)
    [claimed, *_] = office.claim()
    with office.store.write() as session:
        delete_endpoint(session, office.workspace_id, endpoint_id, office.at)
    assert office.record(claimed, 200) is None
    with office.store.read() as session, pytest.raises(NotFoundError):
        get_endpoint(session, office.workspace_id, endpoint_id)


def test_old_events_are_forgotten_and_new_ones_kept(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen(2)
    office.at += timedelta(days=31)
    office.happen()
    with office.store.write() as session:
        assert forget_old_events(session, office.at - timedelta(days=30)) == 2
        assert forget_old_events(session, office.at - timedelta(days=30)) == 0
    with office.store.read() as session:
        left, _ = list_deliveries(session, office.workspace_id, endpoint_id)
    assert len(left) == 1


def test_the_state_tells_what_waits(office: Office) -> None:
    endpoint_id = office.listen()
    office.happen(2)
    [first, _] = office.claim()
    office.record(first, 500)
    office.at += timedelta(seconds=3)
    with office.store.read() as session:
        state = get_webhook_state(session, office.at)
    assert (state.backlog, state.oldest_seconds, state.retrying, state.disabled) == (1, 3.0, 1, 0)
    with office.store.write() as session:
        change_endpoint(
            session, get_endpoint(session, office.workspace_id, endpoint_id), office.at, enabled=False
        )
        state = get_webhook_state(session, office.at)
    assert (state.backlog, state.retrying, state.disabled) == (0, 0, 1)


def test_what_makes_no_sense_is_refused(office: Office) -> None:
    def make(*events: str) -> None:
        with office.store.write() as session:
            create_endpoint(
                session,
                office.store.cipher,
                office.workspace_id,
                url="https://x.example",
                events=events,
                now=office.at,
            )

    with pytest.raises(InvalidInputError, match=r"post\.unheard"):
        make("post.unheard")
    with pytest.raises(InvalidInputError, match="at least one"):
        make()
    for _ in range(MOST_ENDPOINTS):
        make("post.failed")
    with pytest.raises(ConflictError, match="delete one first"):
        make("post.failed")
