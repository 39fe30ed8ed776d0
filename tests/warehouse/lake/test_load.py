"""Each row once, whatever is repeated; marts that do not depend on the order in which rows came."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError, SetupError
from warehouse.lake import load
from warehouse.lake.connect import Lake
from warehouse.lake.load import (
    insert_post_snapshots,
    load_account_snapshots,
    load_accounts,
    load_post_snapshots,
    load_publications,
    load_readings,
    to_batch,
)
from warehouse.lake.maintenance import rebuild_marts
from warehouse.lake.rows import PostSnapshot
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.lake.rows import AccountSnapshot, PublicationDim

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)
_RAW = "SELECT * EXCLUDE (run_id, loaded_at) FROM raw.post_snapshots ORDER BY publication_id, captured_at"


def test_a_second_load_of_the_same_rows_adds_nothing(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make, make_count: Make
) -> None:
    loads: tuple[Callable[[], int], ...] = (
        lambda: load_accounts(lake, [make_account()]),
        lambda: load_publications(lake, [make_publication("1"), make_publication("2")]),
        lambda: load_post_snapshots(lake, [make_snapshot(hours=hours, likes=1) for hours in (1, 3)], "run_1"),
        lambda: load_account_snapshots(lake, [make_count(10)], "run_1"),
    )
    assert [load() for load in loads] == [1, 2, 2, 1]
    before = lake.snapshot_id()
    assert [load() for load in loads] == [0, 0, 0, 0]
    assert lake.snapshot_id() == before, "a load that adds nothing must leave ETags and caches alone"


def test_a_batch_that_holds_a_row_twice_adds_it_once(
    lake: Lake, make_snapshot: Make, make_publication: Make
) -> None:
    assert load_post_snapshots(lake, [make_snapshot(likes=1)] * 3, "run_1") == 1
    repeated = [make_snapshot(hours=hours, likes=2) for hours in (30, 30, 40, 24)]
    assert load_post_snapshots(lake, repeated, "run_2") == 2
    assert load_publications(lake, [make_publication()] * 3) == 1
    assert lake.query("SELECT count(*) AS n FROM marts.publication_latest") == [{"n": 1}]


def test_a_mart_that_holds_a_publication_twice_stops_loads_until_it_is_rebuilt(
    lake: Lake, make_snapshot: Make, make_publication: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=1, likes=1)], "run_1")
    with lake.write() as cursor:
        cursor.execute("INSERT INTO marts.publication_latest FROM marts.publication_latest")
    with pytest.raises(SetupError, match="rebuild-marts"):
        load_post_snapshots(lake, [make_snapshot(hours=2, likes=2)], "run_2")
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 1}]
    rebuild_marts(lake)
    assert load_post_snapshots(lake, [make_snapshot(hours=2, likes=2)], "run_2") == 1
    assert lake.query("SELECT likes FROM marts.publication_latest") == [{"likes": 2}]


def test_nothing_to_load_needs_no_write(lake: Lake) -> None:
    before = lake.snapshot_id()
    assert load_accounts(lake, []) == load_publications(lake, []) == load_post_snapshots(lake, [], "run") == 0
    assert lake.snapshot_id() == before


def test_a_row_keeps_its_provenance(lake: Lake, make_snapshot: Make) -> None:
    began = datetime.now(UTC)
    load_post_snapshots(lake, [make_snapshot(likes=3, raw={"favorites": 3, "name": "Zoë"})], "run_7")
    (row,) = lake.query("SELECT *, raw ->> '$.name' AS name FROM raw.post_snapshots")
    assert (row["run_id"], row["source"], row["name"]) == ("run_7", "platform", "Zoë")
    assert began <= row["loaded_at"] <= datetime.now(UTC)
    assert row["captured_at"] == DAY + timedelta(days=1)
    assert row["captured_at"].tzinfo is UTC


def test_a_time_of_another_zone_is_the_same_instant(lake: Lake, make_snapshot: Make) -> None:
    snapshot = make_snapshot(likes=3)
    elsewhere = replace(snapshot, captured_at=snapshot.captured_at.astimezone(timezone(timedelta(hours=-5))))
    assert load_post_snapshots(lake, [snapshot], "run_1") == 1
    assert load_post_snapshots(lake, [elsewhere], "run_2") == 0


def test_a_naive_time_is_refused_and_nothing_stored(lake: Lake, make_snapshot: Make) -> None:
    naive = replace(make_snapshot(likes=3), captured_at=datetime(2026, 3, 3))  # noqa: DTZ001 (what is refused)
    with pytest.raises(InvalidInputError, match="captured_at") as raised:
        load_post_snapshots(lake, [make_snapshot(hours=1, likes=1), naive], "run_1")
    assert raised.value.field == "captured_at"
    table = pa.table({"captured_at": pa.array([datetime(2026, 3, 3)], pa.timestamp("us"))})  # noqa: DTZ001 (same)
    with pytest.raises(InvalidInputError, match="captured_at"):
        load_post_snapshots(lake, table, "run_1")
    assert lake.query("SELECT * FROM raw.post_snapshots") == []


def test_what_is_refused_is_named_in_rows_and_in_tables(make_snapshot: Make) -> None:
    naive = replace(make_snapshot(likes=3), captured_at=datetime(2026, 3, 3))  # noqa: DTZ001 (what is refused)
    table = pa.table({"captured_at": pa.array([datetime(2026, 3, 3)], pa.timestamp("us"))})  # noqa: DTZ001 (same)
    for rows, name in (([naive], "captured_at=2026-03-03 00:00:00"), (table, "captured_at")):
        with pytest.raises(InvalidInputError) as raised:
            to_batch(rows, PostSnapshot)
        assert (raised.value.field, raised.value.message) == (
            "captured_at",
            f"{name} has no time zone: give aware UTC instants",
        )


def test_rows_become_columns_in_blocks_and_a_table_may_lack_some(
    make_snapshot: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_snapshot(hours=hours, likes=hours) for hours in range(5)]
    whole = to_batch(rows, PostSnapshot)
    monkeypatch.setattr(load, "BLOCK_ROWS", 2)
    assert to_batch(rows, PostSnapshot).combine_chunks() == whole.combine_chunks()
    assert whole["likes"].to_pylist() == list(range(5))
    assert to_batch([], PostSnapshot).schema == whole.schema
    few = pa.table(
        {"likes": pa.array([1], pa.int32()), "captured_at": whole["captured_at"][:1], "more": ["x"]}
    )
    made = to_batch(few, PostSnapshot)
    assert made.schema == whole.schema
    assert {name: values for name, (values, *_) in made.to_pydict().items() if values is not None} == {
        "likes": 1,
        "captured_at": DAY,
    }


RING: list[Any] = []
RING.append(RING)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (None, None),
        ({"name": "Zoë"}, '{"name":"Zoë"}'),
        ({"id": 2**70}, f'{{"id": {2**70}}}'),
        ({"text": "\ud800"}, '{"text": "\\ud800"}'),
        ({"kinds": {1}, (1, 2): 3}, '{"kinds": "{1}"}'),
        (RING, None),
    ],
)
def test_a_platforms_answer_is_kept_as_far_as_it_is_json(
    make_snapshot: Make, raw: Any, text: str | None
) -> None:
    assert to_batch([make_snapshot(likes=1, raw=raw)], PostSnapshot)["raw"].to_pylist() == [text]


def test_where_a_row_came_from_is_kept(lake: Lake, make_snapshot: Make, make_count: Make) -> None:
    began = datetime.now(UTC)
    assert load_post_snapshots(lake, [make_snapshot(likes=1)], "run_1", source="import") == 1
    assert load_account_snapshots(lake, [make_count(1)], "run_2") == 1
    assert load_account_snapshots(lake, [], "run_3") == 0
    assert lake.query("SELECT run_id, source FROM raw.post_snapshots") == [
        {"run_id": "run_1", "source": "import"}
    ]
    (row,) = lake.query("SELECT run_id, loaded_at FROM raw.account_snapshots")
    assert row["run_id"] == "run_2"
    assert began <= row["loaded_at"] <= datetime.now(UTC)


def test_a_correction_keeps_both_rows_and_the_mart_takes_the_newest(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=48, likes=8, comments=1, impressions=90)], "run_2")
    load_post_snapshots(lake, [make_snapshot(hours=24, likes=10)], "run_1")  # older, and late
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 2}]
    (latest,) = lake.query("SELECT * FROM marts.publication_latest")
    assert (latest["engagement"], latest["likes"], latest["impressions"]) == (9, 8, 90)
    assert (latest["saves"], latest["age_hours"]) == (None, 48)
    days = lake.query("SELECT day, gain, correction FROM marts.engagement_daily ORDER BY day")
    assert [tuple(day.values())[1:] for day in days] == [(10, 0), (0, -1)]


def test_unmeasured_parts_are_left_out_and_all_unmeasured_is_null(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication(name) for name in ("1", "2", "3")])
    load_post_snapshots(
        lake, [make_snapshot("1", saves=2, likes=0), make_snapshot("2", impressions=7)], "run_1"
    )
    rows = lake.query(
        "SELECT publication_id, engagement, captured_at FROM marts.publication_latest ORDER BY ALL"
    )
    assert [row["engagement"] for row in rows] == [2, None, None]
    assert [row["captured_at"] is None for row in rows] == [False, False, True]
    assert lake.query("SELECT DISTINCT publication_id FROM marts.engagement_daily") == [
        {"publication_id": "pub_1"}
    ]


def test_a_changed_dimension_replaces_the_old_one_and_reaches_the_mart(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_accounts(lake, [make_account(), make_account("acct_b")])
    load_publications(lake, [make_publication(), make_publication("2")])
    load_post_snapshots(lake, [make_snapshot(likes=4)], "run_1")
    assert load_accounts(lake, [make_account(timezone="Europe/Berlin"), make_account("acct_c")]) == 1
    assert load_publications(lake, [make_publication(kind="video")]) == 0
    assert lake.query("SELECT account_id, timezone FROM dims.accounts ORDER BY 1") == [
        {"account_id": "acct_a", "timezone": "Europe/Berlin"},
        {"account_id": "acct_b", "timezone": "UTC"},
        {"account_id": "acct_c", "timezone": "UTC"},
    ]
    rows = lake.query("SELECT publication_id, kind, engagement FROM marts.publication_latest ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("pub_1", "video", 4), ("pub_2", "text", None)]


def test_followers_of_a_day_are_its_last_count_and_growth_bridges_gaps(lake: Lake, make_count: Make) -> None:
    counts = [(100, 0.2), (104, 0.7), (None, 1.5), (110, 3.1), (108, 4.0)]
    load_account_snapshots(
        lake, [make_count(followers, days=days) for followers, days in reversed(counts)], "run_1"
    )
    rows = lake.query("SELECT day, followers, follower_growth FROM marts.account_daily ORDER BY day")
    assert [(row["followers"], row["follower_growth"]) for row in rows] == [
        (104, None),
        (None, None),
        (110, 6),
        (108, -2),
    ]


def test_counts_of_two_accounts_at_one_moment_are_both_kept(lake: Lake, make_count: Make) -> None:
    assert load_account_snapshots(lake, [make_count(100)], "run_1") == 1
    assert load_account_snapshots(lake, [make_count(7, account_id="acct_b"), make_count(100)], "run_2") == 1


@contextmanager
def _fresh(template: Path) -> Iterator[Lake]:
    """A lake without the small files that earlier examples left."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(template, home)
        with Lake.open(WarehouseSettings(home=home), threads=1) as lake:
            yield lake


