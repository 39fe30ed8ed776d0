"""Compute the expected lift of each of the 168 hourly slots of a week. Pure: no I/O, no clock.

A post's engagement is noisy (a factor of three either way) and the posting time changes it little (a fifth), so the
mean of a single slot has almost no information. The model removes an account's level and the kind of content, pools
the residuals over neighbouring hours, similar days and the platform's other accounts, and reports its uncertainty.
docs/optimal-times.md describes the method and its results on real pages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from warehouse.errors import InvalidInputError
from warehouse.timing.age import DEFAULT_AGE_CURVE, AgeCurve, compute_age_curve
from warehouse.timing.history import HOURS, SLOTS, read_history
from warehouse.timing.kernels import DEFAULT_MIX, KernelMix, read_mix
from warehouse.timing.prior import denoise_profiles, learn_kernel, pool_profiles, weigh_foreign
from warehouse.timing.scores import BASES, CONFIDENCES, score_sums
from warehouse.timing.sums import SlotSums, sum_posts

if TYPE_CHECKING:
    from collections.abc import Mapping
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

MODEL_VERSION = "gp168-7"
_LEAST_SLOTS = 84  # of a profile from elsewhere
_KERNEL = "kernel"  # key of the learned kernel in a prior's attrs

_COLUMNS = (
    *("expected_lift", "lift_low", "lift_high", "p_better"),
    *("n_posts", "n_nearby", "basis", "confidence", "score"),
)
_WORDS = {"basis": BASES, "confidence": CONFIDENCES}


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
            optional kind, age_hours (age at the time of measuring; NULL = old enough), paid and deleted (booleans:
            such posts are left out, because promotion and deletion say nothing about the time). Exact repeats of
            (account_id, published_at, engagement, kind) are counted and change no estimate.
        timezones: IANA zone per account, or one for all. Accounts listed here without posts get rows too.
        prior: the platform's profile: weekday, hour (local), log_effect for all 168 slots, optionally per
            account_id; see `compute_platform_prior`, which also stores in the frame's `attrs` how similar the
            platform's slots are. None or empty: flat. A prior without these attrs counts as external: its noise is
            taken out, and the accounts of this call decide together how much of the rest counts, on whatever scale it
            is and if it is given in other hours. Up to half of its slots may be missing or NULL, and `n_posts` or
            `count` may say how many posts are behind each value.
        as_of: posts after this instant are left out; it also gives a post's age if age_hours is missing.
        None: all posts are used, and posts without age_hours count as fully grown.
        age_curve: growth of engagement with a post's age; see `compute_age_curve`.

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
    elsewhere: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The common profile of a platform's accounts: weekday, hour (local), log_effect; 168 rows, mean 0.

    `attrs["kernel"]` holds the similarity of slots as learned from the accounts' posts (narrow or wide times, strong or
    weak effects, whole days), as plain numbers; a Parquet file preserves it.

    Args:
        history: as for `compute_optimal_times`, with the accounts of one platform.
        timezones: as for `compute_optimal_times`.
        as_of: as for `compute_optimal_times`.
        exclude: leave this account out (an account must not be its own prior). For all accounts at once use
            `compute_slot_sums` and `compute_prior_without_each`.
        age_curve: as for `compute_optimal_times`.
        elsewhere: the profile of other platforms, as this function returns it for their posts: the more this platform's
            accounts resemble it, the more it counts. It matters most where the platform has few accounts.

    Raises:
        InvalidInputError: as for `compute_optimal_times`.
    """
    other = _read_elsewhere(elsewhere)
    sums = compute_slot_sums(history, timezones=timezones, as_of=as_of, age_curve=age_curve)
    if exclude is not None:
        sums = sums.take(np.flatnonzero([name != exclude for name in sums.account_ids]))
    profile, without = pool_profiles(sums.independent_count(), sums.mean, sums.noise, other)
    return _prior_frame(None, profile, learn_kernel(sums, without))


