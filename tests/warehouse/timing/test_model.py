"""The timing model: what it must keep to on any history, and what it must find on a known truth."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError
from warehouse.timing.kernels import DEFAULT_MIX
from warehouse.timing.model import (
    compute_age_curve,
    compute_from_sums,
    compute_optimal_times,
    compute_platform_prior,
    compute_prior_without_each,
    compute_slot_sums,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from generate_histories import make_changed_world, make_world

ESTIMATES = ["expected_lift", "lift_low", "lift_high", "p_better", "score"]
QUICK = settings(max_examples=15, deadline=None)


def history_of(times: list[str], engagement: list[float | None], account: str = "a") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": account,
            "published_at": pd.to_datetime(times, utc=True),
            "engagement": pd.array(engagement, dtype="Float64"),
        }
    )


def random_history(seed: int, posts: int = 150, accounts: int = 2) -> pd.DataFrame:
    return make_world(seed, accounts=accounts, posts=posts).posts.drop(columns=["slot", "effect_and_luck"])


def lifts(table: pd.DataFrame, column: str = "expected_lift") -> np.ndarray:
    return table[column].to_numpy().reshape(-1, 168)


# The shape of the answer


@given(seed=st.integers(0, 10_000), posts=st.integers(0, 60), accounts=st.integers(1, 4))
@QUICK
def test_answer_has_168_ordered_rows_an_account_and_sane_ranges(seed: int, posts: int, accounts: int) -> None:
    names = [f"account-{number:05d}" for number in range(accounts)]
    history = random_history(seed, posts=max(posts, 1), accounts=accounts).head(posts * accounts)
    table = compute_optimal_times(history, timezones=dict.fromkeys(names, "Europe/Berlin"))
    assert list(table.columns) == [
        *("account_id", "weekday", "hour", "expected_lift", "lift_low", "lift_high", "p_better"),
        *("n_posts", "n_nearby", "basis", "confidence", "score"),
    ]
    assert list(table["account_id"]) == [name for name in names for _ in range(168)]
    assert list(table["weekday"]) == [slot // 24 for slot in range(168)] * accounts
    assert list(table["hour"]) == [slot % 24 for slot in range(168)] * accounts
    assert np.isfinite(table[ESTIMATES].to_numpy()).all()
    assert (table["lift_low"] > -1).all()
    assert (table["lift_low"] <= table["expected_lift"]).all()
    assert (table["expected_lift"] <= table["lift_high"]).all()
    assert table["p_better"].between(0, 1).all()
    assert table["score"].between(0, 100).all()
    assert table["n_posts"].sum() == len(history)
    assert set(table["basis"]) <= {"own", "mixed", "prior"}
    assert set(table["confidence"]) <= {"high", "medium", "low", "none"}


def test_dtypes_are_the_same_with_and_without_accounts() -> None:
    full = compute_optimal_times(random_history(1))
    empty = compute_optimal_times(random_history(1).head(0))
    assert len(empty) == 0
    numbers = full.dtypes[["weekday", "hour", "n_posts", "n_nearby", *ESTIMATES]]
    assert [dtype.kind for dtype in numbers] == list("iiii" + "fffff")
    assert list(empty.columns) == list(full.columns)


def test_account_without_posts_gets_a_wide_answer_between_zero_and_five_percent() -> None:
    prior = pd.DataFrame(
        {"weekday": np.arange(168) // 24, "hour": np.arange(168) % 24, "log_effect": np.linspace(-1, 1, 168)}
    )
    table = compute_optimal_times(random_history(1).head(0), timezones={"new": "Asia/Tokyo"}, prior=prior)
    assert len(table) == 168
    assert table["expected_lift"].between(0, 0.05 + 1e-9).all()
    assert table["expected_lift"].argmax() == 167, "the platform's best slot stays the best"
    assert (table["lift_high"] - table["lift_low"]).min() > 0.3
    assert set(table["basis"]) == {"prior"}
    assert (table["n_posts"] == 0).all()


def test_accounts_named_with_a_zone_get_rows_whatever_the_history_holds() -> None:
    history = random_history(1, accounts=1)
    unknown = history.assign(account_id="unmeasured", engagement=np.nan)
    zones = {"account-00000": "UTC", "unmeasured": "UTC", "new": "Australia/Lord_Howe"}
    table = compute_optimal_times(pd.concat([history, unknown]), timezones=zones)
    assert list(table["account_id"].unique()) == ["account-00000", "new", "unmeasured"]
    others = table[table["account_id"] != "account-00000"]
    assert set(others["basis"]) == {"prior"}
    assert others["expected_lift"].between(0, 0.05).all()
    bare = compute_optimal_times(
        history[["account_id", "published_at", "engagement"]].head(0), timezones=zones
    )
    assert len(bare) == 3 * 168


def test_one_post_promises_little_and_is_sure_of_nothing() -> None:
    table = compute_optimal_times(history_of(["2024-05-07 18:30"], [1_000_000.0]))
    assert table["expected_lift"].abs().max() < 0.01
    assert set(table["confidence"]) == {"none"}
    row = table[(table["weekday"] == 1) & (table["hour"] == 18)].iloc[0]
    assert row["n_posts"] == 1
    assert row["n_nearby"] == 0
    assert table[(table["weekday"] == 3) & (table["hour"] == 20)]["n_nearby"].item() == 1
    assert table[(table["weekday"] == 3) & (table["hour"] == 21)]["n_nearby"].item() == 0


# What must not change the answer


@given(seed=st.integers(0, 10_000))
@QUICK
def test_order_of_rows_is_irrelevant(seed: int) -> None:
    history = random_history(seed)
    mixed = history.sample(frac=1.0, random_state=seed)
    np.testing.assert_allclose(
        compute_optimal_times(history)[ESTIMATES], compute_optimal_times(mixed)[ESTIMATES], atol=1e-8
    )


@given(seed=st.integers(0, 10_000))
@QUICK
def test_null_engagement_is_ignored(seed: int) -> None:
    history = random_history(seed)
    unknown = history.assign(
        engagement=np.nan, published_at=history["published_at"] + pd.Timedelta(minutes=7)
    )
    both = compute_optimal_times(pd.concat([history, unknown]))
    np.testing.assert_allclose(compute_optimal_times(history)[ESTIMATES], both[ESTIMATES], atol=1e-8)
    assert both["n_posts"].sum() == len(history)


@given(seed=st.integers(0, 10_000))
@QUICK
def test_repeated_rows_change_nothing_but_the_counts(seed: int) -> None:
    history = random_history(seed)
    once, twice = compute_optimal_times(history), compute_optimal_times(pd.concat([history, history]))
    counts = ["n_posts", "n_nearby"]
    pd.testing.assert_frame_equal(once.drop(columns=counts), twice.drop(columns=counts), atol=1e-8)
    assert (twice["n_posts"] == 2 * once["n_posts"]).all()


@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([0.001, 0.5, 3.0, 10.0, 1e6]),
    smaller=st.sampled_from([1, 40, 400]),
)
@QUICK
def test_scale_of_engagement_does_not_matter(seed: int, factor: float, smaller: int) -> None:
    history = random_history(seed)
    # Down to accounts most of whose posts have no engagement at all.
    history["engagement"] = np.floor(history["engagement"] / smaller)
    scaled = history.assign(engagement=history["engagement"] * factor)
    np.testing.assert_allclose(
        compute_optimal_times(history)[ESTIMATES], compute_optimal_times(scaled)[ESTIMATES], atol=1e-8
    )


@given(seed=st.integers(0, 10_000))
@QUICK
def test_accounts_do_not_touch_each_other(seed: int) -> None:
    history = random_history(seed, accounts=3)
    alone = compute_optimal_times(history[history["account_id"] == "account-00001"])
    together = compute_optimal_times(history)
    of_account = together[together["account_id"] == "account-00001"]
    np.testing.assert_allclose(alone[ESTIMATES], of_account[ESTIMATES], atol=1e-8)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.assign(account_id=h["account_id"].astype("category")),
        lambda h: h.assign(account_id=h["account_id"].str[-1].astype(int)),
        lambda h: h.assign(published_at=h["published_at"].dt.tz_convert("America/St_Johns")),
        lambda h: h.assign(published_at=h["published_at"].dt.as_unit("s")),
        lambda h: h.assign(published_at=h["published_at"].astype(object)),
        lambda h: h.assign(published_at=h["published_at"].astype("timestamp[us, tz=UTC][pyarrow]")),
        lambda h: h.assign(engagement=h["engagement"].astype("Int64")),
        lambda h: h.assign(engagement=h["engagement"].astype(object)),
        lambda h: h.assign(kind=h["kind"].astype("category")),
        lambda h: h.set_axis([0] * len(h)),
    ],
)
def test_how_a_column_is_stored_does_not_matter(change: Any) -> None:
    history = random_history(6)
    history["published_at"] = history["published_at"].dt.floor("s")
    numbers = ["weekday", "hour", "n_posts", "n_nearby", *ESTIMATES]
    stored, plain = compute_optimal_times(change(history)), compute_optimal_times(history)
    np.testing.assert_allclose(stored[numbers], plain[numbers], atol=1e-12)
    assert stored["account_id"].nunique() == 2


@given(seed=st.integers(0, 10_000))
@QUICK
def test_posts_of_one_instant_may_come_in_any_order(seed: int) -> None:
    history = random_history(seed, posts=60)
    history["published_at"] = history["published_at"].dt.floor("7D")  # many at once
    history = history.sort_values(["account_id", "published_at"], kind="stable")
    mixed = history.sample(frac=1.0, random_state=seed)
    almost = mixed.sort_values(["account_id", "published_at"], kind="stable")
    expected = compute_optimal_times(history)
    for other in (mixed, almost):
        np.testing.assert_allclose(compute_optimal_times(other)[ESTIMATES], expected[ESTIMATES], atol=1e-12)


def test_the_same_history_gives_the_same_answer_on_any_number_of_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = random_history(8, posts=20, accounts=40)
    monkeypatch.setattr("warehouse.timing.sums._BATCH_ACCOUNTS", 7)
    monkeypatch.setattr("warehouse.timing.scores._BATCH_ACCOUNTS", 7)
    many = compute_optimal_times(history)
    monkeypatch.setattr("warehouse.timing.batches._MAX_THREADS", 1)
    pd.testing.assert_frame_equal(compute_optimal_times(history), many, rtol=0, atol=0)


# What must move the answer


@given(seed=st.integers(0, 10_000), hours=st.integers(1, 23))
@QUICK
def test_shifting_all_posts_shifts_the_answer(seed: int, hours: int) -> None:
    history = random_history(seed, accounts=1)
    later = history.assign(published_at=history["published_at"] + pd.Timedelta(hours=hours))
    before = lifts(compute_optimal_times(history))[0].reshape(7, 24)
    after = lifts(compute_optimal_times(later))[0].reshape(7, 24)
    # Over midnight a post changes its weekday, and Friday's night becomes the weekend's: only the hours of
    # the same day can be compared slot by slot, the profile over the hours as a whole.
    correlation = np.corrcoef(np.roll(before.mean(axis=0), hours), after.mean(axis=0))[0, 1]
    assert correlation > 0.9
    week = history.assign(published_at=history["published_at"] + pd.Timedelta(days=7))
    np.testing.assert_allclose(lifts(compute_optimal_times(week))[0].reshape(7, 24), before, atol=1e-8)


def test_zone_and_clock_agree() -> None:
    history = random_history(3)
    moved = history.assign(published_at=history["published_at"] - pd.Timedelta(hours=9))
    np.testing.assert_allclose(
        lifts(compute_optimal_times(history)),
        lifts(compute_optimal_times(moved, timezones="Asia/Tokyo")),
        atol=1e-8,
    )


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", "2024-03-31 00:59:59"),  # the last second of winter time
        ("Europe/Berlin", "2024-03-31 01:00:00"),  # summer time
        ("Europe/Berlin", "2024-10-27 00:30:00"),  # 02:30 the first time
        ("Europe/Berlin", "2024-10-27 01:30:00"),  # 02:30 again
        ("America/New_York", "2024-11-03 05:30:00"),
        ("Australia/Lord_Howe", "2024-04-06 14:45:00"),  # +11:00
        ("Australia/Lord_Howe", "2024-04-06 15:15:00"),  # +10:30: half an hour back
        ("Asia/Kathmandu", "2024-06-01 18:20:00"),  # +05:45
        ("Pacific/Kiritimati", "2024-06-02 10:30:00"),  # +14, the next day already
        ("Pacific/Apia", "2011-12-30 09:30:00"),  # the 29th, the last hour before a day was left out
        ("Pacific/Apia", "2011-12-30 10:30:00"),  # the 31st
        ("Pacific/Pago_Pago", "2024-06-03 05:00:00"),  # -11, still the day before
    ],
)
def test_posts_are_counted_by_the_zones_clock_at_their_own_instant(zone: str, moment: str) -> None:
    table = compute_optimal_times(history_of([moment], [5.0]), timezones={"a": zone})
    local = datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    row = table[table["n_posts"] == 1]
    assert (row["weekday"].item(), row["hour"].item()) == (local.weekday(), local.hour)


def test_posts_after_as_of_are_left_out_and_young_posts_are_lifted() -> None:
    history = history_of(["2024-05-01 10:00", "2024-05-02 10:00"], [10.0, 10.0])
    table = compute_optimal_times(history, as_of=datetime(2024, 5, 1, 12, tzinfo=UTC))
    assert table["n_posts"].sum() == 1
    base = random_history(5, posts=400, accounts=1)
    evening = base["published_at"].dt.hour >= 18
    young = base.assign(age_hours=np.where(evening, 2.0, 72.0))
    grown = compute_optimal_times(base.assign(age_hours=72.0))
    lifted = compute_optimal_times(young)
    of_evening = grown["hour"] >= 18
    assert lifted[of_evening]["expected_lift"].mean() > grown[of_evening]["expected_lift"].mean() + 0.05


def test_age_curve_is_learned_from_own_snapshots() -> None:
    rng = np.random.default_rng(0)
    final = np.round(np.exp(rng.normal(6, 1, 200)))
    parts = [
        pd.DataFrame({"publication_id": range(200), "age_hours": age, "engagement": final * share})
        for age, share in ((1.0, 0.3), (6.0, 0.8), (72.0, 1.0))
    ]
    curve = compute_age_curve(pd.concat(parts))
    np.testing.assert_allclose(
        np.exp(curve.at(np.array([0.5, 1.0, 6.0, 48.0, 500.0]))), [0.3, 0.3, 0.8, 1, 1], atol=0.02
    )
    few = compute_age_curve(pd.concat(parts)[lambda rows: rows["publication_id"] < 20])
    assert few.at(np.array([1.0])).item() == pytest.approx(-0.6)


# What it finds


@pytest.mark.parametrize("shape", ["bumps", "kernel"])
def test_viral_posts_do_not_decide(shape: str) -> None:
    """Luck with heavy tails (Student's t, 2.5 degrees of freedom): the same timing is found."""
    world = make_world(5, accounts=60, posts=1000, shape=shape, tails=2.5)
    table = compute_optimal_times(world.posts)
    gained = world.true_lift[np.arange(60), lifts(table).argmax(axis=1)]
    assert gained.sum() / world.true_lift.max(axis=1).sum() > 0.55
    true = np.expm1(world.true_lift)
    assert 0.72 < ((lifts(table, "lift_low") <= true) & (true <= lifts(table, "lift_high"))).mean() < 0.9


def test_finds_most_of_what_can_be_gained_where_there_is_something() -> None:
    world = make_world(101, accounts=120, posts=1000)
    sums = compute_slot_sums(world.posts)
    table = compute_from_sums(sums, prior=compute_prior_without_each(sums))
    best = lifts(table).argmax(axis=1)
    rows = np.arange(len(best))
    gained = world.true_lift[rows, best]
    assert gained.sum() / world.true_lift.max(axis=1).sum() > 0.5
    assert (gained < 0).mean() < 0.1
    assert 0.7 < lifts(table)[rows, best].mean() / np.expm1(gained).mean() < 1.3
    true = np.expm1(world.true_lift)
    held = (lifts(table, "lift_low") <= true) & (true <= lifts(table, "lift_high"))
    assert 0.72 < held.mean() < 0.9


def test_promises_nothing_sure_where_engagement_is_shuffled() -> None:
    world = make_world(7, accounts=60, posts=800)
    posts = world.posts
    order = np.concatenate(
        [
            np.random.default_rng(1).permutation(index)
            for index in posts.groupby("account_id").indices.values()
        ]
    )
    shuffled = posts.assign(
        engagement=posts["engagement"].to_numpy()[order], kind=posts["kind"].to_numpy()[order]
    )
    table = compute_optimal_times(shuffled)
    best = lifts(table).argmax(axis=1)
    assert abs(world.true_lift[np.arange(60), best].mean()) < 0.06, "chance alone picks the slots"
    high = (table["confidence"].to_numpy().reshape(-1, 168) == "high").any(axis=1)
    assert high.mean() <= 0.05
    assert lifts(table).max(axis=1).mean() < 0.2


def test_switch_from_photos_to_videos_does_not_hide_the_timing() -> None:
    """Videos earn five times as much and are posted later in the day; the best hour is 12, for both."""
    rng = np.random.default_rng(2)
    n = 2000
    day = np.sort(rng.integers(0, 300, n))
    video = rng.random(n) < 1 / (1 + np.exp(-(day - 150) / 20))
    hour = np.where(video, rng.integers(10, 22, n), rng.integers(6, 18, n))
    effect = 0.4 * np.exp(-0.5 * ((hour - 12) / 2.0) ** 2)
    y = 3 + 1.6 * video + effect + rng.normal(0, 0.9, n)
    history = pd.DataFrame(
        {
            "account_id": "a",
            "published_at": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(day * 24 + hour, unit="h"),
            "engagement": np.expm1(y),
            "kind": np.where(video, "video", "photo"),
        }
    )
    profile = lifts(compute_optimal_times(history))[0].reshape(7, 24).mean(axis=0)
    assert 11 <= profile.argmax() <= 13
    assert profile[12] - profile[18] > 0.2


@pytest.mark.parametrize(("posts", "accounts", "kept"), [(100, 150, 0.7), (600, 80, 0.85)])
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_page_that_changes_character_without_a_word_keeps_its_advice(
    posts: int, accounts: int, kept: float, factor: float
) -> None:
    """Level and hours of posting change at one moment and no kind says so: the level may not pass for timing."""
    rows = np.arange(accounts)
    shares, harm = [], []
    for change in (1.0, factor):
        world = make_changed_world(42, accounts=accounts, posts=posts, factor=change)
        table = compute_optimal_times(world.posts)
        best = lifts(table).argmax(axis=1)
        gained = world.true_lift[rows, best]
        shares.append(gained.sum() / world.true_lift.max(axis=1).sum())
        harm.append((gained < 0).mean())
        # Taken for timing, the jump would promise three times what is there.
        assert lifts(table)[rows, best].mean() < 1.5 * np.expm1(gained).mean()
        true = np.expm1(world.true_lift)
        assert ((lifts(table, "lift_low") <= true) & (true <= lifts(table, "lift_high"))).mean() > 0.72
    assert shares[1] > kept * shares[0]
    assert harm[1] < harm[0] + 0.1


def test_platform_profile_finds_what_accounts_share_and_leaves_the_asker_out() -> None:
    world = make_world(11, accounts=60, posts=400, shared=0.8)
    profile = compute_platform_prior(world.posts)
    assert list(profile.columns) == ["weekday", "hour", "log_effect"]
    assert len(profile) == 168
    shared = world.effect.mean(axis=0)
    assert np.corrcoef(profile["log_effect"], shared)[0, 1] > 0.8
    two = world.posts[world.posts["account_id"].isin(["account-00000", "account-00001"])]
    excluded = compute_platform_prior(two, exclude="account-00000")
    alone = compute_platform_prior(two[two["account_id"] == "account-00001"])
    np.testing.assert_allclose(excluded["log_effect"], alone["log_effect"])
    each = compute_prior_without_each(compute_slot_sums(world.posts))
    assert len(each) == 60 * 168
    assert np.corrcoef(each["log_effect"].head(168), shared)[0, 1] > 0.8


def test_other_platforms_are_the_expectation_of_a_small_one_as_far_as_it_resembles_them() -> None:
    large = make_world(31, accounts=150, posts=100, family=1, alike=0.9, shared=0.4)
    for alike, least, most in ((0.9, 0.1, 1.0), (0.0, -0.5, 0.25)):
        small = make_world(32, accounts=8, posts=100, family=1, alike=alike, shared=0.4)
        truth = make_world(32, accounts=300, posts=1, family=1, alike=alike, shared=0.4).effect.mean(axis=0)
        elsewhere = compute_platform_prior(large.posts)
        alone = compute_platform_prior(small.posts)
        leaning = compute_platform_prior(small.posts, elsewhere=elsewhere)
        gained = [np.corrcoef(prior["log_effect"], truth)[0, 1] for prior in (leaning, alone)]
        assert least <= gained[0] - gained[1] <= most
    nothing = compute_platform_prior(small.posts.head(0), timezones={"new": "UTC"}, elsewhere=elsewhere)
    np.testing.assert_allclose(nothing["log_effect"], elsewhere["log_effect"] / 2, atol=1e-12)


def test_prior_carries_an_account_with_few_posts() -> None:
    evening = np.where(np.isin(np.arange(168) % 24, [19, 20, 21]), 0.5, 0.0)
    prior = pd.DataFrame(
        {"weekday": np.arange(168) // 24, "hour": np.arange(168) % 24, "log_effect": evening}
    )
    history = random_history(4, posts=10, accounts=1)
    table = compute_optimal_times(history, prior=prior)
    assert table.loc[table["expected_lift"].idxmax(), "hour"] in {19, 20, 21}


# What accounts share besides: how slots resemble each other


def test_platform_tells_whether_its_good_times_are_narrow_or_wide(tmp_path: Path) -> None:
    """The `kernel` world is made of the measured shape (the first), the `bumps` world of wider times."""
    measured = {}
    for shape in ("bumps", "kernel"):
        prior = compute_platform_prior(make_world(21, accounts=120, posts=400, shape=shape).posts)
        prior.to_parquet(tmp_path / "prior.parquet")
        kernel = pd.read_parquet(tmp_path / "prior.parquet").attrs["kernel"]
        assert kernel == prior.attrs["kernel"], "a file keeps it"
        assert sum(kernel["shapes"]) == pytest.approx(1)
        assert sum(kernel["strengths"]) == pytest.approx(1)
        measured[shape] = kernel["shapes"][0]
    assert measured["bumps"] < 0.4
    assert measured["kernel"] > 0.55


def test_timing_that_does_nothing_makes_a_platform_believe_in_weak_timing() -> None:
    strong = compute_platform_prior(make_world(22, accounts=80, posts=400, effect_sd=0.3).posts)
    nothing = compute_platform_prior(make_world(22, accounts=80, posts=400, effect_sd=0.0).posts)
    assert strong.attrs["kernel"]["scale"] > 1.2
    assert nothing.attrs["kernel"]["scale"] < 0.2


def test_what_a_platform_learned_earns_more_on_fresh_accounts() -> None:
    """The accounts that are advised are not among those that the platform learned from."""
    world = make_world(23, accounts=300, posts=1000)
    number = world.posts["account_id"].str[-5:].astype(int)
    prior = compute_platform_prior(world.posts[number < 150])
    earned = []
    for kernel in (True, False):
        given = prior.copy()
        if not kernel:
            given.attrs["kernel"] = {"shapes": DEFAULT_MIX.shapes, "strengths": DEFAULT_MIX.strengths}
        best = lifts(compute_optimal_times(world.posts[number >= 150], prior=given)).argmax(axis=1)
        earned.append(world.true_lift[150:][np.arange(150), best].mean())
    assert earned[0] > earned[1]


def test_a_few_accounts_do_not_overturn_what_is_known() -> None:
    few = compute_platform_prior(random_history(24, posts=100, accounts=2)).attrs["kernel"]["shapes"]
    none = compute_platform_prior(random_history(24, posts=5, accounts=2)).attrs["kernel"]["shapes"]
    np.testing.assert_allclose(few, none, atol=0.05)


def test_a_profile_from_elsewhere_counts_less_where_few_posts_can_judge_it() -> None:
    """Nobody knows how much of it is noise. Ours, of too few accounts to teach a kernel, notes the default one."""
    prior = compute_platform_prior(random_history(26, posts=20))
    prior["log_effect"] = np.where(prior["hour"].isin([19, 20, 21]), 0.3, 0.0)
    foreign = prior[["weekday", "hour", "log_effect"]].copy()
    foreign.attrs = {}
    history = random_history(27, posts=10, accounts=1)
    flat = lifts(compute_optimal_times(history))[0]
    ours, theirs = (
        (lifts(compute_optimal_times(history, prior=given))[0] - flat)[20::24].mean()
        for given in (prior, foreign)
    )
    assert 0.2 < theirs / ours < 0.6


@pytest.mark.parametrize(
    "kernel",
    [
        {},
        {"shapes": [1.0], "strengths": [0.1, 0.7, 0.2]},
        {"shapes": [-1.0] * 8, "strengths": [0.1, 0.7, 0.2]},
        {"shapes": ["wide"] * 8, "strengths": [0.1, 0.7, 0.2]},
        "wide",
        None,
    ],
)
def test_a_kernel_that_is_none_is_a_clear_error(kernel: object) -> None:
    prior = compute_platform_prior(random_history(25, posts=20))
    prior.attrs["kernel"] = kernel
    with pytest.raises(InvalidInputError, match=r"attrs\['kernel'\]") as caught:
        compute_optimal_times(random_history(25, posts=20), prior=prior)
    assert caught.value.field == "prior"


# Bad input


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (lambda h: h.drop(columns="engagement"), "engagement", "no column"),
        (lambda h: h.drop(columns="account_id"), "account_id", "no column"),
        (
            lambda h: h.assign(published_at=h["published_at"].dt.tz_localize(None)),
            "published_at",
            "time zone",
        ),
        (lambda h: h.assign(published_at=h["published_at"].astype(str)), "published_at", "to_datetime"),
        (lambda h: h.assign(published_at=h["published_at"].where(h.index > 0)), "published_at", "missing"),
        (lambda h: h.assign(engagement=-1.0), "engagement", "negative"),
        (lambda h: h.assign(engagement=np.inf), "engagement", "infinite"),
        (lambda h: h.assign(engagement="many"), "engagement", "number"),
        (lambda h: h.assign(age_hours=-2.0), "age_hours", "negative"),
        (lambda h: h.assign(account_id=None), "account_id", "missing"),
        (lambda h: h.assign(account_id=["a", 1, "b", 2, 3]), "account_id", "sorted"),
        (lambda h: h.assign(engagement=True), "engagement", "number"),
        (
            lambda h: h.assign(published_at=h["published_at"].dt.tz_localize(None).astype(object)),
            "published_at",
            "time zone",
        ),
    ],
)
def test_bad_history_is_a_clear_error(change: object, field: str, words: str) -> None:
    history = random_history(0, posts=5, accounts=1)
    with pytest.raises(InvalidInputError, match=words) as caught:
        compute_optimal_times(change(history))
    assert caught.value.field == field


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "America", "../etc/passwd", "UTC+5"])
def test_unknown_zone_is_a_clear_error(zone: str) -> None:
    for timezones in (zone, {"account-00000": zone}):
        with pytest.raises(InvalidInputError, match="IANA") as caught:
            compute_optimal_times(random_history(0, posts=5, accounts=1), timezones=timezones)
        assert caught.value.field == "timezones"


