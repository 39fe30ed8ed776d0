"""When to post: the expected lift of each of the 168 slots of a week. Pure: no I/O, no clock.

A post's engagement is noisy (a factor of three either way) and the time of posting moves it little (a
fifth), so a slot's own mean says next to nothing. The model takes an account's level and the kind of content
out, shares what is left among neighbouring hours, similar days and the platform's other accounts, and says
how sure it is. docs/optimal-times.md has the method and what it reaches on real pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from warehouse.errors import InvalidInputError
from warehouse.timing_age import DEFAULT_AGE_CURVE, AgeCurve, compute_age_curve
from warehouse.timing_history import HOURS, MICROSECONDS_PER_HOUR, SLOTS, PostArrays, read_history
from warehouse.timing_levels import compute_residuals
from warehouse.timing_posterior import SlotPosts, compute_forecast, normal_cdf
from warehouse.timing_prior import pool_profiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

__all__ = [
    "MODEL_VERSION",
    "AgeCurve",
    "SlotSums",
    "compute_age_curve",
    "compute_from_sums",
    "compute_optimal_times",
    "compute_platform_prior",
    "compute_prior_without_each",
    "compute_slot_sums",
]

MODEL_VERSION = "gp168-3"

Z_80 = 1.2816
UNSEEN_LIFT = 0.05  # a platform's table alone earned 2-4 %: nobody is promised more without own posts
_BATCH_POSTS = 500_000
_BATCH_ACCOUNTS = 1_000
_NEARBY_HOURS = 2


@dataclass(frozen=True, slots=True)
class SlotSums:
    """All the model needs to know of a history: one row per account, small enough to keep for all at once."""

    account_ids: list[Any]  # in order
    count: FloatArray  # (accounts, 168) posts per local slot, repeated rows left out
    rows: FloatArray  # (accounts, 168) the same with repeated rows
    mean: FloatArray  # (accounts, 168) mean residual in log units, 0 where there is no post
    noise: FloatArray  # (accounts,) variance of one post's residual


def compute_optimal_times(
    history: pd.DataFrame,
    *,
    timezones: Mapping[str, str] | str = "UTC",
    prior: pd.DataFrame | None = None,
    as_of: datetime | None = None,
    age_curve: AgeCurve = DEFAULT_AGE_CURVE,
) -> pd.DataFrame:
    """Expected lift of every slot for every account.

    Args:
        history: account_id, published_at (aware; any zone), engagement (>= 0, NULL = unknown, left out);
            optional kind, and age_hours (age at the time of measuring; NULL = old enough). Exact repeats of
            (account_id, published_at, engagement, kind) are counted and change no estimate.
        timezones: IANA zone per account, or one for all. Accounts named here without posts get rows too.
        prior: the platform's profile: weekday, hour (local), log_effect for all 168 slots, optionally per
            account_id; see `compute_platform_prior`. None or empty: flat.
        as_of: posts after this instant are left out, and it gives a post's age where age_hours is missing.
            None: all posts are used and those without age_hours count as grown up.
        age_curve: how engagement grows with a post's age; see `compute_age_curve`.

    Returns:
        168 rows per account, ordered by account_id, weekday, hour: account_id, weekday (0 = Monday), hour
        (local), expected_lift (fraction, against the account's own habit), lift_low, lift_high (80 %),
        p_better, n_posts, n_nearby (other posts within two hours of the clock, any day), basis (own | mixed
        | prior), confidence (high | medium | low | none), score (0 = the account's worst slot, 100 = its
        best).

    Raises:
        InvalidInputError: `field` names the column or argument, the message the remedy.
    """
    sums = compute_slot_sums(history, timezones=timezones, as_of=as_of, age_curve=age_curve)
    return compute_from_sums(sums, prior=prior)


def compute_platform_prior(
    history: pd.DataFrame,
    *,
    timezones: Mapping[str, str] | str = "UTC",
    as_of: datetime | None = None,
    exclude: str | None = None,
    age_curve: AgeCurve = DEFAULT_AGE_CURVE,
) -> pd.DataFrame:
    """The profile that a platform's accounts share: weekday, hour (local), log_effect; 168 rows, mean 0.

    Args:
        history: as for `compute_optimal_times`, the accounts of one platform.
        timezones: as there.
        as_of: as there.
        exclude: leave this account out (an account may not be its own prior). For all accounts at once use
            `compute_slot_sums` and `compute_prior_without_each`.
        age_curve: as there.

    Raises:
        InvalidInputError: as for `compute_optimal_times`.
    """
    sums = compute_slot_sums(history, timezones=timezones, as_of=as_of, age_curve=age_curve)
    if exclude is None:
        profile, _ = pool_profiles(sums.count, sums.mean, sums.noise)
    else:
        kept = np.array([name != exclude for name in sums.account_ids], dtype=bool)
        profile, _ = pool_profiles(sums.count[kept], sums.mean[kept], sums.noise[kept])
    return _slot_frame(None, profile)


def compute_prior_without_each(sums: SlotSums) -> pd.DataFrame:
    """Each account's prior from all the others: account_id, weekday, hour, log_effect; 168 rows each."""
    _, without = pool_profiles(sums.count, sums.mean, sums.noise)
    return _slot_frame(sums.account_ids, without)


def compute_slot_sums(
    history: pd.DataFrame,
    *,
    timezones: Mapping[str, str] | str = "UTC",
    as_of: datetime | None = None,
    age_curve: AgeCurve = DEFAULT_AGE_CURVE,
) -> SlotSums:
    """The first half of the model: from posts to residuals to sums per slot. Arguments as above."""
    names, zones, posts = read_history(history, timezones, as_of)
    size = (len(names), SLOTS)
    sums = SlotSums(names, np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(len(names)))
    for first, last, batch in _batches(posts, len(names)):
        accounts = last - first
        local = batch.account - first
        slot = local * SLOTS + _local_slots(batch, zones)
        residual, noise = compute_residuals(_renumber(batch, local), accounts, age_curve)
        count = np.bincount(slot, batch.weight, accounts * SLOTS)
        total = np.bincount(slot, residual * batch.weight, accounts * SLOTS)
        sums.count[first:last] = count.reshape(accounts, SLOTS)
        sums.rows[first:last] = np.bincount(slot, minlength=accounts * SLOTS).reshape(accounts, SLOTS)
        sums.mean[first:last] = (total / np.maximum(count, 1.0)).reshape(accounts, SLOTS)
        sums.noise[first:last] = noise
    return sums


def compute_from_sums(sums: SlotSums, *, prior: pd.DataFrame | None = None) -> pd.DataFrame:
    """The second half: from sums per slot to the table that `compute_optimal_times` returns."""
    accounts = len(sums.account_ids)
    mu = _read_prior(prior, sums.account_ids)
    parts = []
    for first in range(0, accounts, _BATCH_ACCOUNTS):
        part = slice(first, min(first + _BATCH_ACCOUNTS, accounts))
        parts.append(_score_slots(sums, part, mu if len(mu) == 1 else mu[part]))
    table: dict[str, Any] = {
        key: np.concatenate([part[key] for part in parts]) if parts else [] for key in _COLUMNS
    }
    frame = _slot_frame(sums.account_ids, np.zeros((accounts, SLOTS))).drop(columns="log_effect")
    for key, words in _COLUMNS.items():
        column: Any = np.asarray(table[key]).reshape(-1)
        frame[key] = np.array(words, dtype=object)[column.astype(np.int64)] if words else column
        if words:
            frame[key] = frame[key].astype(str)
    return frame


_BASES = ("prior", "mixed", "own")
_CONFIDENCES = ("none", "low", "medium", "high")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "expected_lift": (),
    "lift_low": (),
    "lift_high": (),
    "p_better": (),
    "n_posts": (),
    "n_nearby": (),
    "basis": _BASES,
    "confidence": _CONFIDENCES,
    "score": (),
}


