"""`socialflow webhooks`: send events to other programs, and show the deliveries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import GiveUpError
from connectors.webhooks.sender import check_webhook_url
from connectors.webhooks.settings import WebhookSettings
from flows.cli.arguments import expand_id, require_choice
from flows.cli.moments import FORMS, read_moment
from flows.cli.output import JsonOption, YesOption, confirm, print_details, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.errors import InvalidInputError
from warehouse.shapes import read_shape
from warehouse.store.webhooks import deliveries as store_deliveries
from warehouse.store.webhooks import endpoints
from warehouse.store.webhooks.outbox import EVENT_TYPES
from warehouse.store.webhooks.shapes import WebhookCreate, WebhookPatch

if TYPE_CHECKING:
    from warehouse.store.webhooks.endpoints import CreatedEndpoint

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Create, change, test and delete webhooks; list and replay their deliveries.",
)

WebhookId = Annotated[str, typer.Argument(help="As `socialflow webhooks list` shows it.", callback=expand_id)]
DeliveryId = Annotated[
    str, typer.Argument(help="As `socialflow webhooks deliveries` shows it.", callback=expand_id)
]
EventHelp = f"Some of: {', '.join(EVENT_TYPES)}. Repeat the option"


@app.command()
def create(
    *,
    url: Annotated[str, typer.Option(help="Where events are sent: https, on the public internet.")],
    event: Annotated[list[str] | None, typer.Option(help=f"{EventHelp}; default: all.")] = None,
    description: Annotated[str, typer.Option(help="Description of the webhook.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Create a webhook. Prints the secret that signs its events, which is not shown again."""
    fields = {"url": url, "events": event or list(EVENT_TYPES), "description": description}
    wanted = read_shape(WebhookCreate, fields)
    address = _check_url(wanted.url)
    with open_workspace() as opened:
        made = endpoints.create_endpoint(
            opened.session,
            opened.store.cipher,
            opened.workspace_id,
            url=address,
            events=wanted.events,
            description=wanted.description,
            now=opened.now,
        )
        shown = _with_secret(made, endpoints.describe_endpoint(made.row, opened.now))
    _print_secret(shown, as_json=as_json)


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List the webhooks and their state. Secrets are never shown."""
    with open_workspace() as opened:
        rows = endpoints.list_endpoints(opened.session, opened.workspace_id)
        shown = [endpoints.describe_endpoint(row, opened.now) for row in rows]
    if as_json:
        print_json(shown)
    else:
        print_records(shown, ["id", "url", "status", "disabled_reason", "last_success_at"])


@app.command()
def show(*, webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Show one webhook. Its secret is never shown."""
    with open_workspace() as opened:
        row = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id)
        shown = endpoints.describe_endpoint(row, opened.now)
    _print(shown, as_json=as_json)


