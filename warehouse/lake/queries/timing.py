"""Optimal times: read the posts from the lake, run the pure model, store the result.

The model and its libraries are imported only where times are computed; the API only reads times, which saves 60 MB.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.timing.habits import HabitPosts
    from warehouse.timing.sums import SlotSums

    FloatArray = npt.NDArray[np.float64]

SLOTS = 168

logger = logging.getLogger(__name__)


def refresh_optimal_times(lake: Lake, *, now: datetime) -> dict[str, Any]:
    """Recompute the slots of all accounts, in the time zone of dims.accounts, and replace marts.optimal_times.

    All measured posts of an account count, from any origin.

    Returns {accounts, posts, rows, platforms, model_version, computed_at, failures}; `failures` has the problem by
    account id or platform.
    """
    import pyarrow as pa  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.history import check_zone  # noqa: PLC0415 (same)
    from warehouse.timing.model import MODEL_VERSION  # noqa: PLC0415 (same)
    from warehouse.timing.prior import pool_elsewhere  # noqa: PLC0415 (same)
    from warehouse.timing.scores import BASES, CONFIDENCES  # noqa: PLC0415 (same)

    accounts = lake.query(load_sql("queries/select_timing_accounts"))
    by_platform: dict[str, list[dict[str, Any]]] = {}
    failures: dict[str, str] = {}
    for place, row in enumerate(accounts):
        row["place"] = place
        try:
            check_zone(row["timezone"])
        except InvalidInputError as error:
            failures[row["account_id"]] = f"{error.message}; computed in UTC"
            row["timezone"] = "UTC"
        by_platform.setdefault(row["platform"], []).append(row)
    found: dict[str, _PlatformSums] = {}
    for platform, rows in by_platform.items():
        with _failing_alone(platform, failures):
            found[platform] = _sum_platform(lake, platform, rows, now)
    parts, facts, habits, posts, computed = [], [], [], 0, []
    elsewhere = pool_elsewhere([sums.slots for sums in found.values()])
    for (platform, sums), profile in zip(found.items(), elsewhere, strict=True):
        with _failing_alone(platform, failures):
            slots, of_accounts = _score_platform(sums.slots, by_platform[platform], profile)
            parts.append(slots)
            facts.append(of_accounts)
            habits.append(sums.habits)
            computed.append(platform)
            posts += sums.posts
    params = {
        "model_version": MODEL_VERSION,
        "computed_at": now,
        "bases": list(BASES),
        "confidences": list(CONFIDENCES),
    }

    def work(cursor: DuckDBPyConnection) -> None:
        kept = {"kept": sorted(by_platform.keys() - set(computed))}
        cursor.execute(load_sql("marts/delete_optimal_times"), kept)
        cursor.execute(load_sql("marts/delete_timing_accounts"), kept)
        cursor.execute(load_sql("marts/delete_posting_habits"), kept)
        if parts:
            cursor.register("accounts", pa.Table.from_pylist(accounts))
            cursor.register("slots", pa.concat_tables(parts))
            cursor.execute(load_sql("marts/insert_optimal_times"), params)
            cursor.register("facts", pa.concat_tables(facts))
            cursor.execute(load_sql("marts/insert_timing_accounts"), {"computed_at": now})
            cursor.unregister("facts")
            cursor.register("habits", pa.concat_tables(habits))
            cursor.execute(load_sql("marts/insert_posting_habits"), {"computed_at": now})
            cursor.unregister("habits")
            cursor.unregister("slots")
            cursor.unregister("accounts")

    lake.run_write(work)
    return {
        "accounts": len(accounts),
        "posts": posts,
        "rows": sum(len(part) for part in parts),
        "platforms": sorted(by_platform),
        "model_version": MODEL_VERSION,
        "computed_at": now,
        "failures": failures,
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

    Rows have the columns of marts.optimal_times and the account's handle. Nothing computed yet = no rows.
    """
    params = {
        "workspace_id": workspace_id,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "account_ids": None if account_ids is None else list(account_ids),
        "slots": SLOTS if limit is None else limit,
    }
    return lake.query(load_sql("queries/select_optimal_times"), params)


