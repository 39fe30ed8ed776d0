"""Reading histories: all of it, once, from where it stopped, each account for itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import flows.ingestion.history
from connectors.types import Platform
from flows.errors import PartlyFailedError
from flows.ingestion.history import read_histories
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from flows.run_report import RunReport
    from tests.flows.conftest import Death, Floor


async def read(floor: Floor, **more: object) -> RunReport:
    return await read_histories(
        floor.resources,
        floor.pool,
        run_id="test",
        clock=floor.clock,
        **more,  # type: ignore[arg-type]  # options as they come
    )


def count_history(floor: Floor, platform: str | None = None) -> int:
    return sum(
        len(floor.world.published(Platform(name))) for name in ([platform] if platform else floor.accounts)
    )


async def test_a_history_is_read_whole_with_its_numbers(floor: Floor) -> None:
    report = await read(floor)
    assert report.failures == {}
    assert report.counts == {
        "posts": count_history(floor),
        "new_posts": count_history(floor),
        "snapshots": count_history(floor),
    }
    assert len(floor.snapshot_keys()) == count_history(floor)
    floor.assert_no_doubles()
    for platform in floor.accounts:
        row = floor.account(platform)
        assert row.backfill_posts == count_history(floor, platform)
        assert (row.backfill_finished_at, row.backfill_cursor) == (floor.clock(), None)


async def test_accounts_and_publications_are_in_the_lake_before_their_snapshots(floor: Floor) -> None:
    await read(floor)
    orphans = floor.resources.lake.query(
        "SELECT count(*) AS n FROM raw.post_snapshots s "
        "LEFT JOIN dims.publications p USING (publication_id) LEFT JOIN dims.accounts a ON a.account_id = s.account_id "
        "WHERE p.publication_id IS NULL OR a.account_id IS NULL"
    )
    assert orphans == [{"n": 0}]
    languages = floor.resources.lake.query(
        "SELECT platform, list_sort(list_distinct(list(language))) AS named, count(*) = count(language) AS complete, "
        "count(DISTINCT external_account_id) AS accounts FROM marts.posts_wide GROUP BY platform"
    )
    named = {"twitter", "mastodon", "bluesky"}  # X, Mastodon and Bluesky name a language, the others do not
    for row in languages:
        assert row["accounts"] == 1
        assert (row["named"], row["complete"]) == (
            (["en"], True) if row["platform"] in named else ([], False)
        ), row


async def test_a_second_look_within_a_day_does_nothing_and_one_after_a_day_adds_nothing(floor: Floor) -> None:
    await read(floor)
    assert (await read(floor)).accounts == 0
    floor.clock.advance(days=1, seconds=1)
    again = await read(floor)
    assert again.accounts == 4
    assert 0 < again.counts["posts"] < count_history(floor)
    assert again.counts["new_posts"] == 0


@pytest.mark.parametrize("history_days", [20])
async def test_an_interrupted_history_goes_on_where_it_stopped(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, death: type[Death]
) -> None:
    monkeypatch.setattr(flows.ingestion.history, "STRETCH", 5)
    kept: list[int] = []

    def die_after_the_first_stretch(_account: str, posts: int) -> None:
        kept.append(posts)
        if len(kept) == 2:
            raise death

    with pytest.raises(BaseExceptionGroup, check=lambda group: group.subgroup(death) is not None):
        await read(floor, account_ids=[floor.accounts["mastodon"].id], on_posts=die_after_the_first_stretch)
    half_way = floor.account("mastodon")
    assert half_way.backfill_cursor is not None
    assert half_way.backfill_posts == kept[0] < count_history(floor, "mastodon")

    rest = await read(floor, account_ids=[floor.accounts["mastodon"].id])
    assert rest.counts["posts"] == count_history(floor, "mastodon") - kept[0]
    assert len(floor.snapshot_keys()) == count_history(floor, "mastodon")
    floor.assert_no_doubles()


async def test_one_failing_account_stops_no_other_and_the_run_ends_failed(floor: Floor) -> None:
    floor.fault("forbidden", "mastodon", "read", count=None)
    report = await read(floor)
    assert report.counts["posts"] == count_history(floor) - count_history(floor, "mastodon")
    assert [name.split()[0] for name in report.failures] == ["mastodon"]
    with pytest.raises(PartlyFailedError, match="failed for 1 of 4 accounts: mastodon @"):
        report.raise_if_failed()
    assert floor.account("mastodon").last_error
    assert floor.account("bluesky").last_error is None


async def test_a_list_that_turns_in_a_circle_is_noticed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.ingestion.history, "STRETCH", 5)
    floor.fault("repeated_cursor", "bluesky", "read", count=None)
    report = await read(floor, account_ids=[floor.accounts["bluesky"].id])
    assert "same page" in next(iter(report.failures.values()))


async def test_a_rate_limit_defers_the_account_without_failing_the_run(floor: Floor) -> None:
    floor.fault("rate_limited", "mastodon", "read", count=None)
    report = await read(floor)
    assert report.failures == {}
    assert [name.split()[0] for name in report.deferred] == ["mastodon"]
    assert "until" in next(iter(report.deferred.values()))


async def test_what_was_listed_but_not_measured_is_due_at_once(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, death: type[Death]
) -> None:
    def die(*_arguments: object, **_more: object) -> None:
        raise death

    monkeypatch.setattr(flows.ingestion.history, "_write", die)
    with pytest.raises(BaseExceptionGroup, check=lambda group: group.subgroup(death) is not None):
        await read(floor, account_ids=[floor.accounts["twitter"].id])
    with floor.resources.store.read() as session:
        rows = session.query(Publication).all()
        assert len(rows) == count_history(floor, "twitter")
        assert all(row.next_snapshot_at is not None and row.next_snapshot_at <= floor.clock() for row in rows)


async def test_old_posts_are_not_measured_again(floor: Floor) -> None:
    await read(floor)
    floor.clock.advance(days=91)
    with floor.resources.store.read() as session:
        rows = session.query(Publication).all()
    ages = {row.id: floor.clock() - timedelta(days=91) - row.published_at for row in rows if row.published_at}
    assert all(row.next_snapshot_at is not None for row in rows if ages[row.id] < timedelta(days=80))