def test_other_bad_arguments_are_clear_errors() -> None:
    history = random_history(0, posts=5, accounts=1)
    with pytest.raises(InvalidInputError, match="no zone for account 'account-00000'"):
        compute_optimal_times(history, timezones={"someone": "UTC"})
    with pytest.raises(InvalidInputError, match="as_of"):
        compute_optimal_times(history, as_of=datetime(2024, 5, 1))  # noqa: DTZ001 (naive is the point)
    with pytest.raises(InvalidInputError, match="168"):
        compute_optimal_times(history, prior=pd.DataFrame({"weekday": [0], "hour": [0], "log_effect": [0.1]}))
    with pytest.raises(InvalidInputError, match="weekday"):
        compute_optimal_times(history, prior=pd.DataFrame({"weekday": [7], "hour": [0], "log_effect": [0.1]}))
    with pytest.raises(InvalidInputError, match="log_effect must be a number"):
        compute_optimal_times(history, prior=pd.DataFrame({"weekday": [0], "hour": [0], "log_effect": ["x"]}))
    each = compute_prior_without_each(compute_slot_sums(history))
    for elsewhere, problem in ((each, "one profile"), (each.drop(columns="hour"), "elsewhere has no column")):
        with pytest.raises(InvalidInputError, match=problem) as caught:
            compute_platform_prior(history, elsewhere=elsewhere)
        assert caught.value.field == "elsewhere"
    with pytest.raises(InvalidInputError, match="DataFrame"):
        compute_optimal_times(None)