_counts = st.one_of(st.none(), st.integers(min_value=0, max_value=50))
_history = st.lists(
    st.tuples(st.sampled_from("123"), st.integers(min_value=0, max_value=100), _counts, _counts),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=_history, data=st.data())
def test_any_order_of_two_runs_replayed_and_killed_gives_the_marts_of_one_clean_run(  # noqa: PLR0917 (fixtures)
    lake_template: Path,
    make_publication: Callable[..., PublicationDim],
    make_snapshot: Callable[..., PostSnapshot],
    make_count: Callable[..., AccountSnapshot],
    read_marts: Callable[[Lake], dict[str, list[tuple[Any, ...]]]],
    history: list[tuple[str, int, int | None, int | None]],
    data: st.DataObject,
) -> None:
    snapshots = [
        make_snapshot(name, hours=hours, likes=likes, comments=comments)
        for name, hours, likes, comments in history
    ]
    counts = [
        make_count(likes, days=hours / 24, account_id=f"acct_{name}") for name, hours, likes, _ in history
    ]
    publications = [make_publication(name) for name in "123"]

    with _fresh(lake_template) as lake:
        load_publications(lake, publications)
        load_post_snapshots(lake, snapshots, "run_1")
        load_account_snapshots(lake, counts, "run_1")
        clean, once = read_marts(lake), lake.query(_RAW)

    with _fresh(lake_template) as lake:
        _replay(lake, publications, snapshots, counts, data)
        assert lake.query(_RAW) == once
        assert read_marts(lake) == clean

        rebuild_marts(lake)
        assert read_marts(lake) == clean
        totals = lake.query(
            "SELECT publication_id, sum(gain + correction)::BIGINT AS total FROM marts.engagement_daily GROUP BY ALL"
        )
    known: dict[str, dict[str, int]] = {}  # a counter that a snapshot lacks keeps its last value
    for name, _, likes, comments in sorted(history, key=lambda row: row[1]):
        counted = {
            key: value for key, value in (("likes", likes), ("comments", comments)) if value is not None
        }
        if counted:
            known[f"pub_{name}"] = known.get(f"pub_{name}", {}) | counted
    newest_measured = {name: sum(counters.values()) for name, counters in known.items()}
    assert {row["publication_id"]: row["total"] for row in totals} == newest_measured


