"""Covariance of the 168 slots of a week: how much slots differ, and which are similar. Pure.

It is unknown beforehand whether a platform's good times are one hour wide or six, and whether whole days are better
than others. So there are eight shapes, and the model uses their weighted mean: with the weights below by default,
with weights learned from the accounts' posts if a platform's profile has been estimated (`warehouse.timing.prior`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.timing.history import HOURS, SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

OFFSET_VARIANCE = 0.5  # the level is estimated on the account's own mix of slots, so its offset is unknown
SLOT_VARIANCE = 0.0059  # variance of a single slot, in the shape measured on real pages
STRENGTHS = (0.1, 0.7, 2.0)  # factors on the kernel: timing matters more to some accounts than to others
# The shapes in addition to the measured one: the width of a good time in hours, and the share of the variance
# of whole days. The measured one has 2.1 hours and 3 %.
_SHAPES = ((2.1, 0.35), *((length, days) for length in (1.3, 3.5, 6.0) for days in (0.05, 0.35)))
CARRIED = 0.97  # by default
_SLOTS_ALONE = 0.12  # share of the variance of each single slot
_DROPPED_EIGENVALUE = 0.01


@dataclass(frozen=True, slots=True)
class KernelMix:
    """Weights of a platform's kernel, each list summing to 1.

    `shapes` has one weight for each of the eight shapes, the measured one first; `strengths` the probability of each of
    STRENGTHS, as factors on the platform's own strength `scale`.
    """

    shapes: tuple[float, ...]
    strengths: tuple[float, ...]
    carried: float = CARRIED  # share of a forecast effect that later posts have
    scale: float = 1.0  # how much timing matters on the platform, as a variance
    weight: float = 1.0  # mean weight of the platform's profile on its accounts

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `read_mix`."""
        return {
            "shapes": list(self.shapes),
            "strengths": list(self.strengths),
            "carried": self.carried,
            "scale": self.scale,
            "weight": self.weight,
        }


# A profile whose weight could not be learned is that of few accounts: mostly their own weeks, not what all share.
DEFAULT_MIX = KernelMix((0.5, *[0.5 / len(_SHAPES)] * len(_SHAPES)), (0.1, 0.7, 0.2), weight=0.5)


def read_mix(noted: Mapping[str, Iterable[float]]) -> KernelMix:
    """A mix from its two lists of numbers, scaled to sum to 1.

    Raises:
        KeyError, TypeError, ValueError: not a mix, or of another version of the model.
    """
    mix = KernelMix(tuple(map(float, noted["shapes"])), tuple(map(float, noted["strengths"])))
    carried = float(noted.get("carried", CARRIED))  # type: ignore[arg-type]  # raises TypeError
    scale, weight = (float(noted.get(name, 1.0)) for name in ("scale", "weight"))  # type: ignore[arg-type]
    if not all(0 < value < np.inf for value in (carried, scale, weight)):
        raise ValueError("positive numbers expected")
    parts = []
    for given, default in ((mix.shapes, DEFAULT_MIX.shapes), (mix.strengths, DEFAULT_MIX.strengths)):
        total = sum(given)
        if len(given) != len(default) or not all(0 < value < np.inf for value in given):
            raise ValueError(f"{len(default)} positive numbers expected")
        parts.append(tuple(value / total for value in given))
    return KernelMix(parts[0], parts[1], carried, scale, weight)


@dataclass(frozen=True, slots=True)
class Kernel:
    """K + offset = basis @ basis.T + slot_variance x identity."""

    basis: FloatArray  # (168, rank)
    slot_variance: float
    rows: IntArray  # the pairs of basis vectors, i >= j ...
    columns: IntArray
    pairs: FloatArray  # ... and their products slot by slot, (168, pairs)


@lru_cache(maxsize=1)
def smooth_covariance() -> FloatArray:
    """The smooth part of the kernel as measured on real pages: hours alike, days alike, weekends alike."""
    return _hours_alike(2.1) + 0.0024 * _same_day()


@lru_cache(maxsize=32)  # about 1.5 MB each
def slot_kernel(shapes: tuple[float, ...], strength: float) -> Kernel:
    """The weighted mean of the shapes at one strength; the offset is the last basis vector.

    The smooth part is stored as its leading eigenvectors; the remainder is added to the single slots' variance.
    """
    parts = _shape_covariances()
    smooth = sum(weight * part for weight, (part, _) in zip(shapes, parts, strict=True))
    alone = sum(weight * part for weight, (_, part) in zip(shapes, parts, strict=True))
    values, vectors = np.linalg.eigh(smooth)
    kept = values > _DROPPED_EIGENVALUE
    lost = float(values[~kept].clip(0).sum()) / SLOTS
    offset = np.full((SLOTS, 1), np.sqrt(OFFSET_VARIANCE))
    basis = np.hstack((vectors[:, kept] * np.sqrt(strength * values[kept]), offset))
    rows, columns = np.tril_indices(basis.shape[1])
    pairs = np.ascontiguousarray(basis[:, rows] * basis[:, columns])
    return Kernel(basis, strength * (alone + lost), rows, columns, pairs)


@lru_cache(maxsize=1)
def _shape_covariances() -> tuple[tuple[FloatArray, float], ...]:
    """Smooth part and slot variance of each shape, all of the same variance within a week."""
    variance = _within_week(smooth_covariance()) + SLOT_VARIANCE
    shapes = [(smooth_covariance(), SLOT_VARIANCE)]
    for length, days in _SHAPES:
        hours = _hours_alike(length)
        smooth = (1 - days - _SLOTS_ALONE) / _within_week(hours) * hours
        smooth += days / _within_week(_same_day()) * _same_day()
        shapes.append((variance * smooth, variance * _SLOTS_ALONE))
    return tuple(shapes)


def _hours_alike(length: float) -> FloatArray:
    """Similarity of hours of the day over `length` hours: on all days, stronger on days of the same class."""
    slot = np.arange(SLOTS)
    hour, weekend = slot % HOURS, slot // HOURS >= 5
    angle = np.pi * (hour[:, None] - hour) / HOURS

    def circular(hours: float) -> FloatArray:
        return np.asarray(np.exp(-4 * np.sin(angle) ** 2 / (2 * np.pi * hours / HOURS) ** 2))

    same_class = weekend[:, None] == weekend
    alike = (0.042 + 0.014 * same_class) * circular(length)
    return np.asarray(alike + 0.007 * circular(max(length, 5.6)) * _same_day())


def _same_day() -> FloatArray:
    day = np.arange(SLOTS) // HOURS
    return np.asarray(day[:, None] == day, np.float64)


def _within_week(covariance: FloatArray) -> float:
    """Mean variance of a slot's distance from its week's mean."""
    return float(np.trace(covariance) / SLOTS - covariance.mean())
