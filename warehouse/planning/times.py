"""Resolve the publishing time of a post: a given time, "optimal", "queue", or now."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import ResolvedTime, require_future, resolve_time
from warehouse.scheduling.queue_slots import next_free_slot
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.target_accounts import list_target_accounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.types import Platform
    from warehouse.planning.context import PlanningContext
    from warehouse.store.accounts.target_accounts import TargetAccount

OPTIMAL, QUEUE = "optimal", "queue"


@dataclass(frozen=True, slots=True)
class Recipients:
    """Target platforms and accounts of a request."""

    platforms: Sequence[Platform] = ()
    account_ids: Sequence[str] = ()

    def find(self, context: PlanningContext, *, lock: bool = True) -> list[TargetAccount]:
        """Return the accounts, locked for the transaction unless it only reads. Raises InvalidInputError."""
        return list_target_accounts(
            context.session,
            context.workspace_id,
            platforms=self.platforms,
            account_ids=self.account_ids,
            lock=lock,
        )


def needs_lake(scheduled_at: object) -> bool:
    """Return whether planning with this `scheduled_at` reads the lake.

    A command opens the lake only if needed, and before its transaction, which should be short.
    """
    return isinstance(scheduled_at, str) and scheduled_at.strip().lower() == OPTIMAL


def is_advised(scheduled_at: object) -> bool:
    """Return whether this `scheduled_at` leaves the time to us, which depends on the accounts' other posts."""
    return isinstance(scheduled_at, str) and scheduled_at.strip().lower() in {OPTIMAL, QUEUE}


def resolve_when(
    context: PlanningContext,
    value: str | None,
    timezone: str | None,
    recipients: Recipients,
    *,
    experiment: bool = True,
    except_post_id: str | None = None,
    unless_passed: datetime | None = None,
) -> ResolvedTime | None:
    """Return the instant of `scheduled_at`, or None if it is not given.

    A time without an offset is in `timezone`, else in the workspace's zone. "queue" is the next slot that is free on
    all the accounts. With "optimal", `experiment` allows the workspace's experiment to choose the time.
    `except_post_id` is the post being moved. `unless_passed` is the one
    past time that is accepted, to the minute: that of the draft being changed. Raises InvalidInputError.
    """
    zone = parse_timezone(timezone or read_settings(context.session, context.workspace_id).timezone)
    if value is None:
        return None
    asked = value.strip().lower()
    if asked not in {OPTIMAL, QUEUE}:
        resolved = resolve_time(value, zone)
        if unless_passed is None or _minute(resolved.at) != _minute(unless_passed):
            require_future(resolved, context.now)
        return resolved
    accounts = recipients.find(context)
    if asked == QUEUE:
        if not accounts:
            raise InvalidInputError(
                "a queue belongs to an account: name at least one", field="platforms", code="no_target"
            )
        at = next_free_slot(context.session, accounts, context.now, except_post_id=except_post_id)
        return ResolvedTime(at, value, zone.key, "queue", "the next free slot of the queue")
    from warehouse.scheduling.optimal_placement import place_post  # noqa: PLC0415 (only needed to read the lake)

    placement = place_post(
        context.session,
        context.open_lake(),
        context.workspace_id,
        accounts,
        context.now,
        seed=secrets.randbits(32) if experiment else None,
        except_post_id=except_post_id,
    )
    return ResolvedTime(
        placement.candidate.at, value, zone.key, "optimal", placement.reason, placement.as_details()
    )


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def resolve_at_once(context: PlanningContext) -> ResolvedTime:
    """Return the current time as the time of a post to publish now."""
    zone = read_settings(context.session, context.workspace_id).timezone
    return ResolvedTime(context.now, "", zone, "now")


def timing_details(resolved: ResolvedTime | None) -> dict[str, Any]:
    """Return how a time was found, as `posts.details` stores it: under "scheduling" and "placement"."""
    return {
        "scheduling": scheduling_details(resolved),
        "placement": resolved.placement if resolved else None,
    }


def scheduling_details(resolved: ResolvedTime | None) -> dict[str, Any] | None:
    """Return how a time was found, as `posts.details["scheduling"]` stores it."""
    if resolved is None:
        return None
    return {
        "requested": resolved.requested or None,
        "timezone": resolved.timezone,
        "resolution": resolved.resolution,
        "note": resolved.note,
    }
