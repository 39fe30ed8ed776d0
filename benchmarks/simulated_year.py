"""Simulate a busy workspace's year in the lake: posts, snapshots, followers, and nightly maintenance.

The days are simulated, but commits are stamped with the machine's clock: each day's commits get the simulated
time afterwards, in the catalog. `loaded_at` is in the rows and stays, so `Calendar` maps a simulated day to
its real time.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.load import (
    load_account_snapshots,
    load_accounts,
    load_post_snapshots,
    load_publications,
)
from warehouse.lake.maintenance import maintain_lake, merge_if_many
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.store.measuring.measurements import next_snapshot_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

FIRST_DAY = datetime(2025, 3, 1, tzinfo=UTC)
WORKSPACE = "ws_busy"
PLATFORMS = ("twitter", "instagram", "mastodon", "bluesky", "linkedin")
KINDS = ("text", "link", "photo", "video")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")


@dataclass(frozen=True, slots=True)
class YearPlan:
    """Size of the workload."""

    days: int = 365
    commits_per_day: int = 3
    """Ingest runs that find due posts."""
    accounts: int = 20
    posts_per_day: int = 20
    accounts_per_post: int = 2
    seed: int = 1
    keep_days: int = 30
    """How far the lake's time travel reaches."""
    keep_payload_days: int = 90


@dataclass
class Calendar:
    """The real time at which each simulated day began."""

    began: list[datetime] = field(default_factory=list)

    def before(self, days: int) -> datetime:
        """Return the real start time of the day that is `days` simulated days ago."""
        return self.began[-1 - days] if len(self.began) > days else self.began[0] - timedelta(days=1)


@dataclass(slots=True)
class _Living:
    """A publication that is still measured."""

    row: PublicationDim
    final: float
    due: datetime


@dataclass
class Night:
    """What one maintenance run found, did and cost."""

    report: dict[str, Any]
    seconds: float
    cpu: float


