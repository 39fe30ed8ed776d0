"""A lake with a known law of growth: what is called measured is right, and estimates lie in their range as promised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import rebuild_marts, refresh_growth

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = datetime(2026, 9, 1, tzinfo=UTC)
OFTEN = (0.25, 1, 3, 6, 12, 24, 48, 72, 120, 168, 336, 720, 1440)
SELDOM = (10, 400, 1000)
"""No measurement near 24 hours, 7 or 30 days."""
ONCE = (37 * 24,)
AGES = (1, 24, 168, 720)


class Law:
    """engagement(t) = final x (1 - exp(-(t / tau) ^ 0.6)); final and tau differ from post to post."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.truth: dict[tuple[str, int], float] = {}
        self.publications: list[Any] = []
        self.snapshots: list[Any] = []

    def add(  # noqa: PLR0917 (a post's parts)
        self,
        make_publication: Make,
        make_snapshot: Make,
        account: str,
        how: str,
        ages: tuple[float, ...],
        posts: int,
    ) -> None:
        for number in range(posts):
            name = f"{account}_{how}_{number}"
            published = DAY + timedelta(hours=float(self.draw.uniform(0, 24 * 60)))
            final = float(np.exp(self.draw.normal(7, 0.8)))
            tau = float(np.exp(self.draw.normal(np.log(14), 0.35)))
            where = {"account_id": account, "published_at": published}
            self.publications.append(make_publication(name, **where))
            counted, seen = 0, 0.0
            for age in sorted({*AGES, *(age * 1.01 for age in ages)}):
                share = 1 - float(np.exp(-((age / tau) ** 0.6)))
                counted += int(self.draw.poisson(final * (share - seen)))
                seen = share
                if age in AGES:
                    self.truth[f"pub_{name}", int(age)] = counted
                else:
                    self.snapshots.append(make_snapshot(name, hours=age, likes=counted, **where))

    def load(self, lake: Lake) -> None:
        load_publications(lake, self.publications)
        load_post_snapshots(lake, self.snapshots, "run")

    def compare(self, lake: Lake) -> pd.DataFrame:
        frame = lake.frame(
            "SELECT publication_id, split_part(publication_id, '_', 3) || '_' || split_part(publication_id, '_', 4) "
            "AS how, age_hours, engagement, engagement_estimate, estimate_low, estimate_high, estimate_basis "
            "FROM marts.publication_at_age"
        )
        keys = zip(frame["publication_id"], frame["age_hours"], strict=True)
        frame["truth"] = [self.truth[key] for key in keys]
        frame["inside"] = (frame["truth"] >= frame["estimate_low"]) & (
            frame["truth"] <= frame["estimate_high"]
        )
        return frame


@pytest.fixture
def law(lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make) -> Law:
    """Three accounts with posts measured often, seldom and once; a fourth has only posts that were seen once."""
    found = Law(7)
    load_accounts(lake, [make_account(name) for name in ("acct_a", "acct_b", "acct_c", "acct_d")])
    for account in ("acct_a", "acct_b", "acct_c"):
        found.add(make_publication, make_snapshot, account, "often", OFTEN, 45)
        found.add(make_publication, make_snapshot, account, "seldom", SELDOM, 45)
        found.add(make_publication, make_snapshot, account, "once", ONCE, 45)
    found.add(make_publication, make_snapshot, "acct_d", "once", ONCE, 60)
    found.load(lake)
    refresh_growth(lake, NOW)
    return found


def test_measured_values_are_right_and_estimates_in_their_range_as_often_as_promised(
    lake: Lake, law: Law
) -> None:
    table = law.compare(lake)
    often = table[table["how"].str.endswith("often")]
    assert often["engagement"].notna().all()
    errors = (often["engagement"] / often["truth"]).groupby(often["age_hours"]).median()
    assert errors.between(0.96, 1.04).all(), errors
    others = table[~table["how"].str.endswith("often")]
    assert others["engagement"].isna().all(), "no snapshot is near these ages"
    assert often["engagement_estimate"].isna().all(), "what is measured needs no estimate"

    table = table[table["engagement"].isna() & table["engagement_estimate"].notna()]
    for (how, age), rows in table.groupby(["how", "age_hours"]):
        where = f"{how} at {age} h"
        assert len(rows) >= 45, where
        bias = (rows["engagement_estimate"] / rows["truth"]).median()
        assert 0.85 <= bias <= 1.15, f"{where}: {bias}"
        assert rows["inside"].mean() >= 0.65, f"{where}: {rows['inside'].mean()}"
    assert 0.77 <= table["inside"].mean() <= 0.93, "promised: 80 %"
    assert set(table["how"]) == {*(f"{name}_{how}" for name in "abc" for how in ("seldom", "once")), "d_once"}
    basis = table.groupby("how")["estimate_basis"].unique()
    assert list(basis["a_once"]) == ["account"]
    assert list(basis["d_once"]) == ["platform"]
    assert (table["estimate_low"] <= table["engagement_estimate"]).all()
    assert (table["engagement_estimate"] <= table["estimate_high"]).all()


def test_loads_and_rebuilds_estimate_alike_and_a_second_refresh_writes_nothing(
    lake: Lake, law: Law, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    law.publications, law.snapshots = [], []
    law.add(make_publication, make_snapshot, "acct_b", "later", ONCE, 5)
    law.load(lake)
    added = lake.query(
        "SELECT DISTINCT estimate_basis FROM marts.publication_at_age WHERE publication_id LIKE '%later%'"
    )
    assert added == [{"estimate_basis": "account"}], "a load uses the curves that are there"
    known = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == known
    before = lake.snapshot_id()
    assert refresh_growth(lake, NOW + timedelta(days=1))["estimates_changed"] == 0
    assert lake.snapshot_id() == before


def test_without_posts_to_learn_from_there_is_no_estimate(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    few = Law(1)
    load_accounts(lake, [make_account()])
    few.add(make_publication, make_snapshot, "acct_a", "often", OFTEN, 29)
    few.add(make_publication, make_snapshot, "acct_a", "once", ONCE, 3)
    few.load(lake)
    assert refresh_growth(lake, NOW) == {"curves": 0, "estimates_changed": 0}
    assert few.compare(lake)["engagement_estimate"].isna().all()
