"""`socialflow notify`: notifications to people, by mail, chat or phone."""

from __future__ import annotations

import typer

from flows.cli.output import JsonOption, print_json, print_rows
from flows.notifications.settings import read_settings
from warehouse.errors import SetupError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Test the notifications to people.",
)


@app.callback()
def notify() -> None:
    """Test the notifications to people."""


@app.command("test")
def send_test(*, as_json: JsonOption = False) -> None:
    """Send a test message to every address. The exit code is 1 if one failed. Prints no address."""
    from flows.notifications.sender import open_senders  # noqa: PLC0415 (apprise is heavy)

    addresses = read_settings().addresses
    if not addresses:
        raise SetupError(
            "no address is set: set SOCIALFLOW_NOTIFY_URLS to addresses in apprise's notation, separated by spaces"
        )
    found = []
    for sender in open_senders(addresses):
        error = sender.send("SocialFlow: test message", "Notifications of SocialFlow reach you here.")
        found.append({"address": sender.name, "sent": error is None, "error": error})
    if as_json:
        print_json(found)
    else:
        rows = [
            [str(one["address"]), "sent" if one["sent"] else "failed", str(one["error"] or "")]
            for one in found
        ]
        print_rows(["address", "result", "reason"], rows)
    raise typer.Exit(0 if all(one["sent"] for one in found) else 1)
