"""`socialflow queue`: weekly local times of an account; a post with --queue takes the next free one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.arguments import expand_id
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.errors import InvalidInputError
from warehouse.scheduling import queue_slots
from warehouse.scheduling.queue_shapes import QueueSlotCreate, QueueSlotPatch
from warehouse.shapes import read_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.cli.workspace_session import Opened
    from warehouse.store.schedules.queue_models import QueueSlot

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, add, move and remove the weekly times of an account's queue.",
)

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
AccountId = Annotated[str, typer.Argument(help="As `socialflow accounts list` shows it.", callback=expand_id)]
SlotId = Annotated[str, typer.Argument(help="As `socialflow queue list` shows it.", callback=expand_id)]
WeekdayHelp = "Monday, mon, ... or 0 (Monday) to 6 (Sunday)."
TimeHelp = "HH:MM in the account's zone, such as 09:30."


@app.command("list")
def list_(*, account_id: AccountId, as_json: JsonOption = False) -> None:
    """List an account's slots in weekly order."""
    with open_workspace() as opened:
        _print(
            opened, queue_slots.list_slots(opened.session, opened.workspace_id, account_id), as_json=as_json
        )


@app.command()
def add(
    *,
    account_id: AccountId,
    weekday: Annotated[str, typer.Option(help=WeekdayHelp)],
    time: Annotated[str, typer.Option(help=TimeHelp)],
    as_json: JsonOption = False,
) -> None:
    """Add a slot to an account's queue."""
    slot = read_shape(QueueSlotCreate, {"weekday": parse_weekday(weekday), "time": time})
    with open_workspace() as opened:
        row = queue_slots.add_slot(
            opened.session, opened.workspace_id, account_id, slot.weekday, slot.time, opened.now
        )
        _print(opened, [row], as_json=as_json, single=True)


@app.command("set")
def set_(
    *,
    account_id: AccountId,
    slots: Annotated[
        list[str],
        typer.Argument(metavar="SLOT...", help='Slots such as "mon 09:30", in the account\'s zone.'),
    ],
    as_json: JsonOption = False,
) -> None:
    """Replace all slots of an account's queue. Posts scheduled in a slot keep their time."""
    wanted = [_parse_slot(text) for text in slots]
    with open_workspace() as opened:
        rows = queue_slots.replace_slots(
            opened.session,
            opened.workspace_id,
            account_id,
            [(slot.weekday, slot.time) for slot in wanted],
            opened.now,
        )
        _print(opened, rows, as_json=as_json)


@app.command()
def move(
    *,
    account_id: AccountId,
    slot_id: SlotId,
    weekday: Annotated[str | None, typer.Option(help=WeekdayHelp)] = None,
    time: Annotated[str | None, typer.Option(help=TimeHelp)] = None,
    as_json: JsonOption = False,
) -> None:
    """Move a slot. Posts scheduled in it keep their time."""
    if weekday is None and time is None:
        raise InvalidInputError("nothing to change: give --weekday or --time", field="weekday")
    day = None if weekday is None else parse_weekday(weekday)
    slot = read_shape(QueueSlotPatch, {"weekday": day, "time": time})
    with open_workspace() as opened:
        row = queue_slots.change_slot(
            opened.session, opened.workspace_id, account_id, slot_id, slot.weekday, slot.time
        )
        _print(opened, [row], as_json=as_json, single=True)


@app.command()
def remove(
    *, account_id: AccountId, slot_id: SlotId, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Remove a slot. Posts scheduled in it keep their time."""
    with open_workspace() as opened:
        row = queue_slots.get_slot(opened.session, opened.workspace_id, account_id, slot_id)
        shown = queue_slots.describe_slot(opened.session, row, opened.now)
        confirm(f"Remove the slot on {WEEKDAYS[row.weekday]} at {row.local_time}?", yes=yes)
        queue_slots.remove_slot(opened.session, opened.workspace_id, account_id, slot_id)
    if as_json:
        print_json(shown)
    else:
        say(f"{slot_id} is removed.")


def parse_weekday(text: str) -> int:
    """Return 0 (Monday) to 6. Raises InvalidInputError."""
    name = text.strip().lower()
    if name.isdecimal() and len(name) == 1 and int(name) < len(WEEKDAYS):
        return int(name)
    found = [number for number, day in enumerate(WEEKDAYS) if len(name) >= 2 and day.lower().startswith(name)]
    if len(found) != 1:
        raise InvalidInputError(
            f"{text!r} is not a weekday: use {WeekdayHelp}", field="weekday", code="invalid_weekday"
        )
    return found[0]


def _parse_slot(text: str) -> QueueSlotCreate:
    weekday, _, time = text.strip().partition(" ")
    if not time.strip():
        raise InvalidInputError(
            f'{text!r} is not a slot: write weekday and time, such as "mon 09:30"',
            field="slots",
            code="invalid_slot",
        )
    return read_shape(QueueSlotCreate, {"weekday": parse_weekday(weekday), "time": time.strip()})


def _print(opened: Opened, rows: Sequence[QueueSlot], *, as_json: bool, single: bool = False) -> None:
    shown: list[dict[str, Any]] = [queue_slots.describe_slot(opened.session, row, opened.now) for row in rows]
    if as_json:
        print_json(shown[0] if single else shown)
        return
    if not shown:
        say("the account has no slots: socialflow queue add ACCOUNT_ID --weekday mon --time 09:30")
        return
    told = [{**one, "weekday": WEEKDAYS[one["weekday"]]} for one in shown]
    print_records(told, ["id", "weekday", "time", "timezone", "next_at"])
