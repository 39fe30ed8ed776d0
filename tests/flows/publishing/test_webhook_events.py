"""Events of the flows: new metrics, tokens that cannot be refreshed; and deletion of old events."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from sqlalchemy import func, select

from connectors.types import Credentials
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.maintenance.nightly import forget_events
from flows.tokens.due_tokens import refresh_ending_tokens
from warehouse.store.accounts.credentials import save_credentials
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEvent
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from tests.flows.conftest import Floor


def listen(floor: Floor) -> None:
    store = floor.resources.store
    with store.write() as session:
        create_endpoint(
            session,
            store.cipher,
            floor.account("twitter").workspace_id,
            url="https://hooks.example/x",
            events=EVENT_TYPES,
            now=floor.clock(),
        )


def told(floor: Floor) -> list[dict[str, Any]]:
    with floor.resources.store.read() as session:
        return [
            json.loads(row.body) for row in session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
        ]


async def test_every_measurement_of_a_run_is_told_with_its_numbers(floor: Floor) -> None:
    only = [floor.accounts["mastodon"].id]
    await read_histories(floor.resources, floor.pool, run_id="run_1", account_ids=only, clock=floor.clock)
    listen(floor)
    floor.clock.advance(hours=25)
    report = await read_due_metrics(
        floor.resources, floor.pool, run_id="run_2", account_ids=only, clock=floor.clock
    )
    found = [one for message in told(floor) for one in message["data"]["measurements"]]
    assert report.counts["measured"] == len(found) > 0
    captured = {(one["publication_id"], one["metrics"]["likes"]) for one in found}
    rows = floor.resources.lake.query(
        "SELECT publication_id, likes FROM raw.post_snapshots QUALIFY row_number() OVER "
        "(PARTITION BY publication_id ORDER BY captured_at DESC) = 1"
    )
    assert captured <= {(row["publication_id"], row["likes"]) for row in rows}
    assert {one["metrics"]["impressions"] for one in found} == {None}, "Mastodon reports none"


async def test_a_token_that_nobody_could_renew_is_told_once_and_forgotten_in_time(floor: Floor) -> None:
    listen(floor)
    store, now = floor.resources.store, floor.clock()
    token = next(one.access_token for one in floor.world.accounts if one.platform == "instagram")
    with store.write() as session:
        ending = Credentials(SecretStr(token), None, now + timedelta(days=60))
        save_credentials(session, store.cipher, floor.accounts["instagram"].id, ending, now)
    floor.clock.advance(days=59)
    floor.fault("error_500_before", "instagram", "refresh", count=None)
    for _ in range(2):
        await refresh_ending_tokens(floor.resources, floor.pool, clock=floor.clock)
    messages = [one for one in told(floor) if one["data"]["account"]["platform"] == "instagram"]
    assert [one["type"] for one in messages] == ["account.expiring"]
    assert token not in json.dumps(messages)

    assert forget_events(floor.resources, floor.clock()) == 0
    assert forget_events(floor.resources, floor.clock() + timedelta(seconds=1)) > 0
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(WebhookDelivery)) == 0
