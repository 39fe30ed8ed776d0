"""`socialflow calendar-feeds`: iCalendar feed addresses for calendar apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.arguments import expand_id
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from flows.settings import FlowSettings
from warehouse.shapes import read_shape
from warehouse.store.schedules import calendar_feeds as feeds
from warehouse.store.schedules.shapes import FeedCreate

if TYPE_CHECKING:
    from warehouse.store.schedules.calendar_feeds import CreatedFeed

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Create, list, rotate and revoke feed addresses for calendar apps.",
)

BY = "cli"
FeedId = Annotated[
    str, typer.Argument(help="As `socialflow calendar-feeds list` shows it.", callback=expand_id)
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name of the feed, to tell feeds apart.")],
    as_json: JsonOption = False,
) -> None:
    """Create a feed address for a calendar app. Its token is not shown again."""
    wanted = read_shape(FeedCreate, {"name": name})
    with open_workspace() as opened:
        made = feeds.create_feed(
            opened.session, opened.store.cipher, opened.workspace_id, wanted.name, BY, opened.now
        )
    _print_created(made, as_json=as_json)


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List the feeds, newest first, including revoked ones. Tokens are never shown."""
    with open_workspace() as opened:
        shown = [feeds.describe_feed(row) for row in feeds.list_feeds(opened.session, opened.workspace_id)]
    if as_json:
        print_json(shown)
    else:
        print_records(shown, ["id", "name", "created_at", "rotated_at", "revoked_at"])


@app.command()
def rotate(*, feed_id: FeedId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Replace a feed's token. The old address stops working at once."""
    confirm(f"Rotate {feed_id}? Its current address stops working at once.", yes=yes)
    with open_workspace() as opened:
        made = feeds.rotate_feed(
            opened.session, opened.store.cipher, opened.workspace_id, feed_id, opened.now
        )
    _print_created(made, as_json=as_json)


@app.command()
def revoke(*, feed_id: FeedId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Revoke a feed permanently: its address stops working at once."""
    confirm(f"Revoke {feed_id}? Its address stops working for good.", yes=yes)
    with open_workspace() as opened:
        row = feeds.revoke_feed(opened.session, opened.workspace_id, feed_id, opened.now)
    if as_json:
        print_json(feeds.describe_feed(row))
    else:
        say(f"{row.id} ({row.name}) is revoked.")


def _print_created(made: CreatedFeed, *, as_json: bool) -> None:
    path = feeds.feed_path(made.token)
    if as_json:
        print_json({**feeds.describe_feed(made.row), "token": made.token, "path": path})
        return
    say(f"{made.row.id} ({made.row.name}): save this address now, it cannot be shown again.")
    print_records([{"address": f"{FlowSettings().api_url.rstrip('/')}{path}"}], ["address"])
