"""The answers to the questions of docs/warehouse.md, from raw rows, with pandas and plain Python: no mart, no SQL."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

PARTS = ["likes", "comments", "shares", "saves"]
Rows = list[tuple[Any, ...]]


class World:
    """The frames of a lake, with what most questions need."""

    def __init__(self, frames: dict[str, Any], now: datetime) -> None:
        self.now = now
        self.accounts, self.times, self.estimates = frames["accounts"], frames["times"], frames["estimates"]
        self.publications = frames["publications"]
        posts = frames["posts"].drop(columns=["published_at", "workspace_id", "account_id"])
        posts["engagement"] = posts[PARTS].sum(axis=1, min_count=1)
        posts = posts.merge(self.publications.drop(columns="text"), on="publication_id")
        posts["age"] = (posts["captured_at"] - posts["published_at"]).dt.total_seconds() / 3600
        self.posts = posts.sort_values(["publication_id", "captured_at"])
        newest = self.posts.groupby("publication_id").tail(1)
        columns = ["publication_id", "captured_at", "age", "impressions", "engagement"]
        self.latest = self.publications.merge(newest[columns], on="publication_id", how="left")
        self.counts = frames["counts"].sort_values(["account_id", "captured_at"])
        self.disbelieved = self._disbelieve()
        gone = {(account, at) for account, at, *_ in self.disbelieved}
        trusted = self.counts[self.counts["followers"].notna()]
        keys = zip(trusted["account_id"], trusted["captured_at"], strict=True)
        self.trusted = trusted[[key not in gone for key in keys]].copy()
        self.trusted["day"] = self.trusted["captured_at"].dt.date

    def _disbelieve(self) -> Rows:
        """Return (account_id, captured_at, followers, compared_with, reason), by the rule in words."""
        found: Rows = []
        for account, rows in self.counts[self.counts["followers"].notna()].groupby("account_id"):
            values = [(row.captured_at, int(row.followers)) for row in rows.itertuples()]
            kept = []
            for place, (at, count) in enumerate(values):
                before = next((other for _, other in reversed(values[:place]) if other > 0), 0)
                after = next((other for _, other in values[place + 1 :] if other > 0), 0)
                if count <= 0 and max(before, after) > 100:
                    found.append((account, at, count, before if before > 100 else after, "zero"))
                else:
                    kept.append((at, count))
            steady = kept[:1]
            for place in range(1, len(kept)):
                (at, count), before = kept[place], kept[place - 1][1]
                after = kept[place + 1][1] if place + 1 < len(kept) else None
                if _jumps(before, count) and after is not None and not _jumps(before, after):
                    found.append((account, at, count, before, "spike"))
                else:
                    steady.append(kept[place])
            if len(steady) > 1:
                (before_at, before), (at, count) = steady[-2:]
                if _jumps(before, count) and at - before_at <= timedelta(days=3):
                    found.append((account, at, count, before, "unconfirmed"))
        return sorted(found, key=lambda row: row[:2])

    def at_age(self, hours: int) -> dict[str, float | None]:
        """Engagement of each publication at an age: on the line between two real snapshots near it, else None."""
        values: dict[str, float | None] = dict.fromkeys(self.publications["publication_id"])
        for publication, rows in self.posts.groupby("publication_id"):
            before: Any = None
            for row in rows.itertuples():
                if row.age >= hours:
                    values[publication] = self._on_line(before, row, hours)
                    break
                before = row
        return values

    @staticmethod
    def _on_line(before: Any, after: Any, hours: int) -> float | None:
        if after.age == hours:
            return None if math.isnan(after.engagement) else float(after.engagement)
        if before is None:
            if hours > 3:
                return None
            start, counters = 0.0, dict.fromkeys(PARTS, 0.0)
        else:
            start, counters = before.age, {part: getattr(before, part) for part in PARTS}
        if min(hours - start, after.age - hours) > hours / 4:
            return None
        share = (hours - start) / (after.age - start)
        parts = [counters[part] + (getattr(after, part) - counters[part]) * share for part in PARTS]
        known = [float(part) for part in parts if not pd.isna(part)]
        return sum(known) if known else None

    def gains(self) -> pd.DataFrame:
        """Each measured step of each publication: day, gain, correction and span."""
        steps = []
        for publication, rows in self.posts[self.posts["engagement"].notna()].groupby("publication_id"):
            before, since = 0.0, rows["published_at"].iloc[0]
            for row in rows.itertuples():
                change = row.engagement - before
                step = (publication, row.account_id, row.captured_at.date(), max(change, 0), min(change, 0))
                steps.append((*step, since, row.captured_at))
                before, since = row.engagement, row.captured_at
        frame = pd.DataFrame(steps, columns=["pub", "account", "day", "gain", "correction", "since", "until"])
        keys = ["pub", "account", "day"]
        return (
            frame.groupby(keys)
            .agg({"gain": "sum", "correction": "sum", "since": "min", "until": "max"})
            .reset_index()
        )

    def zone(self, account: str) -> ZoneInfo:
        """The effective zone: UTC where none or an impossible one was given."""
        given = {"acct_1": "America/New_York", "acct_2": "Asia/Kathmandu"}
        return ZoneInfo(given.get(account, "UTC"))


def _jumps(before: int, count: int) -> bool:
    return abs(count - before) > 100 and abs(count - before) * 3 > before


def _number(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _platforms(w: World) -> Rows:
    recent = w.latest[w.latest["published_at"] > pd.Timestamp(w.now - timedelta(days=30))]
    rows = [
        (
            name,
            len(part),
            int(part["engagement"].count()),
            _sum(part["engagement"]),
            _number(part["engagement"].median()),
        )
        for name, part in recent.groupby("platform")
    ]
    return sorted(rows, key=lambda row: (row[3] is None, -(row[3] or 0), row[0]))


def _sum(column: Any) -> Any:
    return _number(column.sum(min_count=1))


def _best_posts(w: World) -> Rows:
    rows = [
        (post, sorted(set(part["platform"])), len(part), _sum(part["engagement"]))
        for post, part in w.latest.groupby("post_id")
    ]
    return sorted((row for row in rows if row[3] is not None), key=lambda row: (-row[3], row[0]))[:10]


def _growth_of_one(w: World) -> Rows:
    chosen = w.posts[w.posts["publication_id"] == w.posts["publication_id"].max()]
    return [
        (
            row.publication_id,
            row.captured_at,
            row.captured_at - row.published_at,
            _number(row.engagement),
            _number(row.impressions),
        )
        for row in chosen.itertuples()
    ]


def _daily(w: World) -> Rows:
    gains = w.gains()
    short = gains[gains["until"] - gains["since"] <= pd.Timedelta(days=2)]
    return [(day, part["gain"].sum(), part["correction"].sum()) for day, part in short.groupby("day")]


def _last_of_days(w: World) -> pd.DataFrame:
    return w.trusted.groupby(["account_id", "day"]).tail(1)


def _weeks(w: World) -> Rows:
    days = w.counts.assign(day=w.counts["captured_at"].dt.date).drop_duplicates(["account_id", "day"])
    trusted = _last_of_days(w).copy()
    trusted["growth"] = trusted.groupby("account_id")["followers"].diff()
    table = days[["account_id", "day"]].merge(
        trusted[["account_id", "day", "followers", "growth"]], on=["account_id", "day"], how="left"
    )
    table["week"] = [day - timedelta(days=day.weekday()) for day in table["day"]]
    handles = dict(zip(w.accounts["account_id"], w.accounts["handle"], strict=True))
    return [
        (account, handles[account], week, _last(part["followers"]), _sum(part["growth"]))
        for (account, week), part in table.groupby(["account_id", "week"])
    ]


def _last(values: pd.Series) -> int | None:
    """Return the last known value; None = all counts of the week are not believed."""
    known = values.dropna()
    return _number(known.iloc[-1]) if len(known) else None


def _followers(w: World) -> Rows:
    last = w.trusted.groupby("account_id").tail(1)
    return [(len(last), last["followers"].sum())]


def _against_usual(w: World) -> Rows:
    known = w.latest[w.latest["engagement"].notna() & (w.latest["age"] >= 48)].copy()
    usual = known.groupby("account_id")["engagement"].transform("median")
    known["against"] = known["engagement"] / usual.where(usual != 0)
    return [
        (platform, _number(kind), len(part), round(part["against"].median(), 2))
        for (platform, kind), part in known.groupby(["platform", "kind"], dropna=False)
    ]


def _best_times(w: World) -> Rows:
    order = w.times.sort_values(
        ["account_id", "expected_lift", "weekday", "hour"], ascending=[True, False, True, True]
    )
    handles = dict(zip(w.accounts["account_id"], w.accounts["handle"], strict=True))
    return [
        (
            row.account_id,
            handles[row.account_id],
            row.weekday,
            row.hour,
            row.timezone,
            round(100 * row.expected_lift),
            round(100 * row.lift_low),
            round(100 * row.lift_high),
            row.n_posts,
            row.confidence,
        )
        for row in order.groupby("account_id").head(3).itertuples()
    ]


def _slots(w: World) -> Rows:
    table = w.latest.copy()
    local = [
        at.astimezone(w.zone(account))
        for at, account in zip(table["published_at"], table["account_id"], strict=True)
    ]
    table["weekday"], table["hour"] = [at.weekday() for at in local], [at.hour for at in local]
    return [
        (
            account,
            w.zone(account).key,
            weekday,
            hour,
            len(part),
            int(part["engagement"].count()),
            _sum(part["engagement"]),
            _number(part["engagement"].median()),
        )
        for (account, weekday, hour), part in table.groupby(["account_id", "weekday", "hour"])
    ]


def _rates(w: World) -> Rows:
    known = w.latest[(w.latest["impressions"] > 0) & w.latest["engagement"].notna()]
    return [
        (
            platform,
            _number(kind),
            len(part),
            round(100 * part["engagement"].sum() / part["impressions"].sum(), 2),
        )
        for (platform, kind), part in known.groupby(["platform", "kind"], dropna=False)
    ]


def _corrections(w: World) -> Rows:
    gains = w.gains()
    fell = gains[gains["correction"] < 0].sort_values(["pub", "day"])
    return [(row.account, row.pub, row.day, row.correction) for row in fell.itertuples()]


def _unmeasured(w: World) -> Rows:
    unread = w.latest[w.latest["captured_at"].isna()]
    return [(name, len(part), part["published_at"].min()) for name, part in unread.groupby("platform")]


def _after_a_day(w: World) -> Rows:
    table = w.publications.assign(value=w.publications["publication_id"].map(w.at_age(24)).astype(float))
    return [
        (account, len(part), int(part["value"].count()), _number(part["value"].median()))
        for account, part in table.groupby("account_id")
    ]


def _speed(w: World) -> Rows:
    ids = w.publications["publication_id"]
    table = w.publications.assign(
        day=ids.map(w.at_age(24)).astype(float), week=ids.map(w.at_age(168)).astype(float)
    )
    table = table[table["day"].notna() & (table["week"] > 0)]
    return [
        (account, len(part), round((part["day"] / part["week"]).median(), 3))
        for account, part in table.groupby("account_id")
    ]


def _month(w: World) -> Rows:
    estimates = w.estimates[w.estimates["age_hours"] == 720].set_index("publication_id")[
        "engagement_estimate"
    ]
    ids = w.publications["publication_id"]
    table = w.publications.assign(
        value=ids.map(w.at_age(720)).astype(float), estimate=ids.map(estimates).astype(float)
    )
    assert table[table["value"].notna()]["estimate"].isna().all()
    return [
        (
            account,
            int(part["value"].count()),
            int(part["estimate"].count()),
            _number(round(part["value"].fillna(part["estimate"]).sum(min_count=1), 0)),
        )
        for account, part in table.groupby("account_id")
    ]


def _times_usual(w: World) -> Rows:
    table = w.publications.assign(value=w.publications["publication_id"].map(w.at_age(24)).astype(float))
    table = table[table["value"].notna()].sort_values("publication_id")
    usual = table.groupby("account_id")["value"].transform("median")
    return [
        (publication, _number(value / middle))
        for publication, value, middle in zip(table["publication_id"], table["value"], usual, strict=True)
        if middle and value > middle
    ]


def _frequency(w: World) -> Rows:
    found: dict[tuple[str, Any], int] = {}
    for row in w.publications.itertuples():
        day = row.published_at.astimezone(w.zone(row.account_id)).date()
        key = (row.account_id, day - timedelta(days=day.weekday()))
        found[key] = found.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(found.items())]


def _follower_rates(w: World) -> Rows:
    last = _last_of_days(w)
    rows = []
    for post, part in w.latest.groupby("post_id"):
        audiences, earned = [], []
        for row in part.itertuples():
            known = last[(last["account_id"] == row.account_id) & (last["day"] <= row.published_at.date())]
            if len(known):
                audiences.append(known["followers"].iloc[-1])
                earned.append(row.engagement)
        if audiences:
            both = [(e, f) for e, f in zip(earned, audiences, strict=True) if f > 0 and not pd.isna(e)]
            rate = sum(e for e, _ in both) / sum(f for _, f in both) if both else None
            rows.append((post, sum(audiences), rate))
    return rows


def _several(w: World) -> Rows:
    rows = []
    for post, part in w.latest.groupby("post_id"):
        if len(part) > 1:
            known = part[part["engagement"].notna()]
            best = known.loc[known["engagement"].idxmax(), "account_id"] if len(known) else None
            rows.append((post, len(part), best))
    return rows


def _origins(w: World) -> Rows:
    return [
        (origin, len(part), int(part["captured_at"].count()), int(part["engagement"].count()))
        for origin, part in w.latest.groupby("origin")
    ]


ANSWERS: dict[str, Callable[[World], Rows]] = {
    "How did each platform perform, for publications of the last 30 days that were measured?": _platforms,
    "Which posts performed best, over all accounts?": _best_posts,
    "How did one post grow?": _growth_of_one,
    "How much engagement did all posts earn per day, where the span is at most two days?": _daily,
    "How do the followers of each account develop by week?": _weeks,
    "How many followers are there in total, by the last count of each account?": _followers,
    "Which counts of followers are not believed, and why?": lambda w: w.disbelieved,
    "Which kind of content performs best on each platform, relative to the account's median?": _against_usual,
    "When does an account perform best, and how certain is that?": _best_times,
    "At which local hours does each account publish, and what did these posts earn?": _slots,
    "What is the engagement rate by impressions, where impressions are reported?": _rates,
    "Which counters did a platform correct downwards?": _corrections,
    "What has not been measured, and since when?": _unmeasured,
    "What did posts have after 24 hours, and for how many is that known?": _after_a_day,
    "How fast do posts grow: which share of the engagement at 7 days do they have after 24 hours?": _speed,
    "What did posts have after 30 days, measured where possible and else estimated?": _month,
    "Which posts did better than the account's median at 24 hours, and by how much?": _times_usual,
    "How often does each account publish, per week?": _frequency,
    "What do posts earn in relation to the account's followers when they were published?": _follower_rates,
    "Which posts went to several accounts, and where did they do best?": _several,
    "How much of what was published is measured, by origin?": _origins,
}
"""By the question in docs/warehouse.md."""