def _score_slots(sums: SlotSums, part: slice, prior: FloatArray) -> dict[str, npt.NDArray[Any]]:
    count, rows = sums.count[part], sums.rows[part]
    n = count.sum(axis=1, keepdims=True)
    unseen = n == 0
    mix = np.where(unseen, 1.0 / SLOTS, count / np.maximum(n, 1.0))
    posts = SlotPosts(count, sums.mean[part], sums.noise[part], np.broadcast_to(prior, count.shape), mix)
    forecast = compute_forecast(posts)
    lift = np.where(unseen, _lift_of_unseen(forecast.lift), forecast.lift)
    p_better = np.where(unseen, normal_cdf(lift / forecast.sd), forecast.p_better)
    low, high = lift.min(axis=1, keepdims=True), lift.max(axis=1, keepdims=True)
    spread = high - low
    by_hour = rows.reshape(-1, 7, HOURS).sum(axis=1)
    nearby = sum(np.roll(by_hour, shift, axis=1) for shift in range(-_NEARBY_HOURS, _NEARBY_HOURS + 1))
    confidence = (p_better >= 0.80).astype(np.int64) + (p_better >= 0.95) + ((p_better >= 0.99) & (n >= 300))
    return {
        "expected_lift": np.expm1(lift),
        "lift_low": np.expm1(lift - Z_80 * forecast.sd),
        "lift_high": np.expm1(lift + Z_80 * forecast.sd),
        "p_better": p_better,
        "n_posts": rows.astype(np.int64),
        "n_nearby": (np.tile(nearby, (1, 7)) - rows).astype(np.int64),
        "basis": np.where(unseen, 0, 1 + (forecast.learned >= 0.5)),
        "confidence": np.where(unseen, np.minimum(confidence, 1), confidence),
        "score": np.where(
            spread > 1e-9, np.clip(100 * (lift - low) / np.maximum(spread, 1e-9), 0, 100), 50.0
        ),
    }


