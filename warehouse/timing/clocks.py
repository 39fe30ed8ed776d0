"""Local time of posts, by the zone of their account. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from warehouse.timing.history import MICROSECONDS_PER_HOUR

if TYPE_CHECKING:
    import numpy.typing as npt


def find_local_hours(
    account: npt.NDArray[Any], published: npt.NDArray[np.int64], zones: list[str]
) -> npt.NDArray[np.int64]:
    """Local hours of each post since a Monday 00:00, by its account's zone; modulo 168 they are slots.

    Args:
        account: sorted; index into `zones`, (posts,).
        published: microseconds since 1970 UTC, (posts,).
        zones: IANA zone of each account.
    """
    hours = np.empty(len(account), dtype=np.int64)
    if not len(account):
        return hours
    first, last = int(account[0]), int(account[-1])
    zone_codes, names = pd.factorize(np.array(zones[first : last + 1], dtype=object))
    zone = zone_codes[account - first]
    for code, name in enumerate(names):
        rows: Any = slice(None) if len(names) == 1 else np.flatnonzero(zone == code)
        utc = pd.DatetimeIndex(published[rows].view("datetime64[us]")).tz_localize("UTC")
        local = utc.tz_convert(name).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
        hours[rows] = local // MICROSECONDS_PER_HOUR + 72  # 1970 began on a Thursday
    return hours
