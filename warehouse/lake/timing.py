"""Optimal times between the lake and the pure model: read the posts, compute, keep the answer.

The model and pandas are imported where times are computed: the API only reads them, and spares 60 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    import pandas as pd
    from duckdb import DuckDBPyConnection

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

SLOTS = 168


def refresh_optimal_times(lake: Lake, *, timezones: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Compute every account's slots again and replace marts.optimal_times.

    All measured posts of an account count, whoever published them. `timezones` gives IANA zones by
    account_id; an account left out takes the zone of its lake row, else UTC.

    Returns {accounts, posts, rows, platforms, model_version, computed_at}.
    """
    import pandas as pd  # noqa: PLC0415 (see the module docstring)

    from warehouse.optimal_times import MODEL_VERSION  # noqa: PLC0415 (same)

    rows = lake.query(load_sql("queries/timing_accounts"))
    for row in rows:
        row["timezone"] = timezones.get(row["account_id"]) or row["timezone"] or "UTC"
    accounts = pd.DataFrame(rows, columns=["account_id", "workspace_id", "platform", "timezone"])
    parts, posts = [], 0
    for platform, of_platform in accounts.groupby("platform"):
        slots, counted = _compute_platform(lake, str(platform), of_platform, now)
        parts.append(slots)
        posts += counted
    slots = pd.concat(parts) if parts else pd.DataFrame()

    def work(cursor: DuckDBPyConnection) -> None:
        cursor.execute("DELETE FROM marts.optimal_times")
        if len(slots):
            cursor.register("slots", slots)
            params = {"model_version": MODEL_VERSION, "computed_at": now}
            cursor.execute(load_sql("marts/insert_optimal_times"), params)
            cursor.unregister("slots")

    lake.run_write(work)
    return {
        "accounts": len(accounts),
        "posts": posts,
        "rows": len(slots),
        "platforms": sorted(accounts["platform"].unique()),
        "model_version": MODEL_VERSION,
        "computed_at": now,
    }


def get_optimal_times(
    lake: Lake,
    *,
    workspace_id: str,
    platform: Platform | str | None = None,
    account_id: str | None = None,
    account_ids: Collection[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Return the best slots of each account, best first, at most `limit` per account (None = all 168).

    `platform`, `account_id` and `account_ids` narrow the accounts; None = all.

    Rows hold the columns of marts.optimal_times and the account's handle. Nothing computed yet = no rows.
    """
    params = {
        "workspace_id": workspace_id,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "account_ids": None if account_ids is None else list(account_ids),
        "slots": SLOTS if limit is None else limit,
    }
    return lake.query(load_sql("queries/optimal_times"), params)


def get_posting_noise(
    lake: Lake, *, workspace_id: str, account_ids: Collection[str], since: datetime
) -> dict[str, float]:
    """Return the luck in one post by account id: a standard deviation in log units (1.1 = a factor of 3).

    Accounts with fewer than 20 pairs of grown posts since then are left out: that is not measured.
    """
    params = {"workspace_id": workspace_id, "account_ids": list(account_ids), "since": since}
    rows = lake.query(load_sql("queries/posting_noise"), params)
    return {row["account_id"]: row["noise"] for row in rows}


def _compute_platform(
    lake: Lake, platform: str, accounts: pd.DataFrame, now: datetime
) -> tuple[pd.DataFrame, int]:
    """Return the slots of a platform's accounts, each with the others' profile as its prior."""
    from warehouse.optimal_times import (  # noqa: PLC0415 (see the module docstring)
        compute_from_sums,
        compute_prior_without_each,
        compute_slot_sums,
    )

    zones = dict(zip(accounts["account_id"], accounts["timezone"], strict=True))
    history = lake.frame(load_sql("queries/timing_history"), {"platform": platform})
    # A publication whose account row is missing cannot be told to anyone: its account has no workspace here.
    history = history[history["account_id"].isin(zones)]
    sums = compute_slot_sums(history, timezones=zones, as_of=now)
    slots = compute_from_sums(sums, prior=compute_prior_without_each(sums))
    slots["account_posts"] = slots.groupby("account_id")["n_posts"].transform("sum")
    known = accounts[["account_id", "workspace_id", "platform", "timezone"]]
    return slots.merge(known, on="account_id", validate="many_to_one"), len(history)
