"""Optimal times: read the posts from the lake, run the pure model, store the result.

The model and its libraries are imported only where times are computed; the API only reads times, which saves 60 MB.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.tracing import span
from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.timing.age import AgeCurve
    from warehouse.timing.fleet import Fleet
    from warehouse.timing.habits import HabitPosts
    from warehouse.timing.history import PostArrays
    from warehouse.timing.sums import SlotSums

SLOTS = 168

logger = logging.getLogger(__name__)


def refresh_optimal_times(lake: Lake, *, now: datetime) -> dict[str, Any]:
    """Recompute the slots of all accounts, in the time zone of dims.accounts, and replace marts.optimal_times.

    All measured posts of an account count, from any origin.

    Returns {accounts, posts, rows, platforms, model_version, computed_at, failures}; `failures` has the problem by
    account id or platform.
    """
    from warehouse.timing.fleet import learn_fleet  # noqa: PLC0415 (see the module docstring)
    from warehouse.timing.model import MODEL_VERSION  # noqa: PLC0415 (same)
    from warehouse.timing.prior import pool_elsewhere  # noqa: PLC0415 (same)

    failures: dict[str, str] = {}
    by_platform = _list_accounts(lake, failures)
    found: dict[str, tuple[_Sums, pa.Table]] = {}
    for platform, rows in by_platform.items():
        with (
            _failing_alone(platform, failures),
            span("timing.platform", platform=platform, accounts=len(rows)),
        ):
            found[platform] = _sum_with_habits(lake, platform, rows, now)
    results = []
    computed = []
    elsewhere = pool_elsewhere([sums.slots for sums, _ in found.values()])
    for (platform, (sums, habits)), profile in zip(found.items(), elsewhere, strict=True):
        rows = by_platform[platform]
        with _failing_alone(platform, failures), span("timing.score", platform=platform, accounts=len(rows)):
            fleet = learn_fleet(sums.slots, sums.curve, profile)
            results.append(_score(rows, sums, habits, fleet))
            computed.append(platform)
    _write(lake, results, now, kept=by_platform.keys() - set(computed), account_ids=None)
    return {
        "accounts": sum(map(len, by_platform.values())),
        "posts": sum(result.posts for result in results),
        "rows": sum(len(result.slots) for result in results),
        "platforms": sorted(by_platform),
        "model_version": MODEL_VERSION,
        "computed_at": now,
        "failures": failures,
    }


@dataclass(frozen=True, slots=True)
class TimingPart:
    """A range of a platform's accounts whose times one worker computes, with what the platform's accounts share."""

    platform: str
    first: str
    last: str
    """Ids of the first and the last account, as text in order."""
    now: datetime
    fleet: dict[str, Any]
    """`Fleet.as_dict`."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values: the parameter of a run."""
        return {
            "platform": self.platform,
            "first": self.first,
            "last": self.last,
            "now": self.now.isoformat(),
            "fleet": self.fleet,
        }


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """The parts of a timing run, and the summary that the whole run returns."""

    parts: list[TimingPart]
    summary: dict[str, Any]
    """As of `refresh_optimal_times`."""


