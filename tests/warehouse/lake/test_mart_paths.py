"""Where the marts take a shorter way to a number, it is the number of the long way."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import rebuild_marts

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)
COUNTERS = ("impressions", "reach", "likes", "comments", "shares", "saves", "clicks", "video_views")


@pytest.mark.parametrize("seed", range(2))
def test_loads_in_parts_give_the_marts_that_a_rebuild_sums_from_raw(  # noqa: PLR0917 (fixtures)
    lake: Lake, make_publication: Make, make_snapshot: Make, make_count: Make, read_marts: Make, seed: int
) -> None:
    """Posts of one publication and of several, each load with some of them, one snapshot a time or many."""
    draw = random.Random(seed)
    publications = {
        str(number): make_publication(
            str(number),
            post_id=f"post_{draw.randrange(2) if number < 4 else number}",
            account_id=f"acct_{draw.choice('ab')}",
            platform=draw.choice(("twitter", "mastodon")),
            kind=draw.choice(("text", "image", None)),
            published_at=DAY + timedelta(hours=draw.choice((0, 5, 700))),
        )
        for number in range(9)
    }
    load_publications(lake, list(publications.values()))
    for hours in (0.5, 2, 23, 26, 160, 170, 700, 730):
        load_account_snapshots(
            lake,
            [
                make_count(
                    draw.choice((None, 0, 100, 250)), days=draw.uniform(0, 40), account_id=f"acct_{which}"
                )
                for which in "ab"
            ],
            "run",
        )
        chosen = draw.sample(sorted(publications), draw.randint(1, 9))
        rows = []
        for name in chosen:
            publication = publications[name]
            for later in range(draw.choice((1, 1, 1, 3))):
                counts = {counter: draw.choice((None, 0, draw.randrange(500))) for counter in COUNTERS}
                rows.append(
                    make_snapshot(
                        name,
                        hours=hours + later / 10,
                        published_at=publication.published_at,
                        account_id=publication.account_id,
                        is_lifetime=draw.choice((None, None, False, True)),
                        **counts,
                    )
                )
        assert load_post_snapshots(lake, rows, "run") == len(rows)
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up


def test_slots_are_by_the_accounts_clock_whatever_its_zone_does_that_day(
    lake: Lake, make_account: Make, make_publication: Make
) -> None:
    """Zones with half hours, with changes of half an hour, at midnight, and twice a year for a month."""
    draw = random.Random(1)
    zones = (
        *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"),
        *("America/Havana", "Pacific/Chatham", "Asia/Beirut", "America/St_Johns", "Pacific/Apia"),
    )
    load_accounts(lake, [make_account(f"acct_{place}", timezone=zone) for place, zone in enumerate(zones)])
    expected: Counter[tuple[str, int, int]] = Counter()
    publications = []
    for place, zone in enumerate(zones):
        instants = [
            datetime(draw.randint(2005, 2026), 1, 1, tzinfo=UTC)
            + timedelta(minutes=draw.randrange(365 * 24 * 60))
            for _ in range(150)
        ]
        for offset_change in changes_of(zone, 2025):
            instants += [offset_change + timedelta(minutes=minutes) for minutes in range(-90, 91, 30)]
        for number, at in enumerate(instants):
            local = at.astimezone(ZoneInfo(zone))
            expected[f"acct_{place}", local.weekday(), local.hour] += 1
            publications.append(
                make_publication(f"{place}_{number}", account_id=f"acct_{place}", published_at=at)
            )
    load_publications(lake, publications)
    slots = lake.query("SELECT account_id, weekday, hour, publications FROM marts.slot_engagement")
    assert {
        (row["account_id"], row["weekday"], row["hour"]): row["publications"] for row in slots
    } == expected
    posts = lake.query("SELECT publication_id, created_local, created_date FROM marts.posts_wide")
    published = {
        one.publication_id: one.published_at.astimezone(ZoneInfo(zones[int(one.account_id[5:])]))
        for one in publications
    }
    wrong = [
        row for row in posts if row["created_local"] != published[row["publication_id"]].replace(tzinfo=None)
    ]
    assert wrong == [], "posts_wide converts once a day, and shows what one conversion a row gives"
    outside = lake.query(
        "SELECT posts.publication_id, posts.created_timestamp, dates.* "
        "FROM marts.posts_wide AS posts JOIN dims.dates AS dates "
        "ON dates.workspace_id = posts.workspace_id AND dates.timezone = posts.timezone AND day = created_date "
        "WHERE created_timestamp < starts_at OR created_timestamp >= ends_at"
    )
    assert outside == [], "a day holds exactly what was published on it"


def changes_of(zone: str, year: int) -> list[datetime]:
    """The hours of a year before which the zone's offset is another than after."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hours[at] for at in range(1, len(hours)) if offsets[at] != offsets[at - 1]]
