"""Who acts in this task or thread: set once where a request or a command begins, read by every audit entry."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class Actor(NamedTuple):
    """Who does something, and from where."""

    kind: str
    """api_key | dashboard | command_line | anonymous | system (a flow, or a start of the API)"""
    id: str | None = None
    """The API key's id; the user's name on the command line."""
    address: str | None = None
    """The client's network address, as far as the trusted proxies tell it."""
    session_id: str | None = None
    """The dashboard session."""


_SYSTEM = Actor("system")
_acting: ContextVar[Actor] = ContextVar("audit_actor", default=_SYSTEM)


def act_as(actor: Actor) -> None:
    """Make `actor` the one whose deeds the rest of this task, and the threads it starts, record."""
    _acting.set(actor)


def current_actor() -> Actor:
    """Return who acts."""
    return _acting.get()