@app.command()
def change(
    *,
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="New address for events.")] = None,
    event: Annotated[list[str] | None, typer.Option(help=f"{EventHelp}; replaces the current ones.")] = None,
    description: Annotated[str | None, typer.Option(help="Description of the webhook.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a webhook's address, events or description. Omitted options stay unchanged."""
    fields = {"url": url, "events": event or None, "description": description}
    given = {name: value for name, value in fields.items() if value is not None}
    if not given:
        raise InvalidInputError(
            "nothing to change: give --url, --event or --description", field="url", code="nothing_to_change"
        )
    _change(webhook_id, given, as_json=as_json)


@app.command()
def pause(*, webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Disable a webhook. Events are kept, and nothing is sent until `socialflow webhooks resume`."""
    _change(webhook_id, {"enabled": False}, as_json=as_json)


@app.command()
def resume(*, webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Enable a webhook again: its pending events are sent at once."""
    _change(webhook_id, {"enabled": True}, as_json=as_json)


@app.command()
def delete(*, webhook_id: WebhookId, yes: YesOption = False) -> None:
    """Delete a webhook with its log and its pending deliveries."""
    with open_workspace() as opened:
        row = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id)
        url = row.url
    confirm(f"Delete the webhook to {url} with its log and its pending deliveries?", yes=yes)
    with open_workspace() as opened:
        endpoints.delete_endpoint(opened.session, opened.workspace_id, webhook_id, opened.now)
    say(f"{webhook_id} is deleted.")


@app.command()
def rotate(*, webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Create a new secret and print it. For 24 hours deliveries are also signed with the old one."""
    with open_workspace() as opened:
        row = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id, lock=True)
        made = endpoints.rotate_secret(opened.session, opened.store.cipher, row, opened.now)
        shown = _with_secret(made, endpoints.describe_endpoint(made.row, opened.now))
    _print_secret(shown, as_json=as_json)


@app.command("test")
def send_test(*, webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Send a test event; `socialflow up` delivers it within seconds."""
    with open_workspace() as opened:
        row = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id, lock=True)
        found = store_deliveries.send_test_event(opened.session, row, opened.now)
        shown = store_deliveries.describe_delivery(*found)
    if as_json:
        print_json(shown)
    else:
        say(f"the test event is queued: socialflow webhooks delivery {webhook_id} {shown['id']}")


@app.command()
def deliveries(
    *,
    webhook_id: WebhookId,
    status: Annotated[str | None, typer.Option(help="pending, delivered or exhausted.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the newest deliveries of a webhook. They are kept for 30 days."""
    if status is not None:
        require_choice(status, store_deliveries.STATUSES, field="status")
    with open_workspace() as opened:
        endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id)
        found, more = store_deliveries.list_deliveries(
            opened.session, opened.workspace_id, webhook_id, status=status, limit=limit
        )
        shown = [store_deliveries.describe_delivery(*one) for one in found]
    if as_json:
        print_json(shown)
        return
    rows = [{**one, "answer": _answer(one["last_attempt"])} for one in shown]
    print_records(rows, ["id", "type", "status", "answer", "created_at"])
    if more:
        say(f"the newest {limit}; --limit shows more")


@app.command()
def delivery(*, webhook_id: WebhookId, delivery_id: DeliveryId, as_json: JsonOption = False) -> None:
    """Show one delivery. Prints its attempts, last response and payload."""
    with open_workspace() as opened:
        endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id)
        found = store_deliveries.get_delivery(opened.session, opened.workspace_id, webhook_id, delivery_id)
        shown = store_deliveries.describe_delivery_detail(*found)
    if as_json:
        print_json(shown)
        return
    history = shown.pop("history")
    print_details({**shown, "last_attempt": _answer(shown["last_attempt"])})
    print_records(history, ["at", "status", "error", "milliseconds"])


@app.command()
def replay(
    *,
    webhook_id: WebhookId,
    since: Annotated[
        str | None,
        typer.Option(
            help=f"{FORMS}: everything that happened at or after it; without offset in the workspace's zone."
        ),
    ] = None,
    delivery_id: Annotated[str | None, typer.Option("--delivery", help="Or one delivery, by its id.")] = None,
    only_undelivered: Annotated[bool, typer.Option(help="Skip events that were already delivered.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send events again under the same ids. `socialflow up` delivers them within seconds."""
    if (since is None) == (delivery_id is None):
        raise InvalidInputError("give --since or --delivery, one of them", field="since")
    with open_workspace() as opened:
        endpoint = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id, lock=True)
        if delivery_id is not None:
            store_deliveries.get_delivery(opened.session, opened.workspace_id, webhook_id, delivery_id)
        at = None
        if since is not None:
            at = read_moment(since, opened.zone, field="since")
        count = store_deliveries.replay_deliveries(
            opened.session,
            endpoint,
            opened.now,
            since=at,
            delivery_id=delivery_id,
            only_undelivered=only_undelivered,
        )
    if as_json:
        print_json({"replayed": count})
    else:
        say(f"{count} deliveries are sent again.")


def _change(webhook_id: str, given: dict[str, Any], *, as_json: bool) -> None:
    wanted = read_shape(WebhookPatch, given)
    with open_workspace() as opened:
        # Check that the webhook exists before validating the new address.
        endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id)
    url = None if wanted.url is None else _check_url(wanted.url)
    with open_workspace() as opened:
        row = endpoints.get_endpoint(opened.session, opened.workspace_id, webhook_id, lock=True)
        endpoints.change_endpoint(
            opened.session,
            row,
            opened.now,
            url=url,
            events=wanted.events,
            description=wanted.description,
            enabled=wanted.enabled,
        )
        shown = endpoints.describe_endpoint(row, opened.now)
    _print(shown, as_json=as_json)


def _check_url(url: str) -> str:
    try:
        return asyncio.run(check_webhook_url(url, WebhookSettings()))
    except GiveUpError as error:
        raise InvalidInputError(error.message, field="url", code="webhook_url_refused") from None


def _with_secret(made: CreatedEndpoint, shown: dict[str, Any]) -> dict[str, Any]:
    return {**shown, "secret": made.secret}


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        print_details(shown)


def _print_secret(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    print_records([shown], ["id", "url", "secret"])
    say("Save the secret now: it cannot be shown again.")


def _answer(attempt: dict[str, Any] | None) -> str | None:
    return None if attempt is None else str(attempt["status"] or attempt["error"])
