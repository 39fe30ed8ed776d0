"""Fault injection: which requests fail, how, and how often.

A kind that ends in `_before` fails before the platform accepts anything; `_after` fails once it has accepted,
so that the caller cannot tell. `refused_oddly` is a rejected token as some servers report it: HTTP 400,
text/html, "Invalid Bearer token". `malformed` also accepts first: only half of the response's bytes arrive.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Literal, cast, get_args

from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

Operation = Literal["publish", "prepare", "read", "metrics", "followers", "refresh", "delete", "edit"]
FaultKind = Literal[
    "error_500_before",
    "error_500_after",
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "rate_limited",
    "unauthorized",
    "forbidden",
    "refused_oddly",
    "malformed",
    "html_error",
    "empty_page",
    "repeated_cursor",
]
OPERATIONS: tuple[str, ...] = get_args(Operation)
KINDS: tuple[str, ...] = get_args(FaultKind)


@dataclass(slots=True)
class FaultRule:
    """One fault. It applies while `remaining` is not 0; None = without limit."""

    kind: FaultKind
    platform: Platform | None = None
    """None = every platform."""
    operation: Operation | Literal["any"] = "any"
    account: str | None = None
    """Handle or external id of the only account concerned."""
    count: int | None = 1
    probability: float = 1.0
    """Probability that a matching request fails, drawn from the rule's own seed."""
    seed: int = 0
    seconds: float = 30.0
    """Duration of `hang_*`."""
    retry_after: float = 60.0
    """Seconds until the reset that `rate_limited` reports."""
    id: int = 0
    remaining: int | None = field(init=False)
    fired: int = field(init=False, default=0)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.remaining = self.count
        self._random = random.Random(self.seed)  # noqa: S311  a reproducible draw, no secret

    def applies(self, platform: Platform, operation: str, account_names: tuple[str, ...]) -> bool:
        """Return whether this request fails; draws a random number only if all other conditions match."""
        if self.remaining == 0 or self.platform not in (None, platform):
            return False
        if self.operation not in ("any", operation):
            return False
        if self.account is not None and self.account not in account_names:
            return False
        return self.probability >= 1.0 or self._random.random() < self.probability

    def describe(self) -> dict[str, object]:
        """Return the rule as JSON-ready values."""
        names = ("id", "kind", "platform", "operation", "account", "count", "remaining", "fired")
        more = ("probability", "seed", "seconds", "retry_after")
        return {name: getattr(self, name) for name in (*names, *more)}


class FaultPlan:
    """The active rules, of which the first match applies, and the count of faults by kind."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self.fired: Counter[str] = Counter()
        self._ids = count(1)

    def add(self, rule: FaultRule) -> FaultRule:
        """Append the rule and assign its id."""
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def clear(self, rule_id: int | None = None) -> int:
        """Remove one rule, or all; return the number removed."""
        kept = [] if rule_id is None else [rule for rule in self.rules if rule.id != rule_id]
        removed = len(self.rules) - len(kept)
        self.rules = kept
        return removed

    def take(self, platform: Platform, operation: str, account_names: tuple[str, ...]) -> FaultRule | None:
        """Return the rule that hits this request and count it, or None."""
        if not self.rules:
            return None
        for rule in self.rules:
            if rule.applies(platform, operation, account_names):
                rule.fired += 1
                self.fired[f"{platform}:{operation}:{rule.kind}"] += 1
                if rule.remaining is not None:
                    rule.remaining -= 1
                return rule
        return None


def parse_rule(body: Mapping[str, object]) -> FaultRule:
    """Build a rule from JSON. Raises ValueError that names the invalid field and its valid values."""
    allowed = (
        "kind",
        "platform",
        "operation",
        "account",
        "count",
        "probability",
        "seed",
        "seconds",
        "retry_after",
    )
    for name in body:
        if name not in allowed:
            raise ValueError(f"unknown field {name!r} of a fault: use {', '.join(allowed)}")
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    operation = body.get("operation", "any")
    if operation not in (*OPERATIONS, "any"):
        raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, any; not {operation!r}")
    platform = body.get("platform")
    account = body.get("account")
    if account is not None and not isinstance(account, str):
        raise ValueError(f"account must be a handle or an id, not {account!r}")
    times = body.get("count", 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise ValueError(f"count must be a whole number of at least 1, or null for no end, not {times!r}")
    return FaultRule(
        kind=cast("FaultKind", kind),
        platform=None if platform in (None, "any") else Platform.parse(str(platform)),
        operation=cast("Operation", operation),
        account=account,
        count=times,
        probability=_number(body, "probability", 1.0, high=1.0),
        seed=int(_number(body, "seed", 0)),
        seconds=_number(body, "seconds", 30.0),
        retry_after=_number(body, "retry_after", 60.0),
    )


def _number(body: Mapping[str, object], name: str, default: float, *, high: float = float("inf")) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise ValueError(
            f"{name} must be a number from 0{'' if high == float('inf') else f' to {high:g}'}, not {value!r}"
        )
    return float(value)