def _replay(
    lake: Lake,
    publications: list[PublicationDim],
    snapshots: list[PostSnapshot],
    counts: list[AccountSnapshot],
    data: st.DataObject,
) -> None:
    """Load everything twice, in parts and in any order, with runs that die in between."""
    steps: list[Callable[[], int]] = [
        lambda: load_publications(lake, publications[:1]),
        lambda: load_publications(lake, publications[1:]),
        lambda: _load_and_die(lake, snapshots),
    ]
    for _ in range(2):
        cut = data.draw(st.integers(min_value=0, max_value=len(snapshots)))
        steps += [
            lambda cut=cut: load_post_snapshots(lake, snapshots[:cut], "run_2"),  # type: ignore[misc]  # bound now
            lambda cut=cut: _load_and_die(lake, snapshots[cut:]),  # type: ignore[misc]  # same
            lambda cut=cut: load_post_snapshots(lake, snapshots[cut:], "run_3"),  # type: ignore[misc]  # same
            lambda cut=cut: load_account_snapshots(lake, counts[cut:] + counts[:cut], "run_2"),  # type: ignore[misc]  # same
        ]
    for step in data.draw(st.permutations(steps)):
        step()


def _load_and_die(lake: Lake, snapshots: list[PostSnapshot]) -> int:
    """A run that ends after all its statements and before its commit."""
    if snapshots:
        with suppress(_DeadError), lake.write() as cursor:
            insert_post_snapshots(cursor, to_batch(snapshots, PostSnapshot), "run_dead", source="platform")
            raise _DeadError
    return 0


