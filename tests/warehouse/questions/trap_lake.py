"""A lake with traps for analysts: one name twice, posts seen once, gaps, corrections, implausible counts."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import refresh_growth
from warehouse.lake.queries.timing import refresh_optimal_times
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake

ACCOUNTS = (
    AccountDim("acct_1", "ws_1", "twitter", "harbor", "Harbor", "America/New_York"),
    AccountDim("acct_2", "ws_1", "mastodon", "harbor", "Harbor", "Asia/Kathmandu"),  # the same handle
    AccountDim("acct_3", "ws_1", "twitter", "quay", "Quay"),  # no time zone
    AccountDim("acct_4", "ws_1", "bluesky", "pier", "Pier", "Mars/Olympus"),  # no such zone
)
AGES: dict[str, tuple[float, ...]] = {
    "often": (0.25, 1.02, 3, 6, 12, 24.3, 48, 72, 120, 169, 336, 721, 1441),
    "young": (0.3, 1.1, 20, 29, 50),
    "once": (900,),
    "twice": (24, 170),
    "never": (),
}


def fill(lake: Lake, now: datetime) -> None:
    """Fill the lake with posts of the last 150 days before `now`."""
    draw = random.Random(15)
    load_accounts(lake, ACCOUNTS)
    publications: list[PublicationDim] = []
    snapshots: list[PostSnapshot] = []
    for number in range(240):
        account = draw.choice(ACCOUNTS[:3]) if number % 20 else ACCOUNTS[3]
        how = draw.choice(("often", "often", "often", "young", "once", "twice", "never"))
        days = draw.uniform(3, 25) if how == "young" else draw.uniform(62, 150)
        published = now - timedelta(days=days)
        publication = PublicationDim(
            f"pub_{number:03}",
            f"post_{number - number % 3 if number < 30 else number:03}",
            account.workspace_id,
            account.account_id,
            account.platform,
            draw.choice(("socialflow", "external")),
            draw.choice(("text", "photo", "video", None)),
            published,
            text=draw.choice(("words", "", None)),
        )
        publications.append(publication)
        final, share = draw.lognormvariate(4.5, 1), 0.0
        for step, age in enumerate(AGES[how]):
            share = max(
                0.0, (1 - 2.718 ** (-((age / 14) ** 0.6))) * draw.uniform(0.97, 1.0) - 0.03 * (step == 9)
            )
            likes = int(final * share)
            snapshots.append(
                PostSnapshot(
                    account.workspace_id,
                    publication.publication_id,
                    account.account_id,
                    published + timedelta(hours=age),
                    published,
                    impressions=None if account.platform == "mastodon" else likes * 40,
                    likes=None if number % 17 == 0 else likes,
                    comments=None if number % 5 == 0 else likes // 7,
                    shares=likes // 11,
                    saves=None,
                )
                if number % 23
                else PostSnapshot(
                    account.workspace_id,
                    publication.publication_id,
                    account.account_id,
                    published + timedelta(hours=age),
                    published,
                    impressions=5,  # read, but without any part of the engagement
                )
            )
    load_publications(lake, publications)
    draw.shuffle(snapshots)
    third = len(snapshots) // 3
    for start in (0, third, 2 * third):  # not in order of time
        load_post_snapshots(
            lake, snapshots[start : start + third if start < 2 * third else None], f"run_{start}"
        )
    counts: list[AccountSnapshot] = []
    for account, first in zip(ACCOUNTS[:3], (16_000, 49_000, 300), strict=True):
        followers = first
        for day in range(140):
            followers += draw.randint(-first // 100, first // 60)
            shown: dict[int, int | None] = {30: 0, 31: 0, 60: followers * 3, 70: None, 139: followers // 2}
            at = now - timedelta(days=140 - day)
            counts.append(
                AccountSnapshot(account.workspace_id, account.account_id, at, shown.get(day, followers))
            )
    load_account_snapshots(lake, counts, "run")
    refresh_optimal_times(lake, now=now)
    refresh_growth(lake, now)


def now_for_tests() -> datetime:
    """The documented queries use now(), so the lake is built relative to the present minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def read_frames(lake: Lake) -> dict[str, Any]:
    """The raw rows and dimensions, from which the answers are computed without any mart."""
    return {
        "posts": lake.frame("SELECT * EXCLUDE (raw) FROM raw.post_snapshots"),
        "counts": lake.frame("SELECT * EXCLUDE (raw) FROM raw.account_snapshots"),
        "publications": lake.frame("FROM dims.publications"),
        "accounts": lake.frame("FROM dims.accounts"),
        "times": lake.frame("FROM marts.optimal_times"),
        "estimates": lake.frame(
            "SELECT publication_id, age_hours, engagement_estimate FROM marts.publication_at_age"
        ),
    }
