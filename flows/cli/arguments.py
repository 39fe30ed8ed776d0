"""Arguments shared by several commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.moments import write_time
from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Query the lake as of a snapshot number, or a time such as 2026-11-01T06:00 or -2h (UTC).",
    ),
]
ChangedSinceOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Only what changed since this snapshot of the lake, the cursor that an earlier export printed, at most "
        "7 days ago: a column `change` says inserted, changed or removed.",
    ),
]


_WHOLE_ID = re.compile(r"[a-z]+_[0-9a-z]{26}")
_BEGINNING = re.compile(r"([a-z]+)_[0-9a-z]{1,25}")


def expand_id(given: str) -> str:
    """Return the id that begins like this, if exactly one in the workspace does; else the text as it is.

    Callback of the arguments that take an id. Raises InvalidInputError if several begin like this.
    """
    beginning = _BEGINNING.fullmatch(given)
    if _WHOLE_ID.fullmatch(given) or beginning is None:
        return given
    from flows.cli.workspace_session import open_workspace  # noqa: PLC0415 (only for a shortened id)
    from warehouse.store.identifiers import find_ids  # noqa: PLC0415 (same)

    with open_workspace() as opened:
        found = find_ids(opened.session, opened.workspace_id, given, limit=2)
    if len(found) > 1:
        raise InvalidInputError(
            f"several ids begin with {given}: write more of it, such as {' or '.join(found)}",
            field="id",
            code="ambiguous_id",
        )
    return found[0] if found else given


def require_choice(text: str, choices: Iterable[str], *, field: str) -> None:
    """Raise InvalidInputError with the valid choices unless `text` is one of them."""
    known = list(choices)
    if text not in known:
        raise InvalidInputError(
            f"{field} {text!r} is unknown: use one of {', '.join(known)}", field=field, code="unknown_choice"
        )


def parse_as_of(text: str | None) -> int | datetime | None:
    """Parse --as-of: a snapshot number or a time (UTC if it has no offset).

    Raises InvalidInputError.
    """
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        at = datetime.fromisoformat(write_time(text, "UTC", field="as_of"))
    except (ValueError, InvalidInputError):
        raise InvalidInputError(
            f"--as-of {text!r} is neither a snapshot number nor a time such as 2026-11-01T06:00Z or -2h",
            field="as_of",
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