class _DeadError(Exception):
    pass


def test_readings_in_one_commit_give_what_the_single_loads_and_a_rebuild_give(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    """New, changed and unchanged publications, with and without snapshots, each load twice."""

    def load_all(*steps: tuple[list[Any], list[Any]]) -> list[int]:
        commits = []
        for publications, snapshots in steps:
            before = lake.snapshot_id()
            accounts = [make_account(), make_account("acct_b", timezone="Asia/Tokyo")]
            assert load_readings(lake, accounts, publications, snapshots, "run") == len(snapshots)
            assert load_readings(lake, accounts, publications, snapshots, "run") == 0, "again: nothing is new"
            commits.append(lake.snapshot_id() - before)
        return commits

    first = [make_publication(name) for name in "123"]
    second = [
        make_publication("1", text="corrected"),
        make_publication("2", account_id="acct_b"),
        make_publication("4", post_id="post_1"),
        make_publication("5"),
    ]
    commits = load_all(
        (first, [make_snapshot("1", likes=3), make_snapshot("3", likes=1)]),
        (second, [make_snapshot("1", hours=48, likes=5), make_snapshot("4", hours=2, likes=7)]),
        ([make_publication("5")], [make_snapshot("5", hours=hours, likes=2) for hours in (1, 25)]),
        ([make_publication("6")], [make_snapshot("6", likes=9)]),
        ([], []),
    )
    assert commits == [2, 2, 1, 1, 0], (
        "two where a changed publication was known, or a new one is not measured"
    )
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up
    assert {row[0] for row in lake.query_rows("SELECT publication_id FROM marts.publication_latest")} == {
        f"pub_{number}" for number in range(1, 7)
    }
