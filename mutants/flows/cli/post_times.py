"""`--at`: a time as written, or "optimal", which the lake's advice and the calendar find."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from flows.cli.arguments import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.database import Session
    from warehouse.store.models import Workspace

OPTIMAL = "optimal"


class ChosenTime(NamedTuple):
    """When a post goes out, and what `posts.details` keeps of why."""

    at: datetime
    details: dict[str, Any]
    reason: str | None = None


@contextmanager
def open_lake_for(at: str | None, settings: WarehouseSettings) -> Iterator[Lake | None]:
    """Open the lake where `at` needs it: before the store's transaction, which should be short.

    Raises SetupError where there is no lake yet.
    """
    if not is_optimal(at):
        yield None
        return
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (DuckDB costs 40 MB: only for this)

    with Lake.open(settings, read_only=True) as lake:
        yield lake


def is_optimal(at: str | None) -> bool:
    """Tell whether advice is to find the time."""
    return at is not None and at.strip().lower() == OPTIMAL


def read_time(at: str | None, zone: str, now: datetime) -> ChosenTime:
    """Return the time as written; now, where none is written or advice is to find it. Raises InvalidInputError."""
    if at is None or is_optimal(at):
        return ChosenTime(now, {})
    return ChosenTime(parse_time(at, zone, now), {})


def find_time(
    session: Session,
    lake: Lake,
    workspace: Workspace,
    accounts: Sequence[AnyAccount],
    now: datetime,
    *,
    except_post_id: str | None = None,
) -> ChosenTime:
    """Return the next best free time of these accounts. Raises InvalidInputError where there is none."""
    from warehouse.scheduling.optimal_placement import place_post  # noqa: PLC0415 (as above)

    placement = place_post(
        session,
        lake,
        workspace.id,
        accounts,
        now,
        seed=secrets.randbits(32),
        except_post_id=except_post_id,
    )
    scheduling = {
        "requested": OPTIMAL,
        "timezone": workspace.timezone,
        "resolution": OPTIMAL,
        "note": placement.reason,
    }
    details = {"scheduling": scheduling, "placement": placement.as_details()}
    return ChosenTime(placement.candidate.at, details, placement.reason)
