"""A test clock, and the types of the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sandbox.accounts import SandboxAccount

AccountOf = Callable[..., SandboxAccount]
"""`account_of(platform, index=0)`"""
Auth = Callable[..., dict[str, str]]
"""`auth(platform, index=0)`: the headers of a signed-in client."""


Json = dict[str, Any]


@dataclass
class Clock:
    moment: datetime = field(default=datetime(2026, 3, 4, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **by: float) -> None:
        """Move on by hours=, minutes=, seconds= as timedelta takes them."""
        self.moment += timedelta(**by)