def get_timing_facts(
    lake: Lake, *, workspace_id: str, account_ids: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return what holds for an account's whole week, by account id.

    Values: p_chance, moved_at, suspicious_hours, shared_luck, as in marts.timing_accounts.
    """
    params = {"workspace_id": workspace_id, "account_ids": list(account_ids)}
    rows = lake.query(load_sql("queries/select_timing_facts"), params)
    return {row.pop("account_id"): row for row in rows}


def get_posting_habits(
    lake: Lake, *, workspace_id: str, account_ids: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the findings about how often to post, and which kinds and lengths do better, by account id.

    Rows: subject, label, n_posts, effect, low, high, known, as in marts.posting_habits.
    """
    params = {"workspace_id": workspace_id, "account_ids": list(account_ids)}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in lake.query(load_sql("queries/select_posting_habits"), params):
        found.setdefault(row.pop("account_id"), []).append(row)
    return found


def get_posting_noise(
    lake: Lake, *, workspace_id: str, account_ids: Collection[str], since: datetime
) -> dict[str, float]:
    """Return the noise of one post by account id: a standard deviation in log units (1.1 = a factor of 3).

    Accounts with fewer than 20 pairs of grown posts since then are left out as not measured.
    """
    params = {"workspace_id": workspace_id, "account_ids": list(account_ids), "since": since}
    rows = lake.query(load_sql("queries/estimate_posting_noise"), params)
    return {row["account_id"]: row["noise"] for row in rows}


def _compute_habits(posts: HabitPosts, kinds: list[str], accounts: list[dict[str, Any]]) -> pa.Table:
    """Return the findings of `compute_all_habits` for a platform's accounts, with the place of each account."""
    import pyarrow as pa  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.habits import compute_all_habits  # noqa: PLC0415 (same)

    found = compute_all_habits(posts, kinds, [row["timezone"] for row in accounts])
    rows = [row | {"place": accounts[row.pop("account")]["place"]} for row in found]
    types = {"subject": pa.string(), "label": pa.string(), "n_posts": pa.int64(), "known": pa.bool_()}
    types |= {"effect": pa.float64(), "low": pa.float64(), "high": pa.float64(), "place": pa.int32()}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


@dataclass(frozen=True, slots=True)
class _PlatformSums:
    """What is kept of a platform's posts until all platforms are read."""

    slots: SlotSums
    habits: pa.Table
    posts: int


@contextmanager
def _failing_alone(platform: str, failures: dict[str, str]) -> Iterator[None]:
    """Note invalid data of one platform in `failures`: its old advice is kept, and the others are computed."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        logger.exception("the times of %s could not be computed", platform)
        failures[platform] = f"{type(error).__name__}: {error}"


def _sum_platform(lake: Lake, platform: str, accounts: list[dict[str, Any]], now: datetime) -> _PlatformSums:
    """Read a platform's posts and return their sums per slot and the accounts' habits.

    The posts' arrays are freed before the fit starts; otherwise twice the memory would be needed.
    """
    from warehouse.lake.queries.timing_posts import read_age_curve, read_posts  # noqa: PLC0415 (see the module docstring)
    from warehouse.timing.sums import sum_posts  # noqa: PLC0415 (same)

    names = [row["account_id"] for row in accounts]
    zones = [row["timezone"] for row in accounts]
    posts, habit_posts, kinds = read_posts(lake, platform, names, now)
    slots = sum_posts(names, zones, posts, read_age_curve(lake, platform))
    return _PlatformSums(slots, _compute_habits(habit_posts, kinds, accounts), len(posts))


def _score_platform(
    sums: SlotSums, accounts: list[dict[str, Any]], elsewhere: FloatArray
) -> tuple[pa.Table, pa.Table]:
    """Return the slots of a platform's accounts, and what holds for each account.

    The prior of an account is the profile of the others, which leans on that of the other platforms (`elsewhere`).
    """
    import numpy as np  # noqa: PLC0415 (see the module docstring)
    import pyarrow as pa  # noqa: PLC0415 (same)

    from warehouse.timing.prior import learn_kernel, pool_profiles  # noqa: PLC0415 (same)
    from warehouse.timing.scores import score_sums  # noqa: PLC0415 (same)
    from warehouse.timing.sums import NEVER  # noqa: PLC0415 (same)

    _, without = pool_profiles(sums.independent_count(), sums.mean, sums.noise, elsewhere)
    table = score_sums(sums, without, learn_kernel(sums, without))
    slot = np.tile(np.arange(SLOTS, dtype=np.int32), len(accounts))
    chance, suspicious = table.pop("p_chance")[:, 0], table.pop("suspicious").reshape(-1, 7, 24)[:, 0]
    moved = np.where(sums.moved_at == NEVER, 0, sums.moved_at).astype("datetime64[us]")
    facts = pa.table(
        {
            "place": np.array([row["place"] for row in accounts], dtype=np.int32),
            "p_chance": pa.array(chance, from_pandas=True),
            "moved_at": pa.array(moved, mask=sums.moved_at == NEVER).cast(pa.timestamp("us", tz="UTC")),
            "suspicious_hours": pa.array(
                [np.flatnonzero(hours).tolist() for hours in suspicious], pa.list_(pa.int32())
            ),
            "shared_luck": np.sqrt(sums.luck.variance),
        }
    )
    columns = {
        "place": np.repeat(np.array([row["place"] for row in accounts], dtype=np.int32), SLOTS),
        "weekday": slot // 24,
        "hour": slot % 24,
        "account_posts": np.repeat(sums.rows.sum(axis=1).astype(np.int64), SLOTS),
    }
    return pa.table(columns | {key: values.reshape(-1) for key, values in table.items()}), facts
