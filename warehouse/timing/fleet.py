"""What a platform's accounts share, small enough to send to the workers that compute a part of the accounts each. Pure.

Learned once from all accounts; with it, the times of any range of accounts come out as if all were computed together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.errors import InvalidInputError
from warehouse.timing.age import AgeCurve
from warehouse.timing.history import SLOTS
from warehouse.timing.kernels import KernelMix, read_mix
from warehouse.timing.prior import PROFILE_STRENGTHS, PooledProfile, learn_kernel, pool_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from warehouse.timing.sums import SlotSums

    FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Profile, kernel and age curve of one platform."""

    pooled: PooledProfile
    kernel: KernelMix
    curve: AgeCurve

    def prior_of(self, sums: SlotSums) -> FloatArray:
        """Return each of these accounts' prior, the profile of the platform's others; (accounts, 168), log units."""
        return self.pooled.leave_out_each(sums.independent_count(), sums.mean, sums.noise)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values, about 10 kB."""
        return {
            **{name: getattr(self.pooled, name).tolist() for name in PooledProfile.__dataclass_fields__},
            "kernel": self.kernel.as_dict(),
            "age_hours": self.curve.hours.tolist(),
            "log_share": self.curve.log_share.tolist(),
        }


def learn_fleet(sums: SlotSums, curve: AgeCurve, elsewhere: FloatArray | None = None) -> Fleet:
    """Learn from all accounts of a platform; `elsewhere`: the other platforms' profile, see `pool_elsewhere`."""
    pooled = pool_accounts(sums.independent_count(), sums.mean, sums.noise, elsewhere)
    prior = pooled.leave_out_each(sums.independent_count(), sums.mean, sums.noise)
    return Fleet(pooled, learn_kernel(sums, prior), curve)


def read_fleet(plain: Mapping[str, Any]) -> Fleet:
    """Return what `Fleet.as_dict` wrote. Raises InvalidInputError."""
    try:
        sizes = dict.fromkeys(PooledProfile.__dataclass_fields__, SLOTS)
        sizes |= dict.fromkeys(("chances", "leaning"), len(PROFILE_STRENGTHS))
        arrays = {name: _read(plain[name], size) for name, size in sizes.items()}
        hours = _read(plain["age_hours"], None)
        curve = AgeCurve(hours, _read(plain["log_share"], len(hours)))
        return Fleet(PooledProfile(**arrays), read_mix(plain["kernel"]), curve)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"part.fleet is not what the planning run wrote ({type(error).__name__}: {error})", field="part"
        ) from error


def _read(values: object, size: int | None) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or (size is not None and len(array) != size) or not np.isfinite(array).all():
        raise ValueError(f"{size or 'some'} finite numbers are needed")
    return array
