"""Growth curves: how engagement at one age relates to engagement at another, for ages without a measurement.

A curve is learned from posts that were measured at both ages (`warehouse/sql/marts/build_growth_curves.sql`), per
account and per platform of a workspace. The estimates stand in columns of their own in marts.publication_at_age;
measured values never contain them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.lake.marts import refresh_estimates
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection


def learn_growth(cursor: DuckDBPyConnection, now: datetime) -> dict[str, int]:
    """Learn the growth curves again and update the estimates; return {curves, estimates_changed}.

    `now` (aware) becomes computed_at of the curves that changed. Writes nothing if nothing changed. Runs within a
    transaction of `Lake.write`; `warehouse.lake.maintenance.refresh_growth` opens one.
    """
    cursor.execute(load_sql("marts/build_growth_curves"), {"computed_at": now})
    curves = _count(cursor.execute(load_sql("marts/select_steady_curves")))
    changed = "(FROM {} EXCEPT FROM {})"
    here, known = "steady_curves", "marts.growth_curves"
    differences = _count(
        cursor.execute(
            f"SELECT count(*) FROM (FROM {changed.format(here, known)} UNION ALL FROM {changed.format(known, here)})"  # noqa: S608 (our own names)
        )
    )
    if not differences:
        return {"curves": curves, "estimates_changed": 0}
    cursor.execute("DELETE FROM marts.growth_curves")
    cursor.execute("INSERT INTO marts.growth_curves BY NAME FROM steady_curves")
    return {"curves": curves, "estimates_changed": refresh_estimates(cursor)}


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
