"""Choose the time of a post by advice: the lake has the value of each hour, the store the posts already scheduled.

The caller holds the lock on the target accounts' rows (`list_target_accounts`), so that concurrent requests see each
other's posts and never take the same slot.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from warehouse.errors import InvalidInputError
from warehouse.lake.queries.timing import list_advised_slots
from warehouse.scheduling.explanations import describe_choice
from warehouse.scheduling.placement import (
    HARD_GAP,
    WANTED_GAP,
    Calendar,
    Candidate,
    SlotAdvice,
    Week,
    best_of,
    list_candidates,
)
from warehouse.store.access.workspaces import get_workspace
from warehouse.store.schedules.placements import MANUAL, get_policy, list_planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.schedules.placements import PlacementPolicy, Planned

Kind = Literal["recommended", "random", "exploration"]

LEAD = timedelta(minutes=5)
"""An advised time is at least this far ahead, so that a user can still change it."""
NEAR, FAR = timedelta(days=7), timedelta(days=14)
EXPLORATION_PAUSE = timedelta(days=7)
_REACH = max(WANTED_GAP, timedelta(hours=3))
"""How far around a span other posts are considered."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The chosen time of a post, and the reason."""

    kind: Kind
    candidate: Candidate
    reason: str
    free: int
    """Number of free times to choose from."""
    gap: timedelta
    random_share: float | None = None
    """In a running experiment: the share of posts placed at random. None = no experiment."""
    seed: int | None = None
    acceptable: int | None = None
    """In an experiment: the number of times in the random choice."""

    def as_details(self) -> dict[str, Any]:
        """Return it as JSON, as stored in `posts.details["placement"]`; lifts are fractions."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "expected_lift": self.candidate.lift,
            "lift_low": self.candidate.lift_low,
            "lift_high": self.candidate.lift_high,
            "free": self.free,
            "gap_minutes": int(self.gap.total_seconds() // 60),
            "random_share": self.random_share,
            "seed": self.seed,
            "acceptable": self.acceptable,
        }


def load_weeks(session: Session, lake: Lake, workspace_id: str, accounts: Sequence[AnyAccount]) -> list[Week]:
    """Return the advised week of each account, in their order; empty if nothing is computed yet.

    Cached per session: a file of a thousand posts reads the lake once, and the store is not held meanwhile.
    """
    key = ("advised_weeks", *(row.id for row in accounts))
    if key not in session.info:
        session.info[key] = _load_weeks(session, lake, workspace_id, accounts)
    weeks: list[Week] = session.info[key]
    return weeks


def _load_weeks(
    session: Session, lake: Lake, workspace_id: str, accounts: Sequence[AnyAccount]
) -> list[Week]:
    by_account: dict[str, dict[tuple[int, int], SlotAdvice]] = {row.id: {} for row in accounts}
    zones: dict[str, str] = {}
    for row in list_advised_slots(lake, workspace_id=workspace_id, account_ids=list(by_account)):
        # account_id, timezone, weekday, hour, then the advice
        by_account[row[0]][row[2:4]] = SlotAdvice._make(row[4:])
        zones[row[0]] = row[1]
    default = get_workspace(session, workspace_id).timezone
    return [
        Week(
            account_id=row.id,
            platform=row.platform,
            zone=ZoneInfo(zones.get(row.id) or row.timezone or default),
            slots=by_account[row.id],
        )
        for row in accounts
    ]


def read_calendar(
    session: Session,
    account_ids: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    except_post_id: str | None = None,
) -> tuple[Calendar, list[Planned]]:
    """Return scheduled and published posts of these accounts in and around [start, end)."""
    planned = list_planned(
        session, account_ids, start=start - _REACH, end=end + _REACH, except_post_id=except_post_id
    )
    busy: dict[str, list[datetime]] = {account_id: [] for account_id in account_ids}
    picks: dict[str, list[datetime]] = {account_id: [] for account_id in account_ids}
    for item in planned:
        busy[item.account_id].append(item.at)
        if item.placement != MANUAL:
            picks[item.account_id].append(item.at)
    return Calendar(busy, picks), planned


def place_post(
    session: Session,
    lake: Lake,
    workspace_id: str,
    accounts: Sequence[AnyAccount],
    now: datetime,
    *,
    seed: int | None,
    except_post_id: str | None = None,
) -> Placement:
    """Return the next best time that is free on all of these accounts, or the time from the workspace's experiment.

    Free = two hours from any scheduled or published post of these accounts, in the coming week, else in the week
    after; if there is none, half an hour. `seed` determines an experiment's draw; None = no experiment.
    `except_post_id` is the post itself when it is moved.

    Raises InvalidInputError: nothing computed for any account yet, or both weeks are full.
    """
    weeks = load_weeks(session, lake, workspace_id, accounts)
    if not any(week.slots for week in weeks):
        raise InvalidInputError(
            "no times have been computed for these accounts yet: give a time, or wait for the nightly computation "
            "(`socialflow run optimal-times` runs it now)",
            field="scheduled_at",
            code="no_advised_time",
        )
    start = now + LEAD
    candidates = list_candidates(weeks, start, now + FAR)
    # Explorations of the previous week count too.
    calendar, planned = read_calendar(
        session,
        [row.id for row in accounts],
        start - EXPLORATION_PAUSE,
        now + FAR + EXPLORATION_PAUSE,
        except_post_id=except_post_id,
    )
    free, gap = _find_free(candidates, calendar, now)
    zone = ZoneInfo(get_workspace(session, workspace_id).timezone)
    policy = get_policy(session, workspace_id)
    explored = [item.at for item in planned if item.placement == "exploration"]
    chosen = choose(free, gap, policy=policy, seed=seed, explored=explored)
    reason = describe_choice(
        chosen.candidate,
        weeks,
        kind=chosen.kind,
        zone=zone,
        free=chosen.free,
        gap=chosen.gap,
        random_share=chosen.random_share,
        acceptable=chosen.acceptable,
    )
    return replace(chosen, reason=reason)


def choose(
    free: Sequence[Candidate],
    gap: timedelta,
    *,
    policy: PlacementPolicy,
    seed: int | None,
    explored: Sequence[datetime] = (),
) -> Placement:
    """Return the best free time or, as the policy requires, a random or exploratory one. Sets no reason yet.

    An exploration is chosen before the draw and never takes part in it, so that the draw is a fair comparison.
    """
    best = Placement("recommended", best_of(free), "", len(free), gap)
    if seed is None:
        return best
    if policy.weekly_exploration:
        fresh = [c for c in free if all(abs(c.at - other) >= EXPLORATION_PAUSE for other in explored)]
        hopeful = max(fresh, key=lambda c: (c.lift_high, -c.at.timestamp()), default=None)
        if hopeful is not None and hopeful.at != best.candidate.at:
            return Placement("exploration", hopeful, "", len(free), gap)
    acceptable = [candidate for candidate in free if candidate.acceptable]
    if policy.random_share <= 0 or not acceptable:
        return best
    drawn = random.Random(seed)  # noqa: S311 (a reproducible draw of an experiment)
    kind: Kind = "random" if drawn.random() < policy.random_share else "recommended"
    return Placement(
        kind=kind,
        candidate=drawn.choice(acceptable) if kind == "random" else best_of(acceptable),
        reason="",
        free=len(free),
        gap=gap,
        random_share=policy.random_share,
        seed=seed,
        acceptable=len(acceptable),
    )


def _find_free(
    candidates: Sequence[Candidate], calendar: Calendar, now: datetime
) -> tuple[list[Candidate], timedelta]:
    for gap in (WANTED_GAP, HARD_GAP):
        for reach in (NEAR, FAR):
            free = [c for c in candidates if c.at <= now + reach and calendar.is_free(c.at, gap)]
            if free:
                return free, gap
    raise InvalidInputError(
        "the next two weeks of these accounts are full: give a time",
        field="scheduled_at",
        code="no_free_time",
    )