def compute_prior_without_each(sums: SlotSums, *, elsewhere: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each account's prior from all the others: account_id, weekday, hour, log_effect; 168 rows each.

    `attrs` and `elsewhere` as for `compute_platform_prior`; all accounts share them.
    """
    other = _read_elsewhere(elsewhere)
    _, without = pool_profiles(sums.independent_count(), sums.mean, sums.noise, other)
    return _prior_frame(sums.account_ids, without, learn_kernel(sums, without))


def compute_slot_sums(
    history: pd.DataFrame,
    *,
    timezones: Mapping[str, str] | str = "UTC",
    as_of: datetime | None = None,
    age_curve: AgeCurve = DEFAULT_AGE_CURVE,
) -> SlotSums:
    """First half of the model: from posts to residuals to sums per slot. Arguments as for `compute_optimal_times`."""
    names, zones, posts = read_history(history, timezones, as_of)
    return sum_posts(names, zones, posts, age_curve)


def compute_from_sums(sums: SlotSums, *, prior: pd.DataFrame | None = None) -> pd.DataFrame:
    """Second half of the model: from sums per slot to the table of `compute_optimal_times`."""
    kernel = _read_kernel(prior)
    profile = _read_prior(prior, sums.account_ids, complete=kernel is not None)
    if kernel is None:
        profile = weigh_foreign(denoise_profiles(profile, _read_count(prior, len(profile))), sums)
        kernel = replace(DEFAULT_MIX, weight=1.0)
    table = score_sums(sums, profile, kernel)
    frame = _slot_frame(sums.account_ids, np.zeros((len(sums.account_ids), SLOTS))).drop(columns="log_effect")
    for key in _COLUMNS:
        column = table[key].reshape(-1)
        if key in _WORDS:
            frame[key] = pd.Series(np.array(_WORDS[key], dtype=object)[column], dtype=str)
        else:
            frame[key] = column
    return frame


def _slot_frame(account_ids: list[Any] | None, effect: FloatArray) -> pd.DataFrame:
    repeats = effect.size // SLOTS
    slot = np.tile(np.arange(SLOTS), repeats)
    frame = pd.DataFrame({"weekday": slot // HOURS, "hour": slot % HOURS, "log_effect": effect.reshape(-1)})
    if account_ids is not None:
        frame.insert(0, "account_id", pd.Index(account_ids).repeat(SLOTS))
    return frame


def _prior_frame(account_ids: list[Any] | None, profile: FloatArray, kernel: KernelMix) -> pd.DataFrame:
    frame = _slot_frame(account_ids, profile)
    frame.attrs[_KERNEL] = kernel.as_dict()
    return frame


def _read_kernel(prior: pd.DataFrame | None) -> KernelMix | None:
    """The kernel of a prior; None if it has none."""
    if prior is None or _KERNEL not in prior.attrs:
        return None
    try:
        return read_mix(prior.attrs[_KERNEL])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            "prior.attrs['kernel'] is not in the form that compute_platform_prior writes; delete it for the default",
            field="prior",
        ) from error


def _read_elsewhere(elsewhere: pd.DataFrame | None) -> FloatArray | None:
    """Other platforms' profile, (168,) with mean 0; None if it is not given."""
    if elsewhere is None:
        return None
    profile = _read_prior(elsewhere, [], "elsewhere")
    if len(profile) != 1:
        raise InvalidInputError("elsewhere must be one profile: leave out account_id", field="elsewhere")
    return np.asarray(profile[0] - profile[0].mean(), np.float64)


def _read_prior(
    prior: pd.DataFrame | None, account_ids: list[Any], field: str = "prior", *, complete: bool = True
) -> FloatArray:
    """(1, 168), or (accounts, 168) if the prior is per account.

    Accounts missing from it get 0. `complete`: every slot must be known; otherwise those that are not are NaN.
    """
    if prior is not None and not isinstance(prior, pd.DataFrame):
        raise InvalidInputError(f"{field} must be a pandas DataFrame, or None", field=field)
    if prior is None or len(prior) == 0:
        return np.zeros((1, SLOTS))
    for column in ("weekday", "hour", "log_effect"):
        if column not in prior.columns:
            raise InvalidInputError(f"{field} has no column {column!r}: add it", field=field)
        may_lack = column == "log_effect" and not complete
        if prior[column].dtype.kind not in "iuf" or (prior[column].isna().any() and not may_lack):
            raise InvalidInputError(f"{field}: {column} must be a number in every row", field=field)
    slot = _read_slots(prior, field)
    effect = prior["log_effect"].to_numpy(np.float64, na_value=np.nan)
    if np.isinf(effect).any():
        raise InvalidInputError(f"{field}: log_effect must be a finite number", field=field)
    rows, size = np.zeros(len(prior), dtype=np.int64), 1
    if "account_id" in prior.columns:
        rows, size = pd.Index(account_ids).get_indexer(pd.Index(prior["account_id"])), len(account_ids)
    known = rows >= 0
    times = np.bincount(rows[known] * SLOTS + slot[known], minlength=size * SLOTS)
    if np.max(times, initial=0) > 1 or (
        "account_id" not in prior.columns and complete and np.min(times) == 0
    ):
        raise InvalidInputError(f"{field} must have each of the 168 slots once", field=field)
    mu = np.zeros((size, SLOTS)) if complete else np.full((size, SLOTS), np.nan)
    mu[rows[known], slot[known]] = effect[known]
    if "account_id" not in prior.columns and np.isfinite(mu).sum() < _LEAST_SLOTS:
        raise InvalidInputError(
            f"{field} has log_effect for {np.isfinite(mu).sum()} of the 168 slots: at least {_LEAST_SLOTS} are needed",
            field=field,
        )
    return mu


def _read_slots(prior: pd.DataFrame, field: str) -> npt.NDArray[np.int64]:
    weekday, hour = prior["weekday"].to_numpy(np.float64), prior["hour"].to_numpy(np.float64)
    if not (np.isin(weekday, np.arange(SLOTS // HOURS)) & np.isin(hour, np.arange(HOURS))).all():
        raise InvalidInputError(f"{field}: weekday must be 0-6 and hour 0-23, whole numbers", field=field)
    return np.asarray(weekday * HOURS + hour, np.int64)


def _read_count(prior: pd.DataFrame | None, profiles: int) -> FloatArray | None:
    """Posts behind each slot of a single foreign profile, (168,); None if it does not say."""
    name = next((name for name in ("n_posts", "count") if prior is not None and name in prior.columns), None)
    if prior is None or name is None or profiles != 1 or "account_id" in prior.columns or not len(prior):
        return None
    if prior[name].dtype.kind not in "iuf":
        raise InvalidInputError(f"prior: {name} must be a number", field="prior")
    number = prior[name].fillna(0).to_numpy(np.float64)
    if (number < 0).any() or not np.isfinite(number).all():
        raise InvalidInputError(f"prior: {name} must be a finite number of at least 0", field="prior")
    count = np.zeros(SLOTS)
    count[_read_slots(prior, "prior")] = number
    return count