def read_timing_part(plain: Mapping[str, Any]) -> TimingPart:
    """Return what `TimingPart.as_dict` wrote. Raises InvalidInputError."""
    try:
        now = datetime.fromisoformat(plain["now"])
        words = [str(plain[name]) for name in ("platform", "first", "last")]
        fleet = dict(plain["fleet"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"part is not what the planning run wrote ({type(error).__name__}: {error}): start the run without it",
            field="part",
        ) from error
    if now.tzinfo is None:
        raise InvalidInputError("part.now must have a time zone", field="part")
    return TimingPart(words[0], words[1], words[2], now, fleet)


def plan_timing(lake: Lake, *, now: datetime, parts: int) -> TimingPlan:
    """Learn what each platform's accounts share, and divide the accounts into about `parts` ranges.

    A large platform has more parts than a small one; each platform has at least one. What is no longer an account
    loses its times.
    """
    from warehouse.timing.fleet import learn_fleet  # noqa: PLC0415 (see the module docstring)
    from warehouse.timing.model import MODEL_VERSION  # noqa: PLC0415 (same)
    from warehouse.timing.prior import pool_elsewhere  # noqa: PLC0415 (same)

    failures: dict[str, str] = {}
    by_platform = _list_accounts(lake, failures)
    accounts = sum(map(len, by_platform.values()))
    summed: dict[str, _Sums] = {}
    for platform, rows in by_platform.items():
        with _failing_alone(platform, failures), span("timing.learn", platform=platform, accounts=len(rows)):
            summed[platform] = _sum_platform(lake, platform, rows, now)
    found: list[TimingPart] = []
    posts = 0
    elsewhere = pool_elsewhere([sums.slots for sums in summed.values()])
    for (platform, sums), profile in zip(summed.items(), elsewhere, strict=True):
        with _failing_alone(platform, failures):
            fleet = learn_fleet(sums.slots, sums.curve, profile).as_dict()
            posts += sums.posts
            rows, size = by_platform[platform], -(-accounts // parts)
            for start in range(0, len(rows), size):
                some = rows[start : start + size]
                found.append(TimingPart(platform, some[0]["account_id"], some[-1]["account_id"], now, fleet))
    stale = [row["account_id"] for row in lake.query(load_sql("queries/select_stale_timing_accounts"))]
    if stale:
        _write(lake, [], now, kept=failures.keys() & by_platform.keys(), account_ids=stale)
    computed = sum(len(rows) for platform, rows in by_platform.items() if platform not in failures)
    return TimingPlan(
        found,
        {
            "accounts": accounts,
            "posts": posts,
            "rows": computed * SLOTS,
            "platforms": sorted(by_platform),
            "model_version": MODEL_VERSION,
            "computed_at": now,
            "failures": failures,
        },
    )


def refresh_timing_part(lake: Lake, part: TimingPart) -> dict[str, Any]:
    """Replace the times of the part's accounts. They come out as if all accounts had been computed together.

    Returns {platform, accounts, posts, rows}. Times that a later run computed meanwhile stay.
    """
    from warehouse.timing.fleet import read_fleet  # noqa: PLC0415 (see the module docstring)

    fleet = read_fleet(part.fleet)
    rows = [
        row
        for row in _list_accounts(lake, {}).get(part.platform, [])
        if part.first <= row["account_id"] <= part.last
    ]
    ids = [row["account_id"] for row in rows]
    (newest,) = lake.query(load_sql("queries/select_newest_timing"), {"account_ids": ids})
    if not rows or (newest["computed_at"] is not None and newest["computed_at"] > part.now):
        return {"platform": part.platform, "accounts": 0, "posts": 0, "rows": 0}
    with span("timing.part", platform=part.platform, accounts=len(rows)):
        sums, habits = _sum_with_habits(lake, part.platform, rows, part.now, fleet.curve)
        result = _score(rows, sums, habits, fleet)
    _write(lake, [result], part.now, kept=(), account_ids=ids)
    return {
        "platform": part.platform,
        "accounts": len(rows),
        "posts": result.posts,
        "rows": len(result.slots),
    }


def _list_accounts(lake: Lake, failures: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return all accounts by platform, in order of their ids, each with a valid zone; note those without one."""
    from warehouse.timing.history import check_zone  # noqa: PLC0415 (see the module docstring)

    by_platform: dict[str, list[dict[str, Any]]] = {}
    for place, row in enumerate(lake.query(load_sql("queries/select_timing_accounts"))):
        row["place"] = place
        try:
            check_zone(row["timezone"])
        except InvalidInputError as error:
            failures[row["account_id"]] = f"{error.message}; computed in UTC"
            row["timezone"] = "UTC"
        by_platform.setdefault(row["platform"], []).append(row)
    return by_platform


@dataclass(frozen=True, slots=True)
class _Result:
    """What was computed for some accounts of a platform, as tables with the place of each account."""

    accounts: list[dict[str, Any]]
    slots: pa.Table
    facts: pa.Table
    habits: pa.Table
    posts: int


def _write(
    lake: Lake,
    results: Sequence[_Result],
    now: datetime,
    *,
    kept: Collection[str],
    account_ids: Collection[str] | None,
) -> None:
    """Replace the rows of these accounts (None = all), but for those of the platforms in `kept`, in one transaction."""
    import pyarrow as pa  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.model import MODEL_VERSION  # noqa: PLC0415 (same)
    from warehouse.timing.scores import BASES, CONFIDENCES  # noqa: PLC0415 (same)

    params = {
        "model_version": MODEL_VERSION,
        "computed_at": now,
        "bases": list(BASES),
        "confidences": list(CONFIDENCES),
    }
    gone = {"kept": sorted(kept), "account_ids": None if account_ids is None else list(account_ids)}

    def work(cursor: DuckDBPyConnection) -> None:
        cursor.execute(load_sql("marts/delete_optimal_times"), gone)
        cursor.execute(load_sql("marts/delete_timing_accounts"), gone)
        cursor.execute(load_sql("marts/delete_posting_habits"), gone)
        if results:
            cursor.register(
                "accounts", pa.Table.from_pylist([row for result in results for row in result.accounts])
            )
            cursor.register("slots", pa.concat_tables([result.slots for result in results]))
            cursor.execute(load_sql("marts/insert_optimal_times"), params)
            cursor.register("facts", pa.concat_tables([result.facts for result in results]))
            cursor.execute(load_sql("marts/insert_timing_accounts"), {"computed_at": now})
            cursor.unregister("facts")
            cursor.register("habits", pa.concat_tables([result.habits for result in results]))
            cursor.execute(load_sql("marts/insert_posting_habits"), {"computed_at": now})
            cursor.unregister("habits")
            cursor.unregister("slots")
            cursor.unregister("accounts")

    lake.run_write(work)


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


def list_advised_slots(
    lake: Lake, *, workspace_id: str, account_ids: Collection[str]
) -> list[tuple[Any, ...]]:
    """Return every slot of these accounts, in no order: what choosing a time needs, for many accounts at once.

    Columns: account_id, timezone, weekday, hour, then the fields of `warehouse.scheduling.placement.SlotAdvice`.
    """
    params = {"workspace_id": workspace_id, "account_ids": list(account_ids)}
    return lake.query_rows(load_sql("queries/select_advised_slots"), params)


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is kept of some accounts' posts: the posts' arrays would need twice the memory during the fit."""

    slots: SlotSums
    curve: AgeCurve
    posts: int


@contextmanager
def _failing_alone(platform: str, failures: dict[str, str]) -> Iterator[None]:
    """Note invalid data of one platform in `failures`: its old advice is kept, and the others are computed."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        logger.exception("the times of %s could not be computed", platform)
        failures[platform] = f"{type(error).__name__}: {error}"


def _sum_platform(lake: Lake, platform: str, accounts: list[dict[str, Any]], now: datetime) -> _Sums:
    """Return the slot sums of all accounts of a platform, from which its fleet is learned."""
    from warehouse.lake.queries.timing_posts import read_posts  # noqa: PLC0415 (see the module docstring)

    posts, _, _ = read_posts(lake, platform, [row["account_id"] for row in accounts], now)
    return _sum_posts(lake, platform, accounts, posts)


def _sum_with_habits(
    lake: Lake, platform: str, accounts: list[dict[str, Any]], now: datetime, curve: AgeCurve | None = None
) -> tuple[_Sums, pa.Table]:
    """Return the slot sums of the accounts and their habits, from one reading of the posts.

    With a given curve, the accounts are a part of the platform, from which nothing is learned.
    """
    from warehouse.lake.queries.timing_posts import read_posts  # noqa: PLC0415 (see the module docstring)

    posts, habit_posts, kinds = read_posts(lake, platform, [row["account_id"] for row in accounts], now)
    return _sum_posts(lake, platform, accounts, posts, curve), _compute_habits(habit_posts, kinds, accounts)


def _sum_posts(
    lake: Lake,
    platform: str,
    accounts: list[dict[str, Any]],
    posts: PostArrays,
    curve: AgeCurve | None = None,
) -> _Sums:
    from warehouse.lake.queries.timing_posts import read_age_curve  # noqa: PLC0415 (see the module docstring)
    from warehouse.timing.sums import sum_posts  # noqa: PLC0415 (same)

    names = [row["account_id"] for row in accounts]
    zones = [row["timezone"] for row in accounts]
    used = read_age_curve(lake, platform) if curve is None else curve
    return _Sums(sum_posts(names, zones, posts, used, with_split=curve is None), used, len(posts))


def _compute_habits(posts: HabitPosts, kinds: list[str], accounts: list[dict[str, Any]]) -> pa.Table:
    """Return the findings of `compute_all_habits` for some accounts, with the place of each account."""
    import pyarrow as pa  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.habits import compute_all_habits  # noqa: PLC0415 (same)

    found = compute_all_habits(posts, kinds, [row["timezone"] for row in accounts])
    rows = [row | {"place": accounts[row.pop("account")]["place"]} for row in found]
    types = {"subject": pa.string(), "label": pa.string(), "n_posts": pa.int64(), "known": pa.bool_()}
    types |= {"effect": pa.float64(), "low": pa.float64(), "high": pa.float64(), "place": pa.int32()}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def _score(accounts: list[dict[str, Any]], summed: _Sums, habits: pa.Table, fleet: Fleet) -> _Result:
    """Compute the times of some accounts of a platform.

    The prior of an account is the profile of the platform's others, which leans on that of the other platforms.
    """
    import numpy as np  # noqa: PLC0415 (see the module docstring)
    import pyarrow as pa  # noqa: PLC0415 (same)

    from warehouse.timing.scores import score_sums  # noqa: PLC0415 (same)
    from warehouse.timing.sums import NEVER  # noqa: PLC0415 (same)

    sums = summed.slots
    table = score_sums(sums, fleet.prior_of(sums), fleet.kernel)
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
    slots = pa.table(columns | {key: values.reshape(-1) for key, values in table.items()})
    return _Result(accounts, slots, facts, habits, summed.posts)