class Year:
    """The workspace, simulated day by day."""

    def __init__(self, lake: Lake, plan: YearPlan) -> None:
        self.lake = lake
        self.plan = plan
        self.nights: list[Night] = []
        self.load_cpu: list[float] = []
        """CPU seconds of each load of post snapshots."""
        self.rows = 0
        self.merges = 0
        """Merges between loads, in addition to those at night."""
        self._draw = random.Random(plan.seed)
        self._calendar = Calendar()
        self._living: list[_Living] = []
        self._posts = 0
        self._accounts = [
            AccountDim(
                f"acct_{number:03d}",
                WORKSPACE,
                PLATFORMS[number % len(PLATFORMS)],
                f"account{number}",
                timezone=ZONES[number % len(ZONES)],
            )
            for number in range(plan.accounts)
        ]

    def run(self, after_night: Callable[[int, Night], None] = lambda _day, _night: None) -> None:
        """Simulate all days."""
        load_accounts(self.lake, self._accounts)
        for day in range(self.plan.days):
            self._calendar.began.append(datetime.now(UTC))
            start = FIRST_DAY + timedelta(days=day)
            self._spend_day(start)
            self._stamp(start + timedelta(hours=23))
            self.nights.append(self._maintain(start + timedelta(days=1)))
            self._stamp(start + timedelta(hours=23, minutes=59))
            after_night(day + 1, self.nights[-1])

    def _spend_day(self, start: datetime) -> None:
        step = timedelta(days=1) / self.plan.commits_per_day
        posts = sorted(self._draw.uniform(0, 24) for _ in range(self.plan.posts_per_day))
        for number in range(1, self.plan.commits_per_day + 1):
            now = start + step * number - timedelta(seconds=1)
            came = [hour for hour in posts if now - step < start + timedelta(hours=hour) <= now]
            self._publish([start + timedelta(hours=hour) for hour in came])
            self._measure(now)
            if merge_if_many(self.lake, now):
                self.merges += 1
        load_account_snapshots(
            self.lake, self._count_followers(start + timedelta(hours=6)), f"run_{start:%j}"
        )

    def _publish(self, moments: list[datetime]) -> None:
        rows = []
        for at in moments:
            self._posts += 1
            kind = self._draw.choice(KINDS)
            for account in self._draw.sample(self._accounts, self.plan.accounts_per_post):
                name = f"{self._posts:06d}_{account.account_id}"
                row = PublicationDim(
                    publication_id=f"pub_{name}",
                    post_id=f"post_{self._posts:06d}",
                    workspace_id=WORKSPACE,
                    account_id=account.account_id,
                    platform=account.platform,
                    origin="socialflow",
                    kind=kind,
                    published_at=at,
                    permalink=f"https://example.com/{name}",
                    text=f"Post {self._posts} of a busy year, as long as such texts usually are. #{kind}",
                    placement="manual",
                )
                rows.append(row)
                final = self._draw.lognormvariate(4, 1)
                self._living.append(_Living(row, final, at + timedelta(minutes=15)))
        load_publications(self.lake, rows)

    def _measure(self, now: datetime) -> None:
        due = [item for item in self._living if item.due <= now]
        rows = [self._count(item, now) for item in due]
        began = time.process_time()
        if load_post_snapshots(self.lake, rows, f"run_{now:%j_%H}") != len(rows):
            raise RuntimeError("a snapshot was left out")
        self.load_cpu.append(time.process_time() - began)
        self.rows += len(rows)
        ended = set()
        for item in due:
            again = next_snapshot_at(item.row.published_at, now)
            if again is None:
                ended.add(item.row.publication_id)
            else:
                item.due = again
        if ended:
            self._living = [item for item in self._living if item.row.publication_id not in ended]

    def _count(self, item: _Living, now: datetime) -> PostSnapshot:
        age = (now - item.row.published_at) / timedelta(hours=1)
        grown = item.final * (1 - 0.5 ** (age / 6) + age / 5000)
        if self._draw.random() < 0.01:  # now and then a platform corrects a counter downwards
            grown *= 0.97
        return PostSnapshot(
            workspace_id=WORKSPACE,
            publication_id=item.row.publication_id,
            account_id=item.row.account_id,
            captured_at=now,
            published_at=item.row.published_at,
            impressions=int(grown * 40),
            likes=int(grown * 0.8),
            comments=int(grown * 0.12),
            shares=int(grown * 0.08),
            saves=None if item.row.platform == "twitter" else int(grown * 0.03),
            raw={"id": item.row.publication_id, "public_metrics": {"like_count": int(grown * 0.8)}},
            api_version="2",
        )

    def _count_followers(self, now: datetime) -> list[AccountSnapshot]:
        day = (now - FIRST_DAY).days
        return [
            AccountSnapshot(
                WORKSPACE, account.account_id, now, followers=1000 + number * 100 + day * (number % 7)
            )
            for number, account in enumerate(self._accounts)
        ]

    def _stamp(self, at: datetime) -> None:
        """Replace machine times stamped since the last call by the simulated time."""
        with self.lake.write() as cursor:
            for table, column in (
                ("ducklake_snapshot", "snapshot_time"),
                ("ducklake_files_scheduled_for_deletion", "schedule_start"),
            ):
                cursor.execute(
                    f"UPDATE __ducklake_metadata_lake.{table} SET {column} = '{at}' "
                    f"WHERE {column}::TIMESTAMPTZ > TIMESTAMPTZ '{self._calendar.began[0]}'"
                )

    def _maintain(self, now: datetime) -> Night:
        began, cpu = time.perf_counter(), time.process_time()
        self.lake.settings = self.lake.settings.model_copy(
            update={"keep_raw_payloads": now - self._calendar.before(self.plan.keep_payload_days)}
        )
        report = maintain_lake(self.lake, now, keep_snapshots=timedelta(days=self.plan.keep_days))
        return Night(report, time.perf_counter() - began, time.process_time() - cpu)


def count_files(lake: Lake) -> dict[str, int]:
    """Return the files of the newest snapshot, by table."""
    rows = lake.query("SELECT table_name, file_count FROM ducklake_table_info('lake') ORDER BY table_name")
    return {row["table_name"]: row["file_count"] for row in rows}