def _lift_of_unseen(lift: FloatArray) -> FloatArray:
    """Without own posts there is no habit to fall short of, and little to promise: between 0 and 5 %."""
    highest = np.maximum(lift.max(axis=1, keepdims=True), 1e-12)
    promised: FloatArray = np.maximum(lift * np.minimum(1.0, np.log1p(UNSEEN_LIFT) / highest), 0.0)
    return promised


def _batches(posts: PostArrays, accounts: int) -> Iterator[tuple[int, int, PostArrays]]:
    """Runs of whole accounts, bounded in posts and accounts."""
    bounds = np.searchsorted(posts.account, np.arange(accounts + 1))
    first = 0
    while first < accounts:
        full = int(np.searchsorted(bounds, bounds[first] + _BATCH_POSTS, side="right")) - 1
        last = min(max(full, first + 1), first + _BATCH_ACCOUNTS, accounts)
        yield first, last, posts.take(slice(bounds[first], bounds[last]))
        first = last


def _renumber(batch: PostArrays, account: npt.NDArray[np.int64]) -> PostArrays:
    return PostArrays(account, batch.published, batch.engagement, batch.kind, batch.age_hours, batch.weight)


def _local_slots(batch: PostArrays, zones: list[str]) -> npt.NDArray[np.int64]:
    """Slot 0-167 (Monday 00:00 first) of each post by its account's clock at the post's own instant."""
    slots = np.empty(len(batch), dtype=np.int64)
    if not len(batch):
        return slots
    first, last = int(batch.account[0]), int(batch.account[-1])
    zone_codes, names = pd.factorize(np.array(zones[first : last + 1], dtype=object))
    zone = zone_codes[batch.account - first]
    for code, name in enumerate(names):
        rows: Any = slice(None) if len(names) == 1 else np.flatnonzero(zone == code)
        utc = pd.DatetimeIndex(batch.published[rows].view("datetime64[us]")).tz_localize("UTC")
        local = utc.tz_convert(name).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
        slots[rows] = (local // MICROSECONDS_PER_HOUR + 72) % SLOTS  # 1970 began on a Thursday
    return slots


def _slot_frame(account_ids: list[Any] | None, effect: FloatArray) -> pd.DataFrame:
    repeats = effect.size // SLOTS
    slot = np.tile(np.arange(SLOTS), repeats)
    frame = pd.DataFrame({"weekday": slot // HOURS, "hour": slot % HOURS, "log_effect": effect.reshape(-1)})
    if account_ids is not None:
        frame.insert(0, "account_id", pd.Index(account_ids).repeat(SLOTS))
    return frame


def _read_prior(prior: pd.DataFrame | None, account_ids: list[Any]) -> FloatArray:
    """(1, 168), or (accounts, 168) where the prior is given per account; an account it lacks gets 0."""
    if prior is None or len(prior) == 0:
        return np.zeros((1, SLOTS))
    for column in ("weekday", "hour", "log_effect"):
        if column not in prior.columns:
            raise InvalidInputError(f"prior has no column {column!r}: add it", field="prior")
    weekday, hour = prior["weekday"].to_numpy(np.int64), prior["hour"].to_numpy(np.int64)
    effect = prior["log_effect"].to_numpy(np.float64)
    if ((weekday < 0) | (weekday > 6) | (hour < 0) | (hour > 23)).any() or not np.isfinite(effect).all():
        raise InvalidInputError(
            "prior: weekday must be 0-6, hour 0-23 and log_effect a finite number", field="prior"
        )
    slot = weekday * HOURS + hour
    rows, size = np.zeros(len(prior), dtype=np.int64), 1
    if "account_id" in prior.columns:
        rows, size = pd.Index(account_ids).get_indexer(pd.Index(prior["account_id"])), len(account_ids)
    known = rows >= 0
    times = np.bincount(rows[known] * SLOTS + slot[known], minlength=size * SLOTS)
    if np.max(times, initial=0) > 1 or (size == 1 and np.min(times) == 0):
        raise InvalidInputError("prior must have each of the 168 slots once", field="prior")
    mu = np.zeros((size, SLOTS))
    mu[rows[known], slot[known]] = effect[known]
    return mu
