"""`socialflow webhooks`: whom we tell of what happens, and how that went."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.webhooks.sender import check_webhook_url
from connectors.webhooks.settings import WebhookSettings
from flows.cli.output import JsonOption, print_json, print_records, say
from warehouse.errors import InvalidInputError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.webhooks.deliveries import list_deliveries, replay_deliveries
from warehouse.store.webhooks.endpoints import create_endpoint, get_endpoint, list_endpoints
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Tell other programs what happens, and see how that went.",
)

WebhookId = Annotated[str, typer.Argument(help="As `socialflow webhooks list` shows it.")]


@app.command()
def create(
    *,
    url: Annotated[str, typer.Option(help="Where events are sent: https, on the public internet.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help=f"Some of: {', '.join(EVENT_TYPES)}. Repeat the option; default: all."),
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a webhook and print the secret that signs its events, which is never shown again."""
    now = datetime.now(UTC)
    address = asyncio.run(check_webhook_url(url, WebhookSettings()))
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = ensure_default_workspace(session, now)
        made = create_endpoint(
            session,
            store.cipher,
            workspace.id,
            url=address,
            events=event or EVENT_TYPES,
            description=description,
            now=now,
        )
        shown = {**_show(made.row), "secret": made.secret}
    if as_json:
        print_json(shown)
        return
    print_records([shown], ["id", "url", "secret"])
    say("Keep the secret now: it cannot be shown again.")


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List the webhooks and how they are. Never a secret."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        rows = [_show(row) for row in list_endpoints(session, ensure_default_workspace(session, now).id)]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, ["id", "url", "events", "status", "reason", "last_success_at"])


@app.command()
def deliveries(
    *,
    webhook_id: WebhookId,
    status: Annotated[str | None, typer.Option(help="pending, delivered or exhausted.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the newest deliveries of a webhook."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace_id = ensure_default_workspace(session, now).id
        get_endpoint(session, workspace_id, webhook_id)
        found, _ = list_deliveries(session, workspace_id, webhook_id, status=status, limit=limit)
        rows = [_show_delivery(row, event) for row, event in found]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, ["id", "type", "status", "attempts", "answer", "created_at", "next_attempt_at"])


@app.command()
def replay(
    *,
    webhook_id: WebhookId,
    since: Annotated[
        datetime | None,
        typer.Option(help="Everything that happened at or after it (UTC), as 2026-03-01T12:00:00."),
    ] = None,
    delivery: Annotated[str | None, typer.Option(help="Or one delivery, by its id.")] = None,
    only_undelivered: Annotated[bool, typer.Option(help="Leave out what was taken already.")] = False,
) -> None:
    """Send events again, under the ids that they had; `socialflow up` does it within seconds."""
    if (since is None) == (delivery is None):
        raise InvalidInputError("give --since or --delivery, one of them", field="since")
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        endpoint = get_endpoint(session, ensure_default_workspace(session, now).id, webhook_id)
        count = replay_deliveries(
            session,
            endpoint,
            now,
            since=since.replace(tzinfo=UTC) if since else None,
            delivery_id=delivery,
            only_undelivered=only_undelivered,
        )
    say(f"{count} deliveries are sent again.")


def _show(row: WebhookEndpoint) -> dict[str, Any]:
    failing = f"failing since {row.failing_since:%Y-%m-%d %H:%M}" if row.failing_since else "enabled"
    return {
        "id": row.id,
        "url": row.url,
        "description": row.description,
        "events": " ".join(row.events),
        "status": "disabled" if row.disabled_at else failing,
        "reason": row.disabled_reason,
        "last_success_at": row.last_success_at,
        "created_at": row.created_at,
    }


def _show_delivery(row: WebhookDelivery, event: WebhookEvent) -> dict[str, Any]:
    last = row.history[-1] if row.history else {}
    return {
        "id": row.id,
        "event_id": event.id,
        "type": event.type,
        "status": row.status,
        "attempts": row.attempts,
        "answer": last.get("status") or last.get("error"),
        "created_at": row.created_at,
        "next_attempt_at": row.next_attempt_at,
    }
