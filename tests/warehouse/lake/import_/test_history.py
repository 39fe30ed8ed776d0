"""Importing files of past posts into the store and the lake: the good rows once, whatever is repeated."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from ulid import ULID

from connectors.types import Platform, PostContent
from warehouse.errors import InvalidInputError
from warehouse.lake.import_ import history, read
from warehouse.lake.import_.history import ImportReport, import_history
from warehouse.lake.import_.types import COUNTS, MEASURES, FileRefusedError, ReadOptions
from warehouse.lake.marts import KEYS, rebuild_all_marts
from warehouse.lake.queries.overview import get_overview
from warehouse.scratch import Scratch
from warehouse.sql import load_sql
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.models import Publication
from warehouse.store.publishing.publications import payload_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store

    Import = Callable[..., ImportReport]

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HEADER = "account,post_id,published_at,likes,comments,shares"
PAGES = Path(__file__).parents[4].parent / "shared" / "data" / "facebook_pages_2016.parquet"


@pytest.fixture
def workspace_id(lake_settings: WarehouseSettings, store: Store) -> str:
    assert lake_settings.home.is_dir()
    with store.write() as session:
        return ensure_default_workspace(session, NOW).id


@pytest.fixture
def import_text(lake: Lake, store: Store, workspace_id: str, tmp_path: Path) -> Import:
    def run(content: str, **options: Any) -> ImportReport:
        path = tmp_path / "history.csv"
        path.write_text(content, encoding="utf-8")
        values: dict[str, Any] = {"platform": Platform.FACEBOOK, "workspace_id": workspace_id, "now": NOW}
        return import_history(store, lake, path, **(values | options))

    return run


GOOD = f"{HEADER}\na,p1,2024-05-30 10:00,1,2,3\nb,p1,2024-05-30 11:00,4,,\na,p2,2024-05-31 10:00,5,0,0\n"


def test_good_rows_reach_store_and_lake_and_bad_ones_the_report(
    import_text: Import, lake: Lake, store: Store, workspace_id: str
) -> None:
    report = import_text(GOOD + "a,p3,never,1,1,1\n")
    texts = lake.query("SELECT DISTINCT text FROM dims.publications")
    assert texts == [{"text": None}], "a file contains no texts: not known is not empty"
    assert (report.rows, report.loaded, report.already_there, report.skipped) == (4, 3, 0, 0)
    assert [(row.line, row.field) for row in report.rejected] == [(5, "published_at")]
    assert report.accounts == ["a", "b"]
    with store.read() as session:
        accounts = list_accounts(session, workspace_id)
        assert [(row.handle, row.status, row.credentials) for row in accounts] == [
            ("a", "imported", None),
            ("b", "imported", None),
        ]
    rows = lake.query(
        "SELECT handle, post_id, origin, engagement, published_at, captured_at FROM marts.publication_latest "
        "JOIN dims.accounts USING (account_id) ORDER BY published_at"
    )
    assert [(row["handle"], row["origin"], row["engagement"]) for row in rows] == [
        ("a", "external", 6),
        ("b", "external", 4),
        ("a", "external", 5),
    ]
    assert len({row["post_id"] for row in rows}) == 3
    assert {row["captured_at"] for row in rows} == {datetime(2024, 5, 31, 10, tzinfo=UTC)}
    assert lake.query("SELECT DISTINCT source FROM raw.post_snapshots") == [{"source": "import"}]


def test_a_second_import_adds_nothing_even_of_a_touched_copy(
    import_text: Import, lake: Lake, store: Store, workspace_id: str, tmp_path: Path
) -> None:
    import_text(GOOD)
    before = lake.snapshot_id()
    copy = tmp_path / "copy.csv"
    shutil.copy(tmp_path / "history.csv", copy)
    os.utime(copy, (2e9, 2e9))
    later = datetime(2027, 1, 1, tzinfo=UTC)
    report = import_history(
        store, lake, copy, platform=Platform.FACEBOOK, workspace_id=workspace_id, now=later
    )
    assert (report.rows, report.loaded, report.already_there) == (3, 0, 3)
    assert lake.snapshot_id() == before


def test_a_mended_row_is_all_that_a_mended_file_adds(import_text: Import, lake: Lake) -> None:
    import_text(GOOD + "a,p3,2024-05-20 10:00,x,1,1\n")
    report = import_text(GOOD + "a,p3,2024-05-20 10:00,7,1,1\n")
    assert (report.loaded, report.already_there, report.rejected) == (1, 3, [])
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 4}]


def test_a_later_file_tells_of_promotion_and_deletion(import_text: Import, lake: Lake) -> None:
    known = "SELECT external_id, paid, deleted_at IS NOT NULL AS gone FROM dims.publications ORDER BY external_id, paid"
    import_text(GOOD)
    assert {(row["paid"], row["gone"]) for row in lake.query(known)} == {(None, False)}
    header, *rows = GOOD.splitlines()
    said = [",yes,published", ",,deleted", ",no,Published"]
    later = "\n".join(
        [header + ",Boosted,Status", *(row + more for row, more in zip(rows, said, strict=True))]
    )
    assert import_text(later + "\n").loaded == 0, "its counts are known"
    found = sorted(
        (row["external_id"], row["paid"], row["gone"]) for row in lake.query(known) if row["paid"] is not None
    )
    assert found == [("p1", True, False), ("p2", False, False)]
    assert sum(row["gone"] for row in lake.query(known)) == 1
    import_text(GOOD)
    assert sum(row["gone"] for row in lake.query(known)) == 1, "a file that does not say changes nothing"


def newest_likes(lake: Lake) -> int:
    return lake.query(
        "SELECT likes FROM marts.publication_latest JOIN dims.publications USING (publication_id) "
        "WHERE external_id = 'p2'"
    )[0]["likes"]


def test_a_restated_count_is_compared_with_the_newest_state_only(import_text: Import, lake: Lake) -> None:
    """A file restates the counts of its own time: 100, 101, 100 ends at 100, and the same file again adds nothing."""
    for likes, loaded in ((100, 3), (101, 1), (101, 0), (100, 1), (100, 0)):
        report = import_text(GOOD.replace("a,p2,2024-05-31 10:00,5", f"a,p2,2024-05-31 10:00,{likes}"))
        assert (report.loaded, newest_likes(lake)) == (loaded, likes)


def test_equal_counts_in_a_later_file_are_a_later_measurement(import_text: Import, lake: Lake) -> None:
    import_text(GOOD)
    later = GOOD + "a,p9,2024-07-01 10:00,7,0,0\n"
    assert (import_text(later).loaded, import_text(later).loaded) == (4, 0)
    times = lake.query("SELECT DISTINCT captured_at FROM marts.publication_latest")
    assert times == [{"captured_at": datetime(2024, 7, 1, 10, tzinfo=UTC)}]
    older = GOOD.replace("a,p2,2024-05-31 10:00,5", "a,p2,2024-05-31 10:00,3")
    assert (import_text(older).loaded, newest_likes(lake)) == (1, 5), (
        "an older file does not restate a newer one"
    )


def test_a_count_of_unknown_time_has_no_age(import_text: Import, lake: Lake) -> None:
    """The file's newest post is 25 hours younger than its first: a count of either is no count of its first day."""
    import_text(GOOD + "a,p9,2024-06-01 12:00,7,0,0\n")
    ages = "age_hours, engagement_1h, engagement_24h, engagement_7d, engagement_30d"
    assert lake.query(f"SELECT DISTINCT {ages} FROM marts.publication_latest") == [  # noqa: S608 (our own names)
        dict.fromkeys(ages.split(", "))
    ]
    assert lake.query("SELECT max(engagement_24h) AS most FROM marts.post_performance") == [{"most": None}]


def test_a_file_with_moments_of_measuring_is_a_series(import_text: Import, lake: Lake) -> None:
    series = (
        f"{HEADER},captured_at\n"
        "a,p1,2024-05-30 10:00,1,0,0,2024-05-30 11:00\n"
        "a,p1,2024-05-30 10:00,4,0,0,2024-05-31 11:00\n"
        "a,p1,2024-05-30 10:00,4,0,0,2024-06-01 11:00\n"
    )
    assert import_text(series).loaded == 3
    assert import_text(series).loaded == 0
    assert import_text(series + "a,p1,2024-05-30 10:00,4,0,0,2024-06-02 11:00\n").loaded == 1
    assert lake.query("SELECT max(age_hours) AS age FROM marts.publication_latest") == [{"age": 73}]


def test_with_an_account_name_all_rows_are_its(import_text: Import, lake: Lake) -> None:
    report = import_text(GOOD.replace("b,p1,", "b,p9,"), account_name="mine")
    assert (report.accounts, report.loaded) == (["mine"], 3)
    assert lake.query("SELECT handle FROM dims.accounts") == [{"handle": "mine"}]


def test_nothing_is_stored_of_a_file_that_is_refused(
    import_text: Import, lake: Lake, store: Store, workspace_id: str
) -> None:
    before = lake.snapshot_id()
    for content, options in ((GOOD.replace("shares", "reposts"), {}), (GOOD, {"timezone": "Mars/Olympus"})):
        with pytest.raises(InvalidInputError):
            import_text(content, **options)
    assert lake.snapshot_id() == before
    with store.read() as session:
        assert list_accounts(session, workspace_id) == []


def test_a_file_of_bad_rows_only_loads_nothing(import_text: Import) -> None:
    report = import_text(f"{HEADER}\na,p1,never,1,1,1\n")
    assert (report.rows, report.loaded, report.accounts, len(report.rejected)) == (1, 0, [], 1)


def test_marts_of_an_import_are_those_that_a_rebuild_makes(
    import_text: Import, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New publications and their counts are loaded at once; known ones, restated counts and later ones beside them."""
    monkeypatch.setattr(history, "_LOAD_ROWS", 4)

    def rows(first: int, last: int, likes: int, measured: str) -> str:
        return "".join(
            f"{'ab'[place % 2]},p{place},2024-05-{place + 1:02} 10:{place:02},{likes + place},{place},,{measured}\n"
            for place in range(first, last)
        )

    def marts() -> dict[str, list[dict[str, Any]]]:
        return {name: lake.query(f"FROM marts.{name} ORDER BY ALL") for name in KEYS}

    header = f"{HEADER},captured_at\n"
    first = import_text(header + rows(0, 12, 5, "2024-06-02 10:00") + rows(0, 3, 9, "2024-06-04 10:00"))
    second = import_text(header + rows(8, 20, 7, "2024-06-02 10:00") + rows(4, 22, 9, "2024-06-09 10:00"))
    assert (first.loaded, second.loaded) == (15, 30)
    before = marts()
    with lake.write() as cursor:
        rebuild_all_marts(cursor)
    after = marts()
    for name in KEYS:
        assert [row for row in after[name] if row not in before[name]] == [], name
        assert len(after[name]) == len(before[name]), name


def test_rows_stored_in_bulk_look_like_those_of_the_model(import_text: Import, store: Store) -> None:
    """SQLite compares and orders instants as texts, so all have the same form."""
    import_text(f'{HEADER},text\na,p1,2024-05-30 10:00,1,2,3,"tea, \u20ac 3"\n')
    with store.read() as session:
        publication = session.scalars(select(Publication)).one()
        stored = session.execute(
            text("SELECT published_at, created_at, content, payload_hash FROM publications")
        ).one()
    assert (stored.published_at, stored.created_at) == (
        "2024-05-30 10:00:00.000000",
        "2026-03-02 00:00:00.000000",
    )
    assert publication.content == PostContent(text="tea, \u20ac 3").model_dump(mode="json")
    assert stored.payload_hash == payload_hash(PostContent(text="tea, \u20ac 3"))
    assert publication.id.startswith(f"pub_{str(ULID.from_datetime(publication.published_at)).lower()[:10]}")


def test_progress_reaches_the_end(import_text: Import) -> None:
    seen: list[tuple[str, int, int]] = []
    import_text(GOOD, progress=lambda what, done, total: seen.append((what, done, total)))
    done = [step[1] for step in seen]
    assert done == sorted(done)
    assert seen[-1] == ("done", 3, 3)


@pytest.mark.skipif(not PAGES.exists(), reason="the measured history is not on this machine")
def test_a_real_page_is_imported_and_answered_from(
    lake: Lake, store: Store, workspace_id: str, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 (only here)

    pages = pq.read_table(PAGES, filters=[("account", "in", ["bbcnews", "arsenal"])])
    path = tmp_path / "pages.parquet"
    pq.write_table(pages, path)
    options: dict[str, Any] = {
        "platform": Platform.FACEBOOK,
        "timezone": "-05:00",
        "workspace_id": workspace_id,
        "now": NOW,
    }
    report = import_history(store, lake, path, **options)
    assert (report.loaded, report.rejected, report.accounts) == (len(pages), [], ["arsenal", "bbcnews"])
    assert import_history(store, lake, path, **options).loaded == 0
    overview = get_overview(
        lake,
        workspace_id=workspace_id,
        start=datetime(2016, 2, 1, tzinfo=UTC),
        end=datetime(2016, 7, 1, tzinfo=UTC),
    )
    engagement = sum(sum(pages[name].to_pylist()) for name in ("likes", "comments", "shares"))
    assert overview["total_posts"] == len(pages)
    assert overview["total_engagement"] == engagement


def test_a_post_of_which_only_the_day_is_known_is_in_no_statistics_of_hours(
    import_text: Import, lake: Lake
) -> None:
    """The day counts; the hour is known once a file or the platform tells it."""
    header = "when,id,likes\n"
    options = ReadOptions(mapping={"when": "published_at", "id": "external_id", "likes": "likes"})
    given: dict[str, Any] = {"account_name": "a", "options": options}
    import_text(header + "2024-05-30,p1,5\n2024-05-30 11:00,p2,6\n", **given)
    days = "SELECT external_id, day_only FROM dims.publications ORDER BY external_id"
    slots = "SELECT sum(publications)::INTEGER AS n FROM marts.slot_engagement"
    assert [row["day_only"] for row in lake.query(days)] == [True, False]
    assert lake.query(slots) == [{"n": 1}]
    import_text(header + "2024-05-30 18:00,p1,5\n", **given)
    assert [row["day_only"] for row in lake.query(days)] == [False, False]
    import_text(header + "2024-05-30,p1,5\n", **given)
    assert [row["day_only"] for row in lake.query(days)] == [False, False]
    import_text(header + "2024-05-30 18:00,p1,8\n", **given)
    assert lake.query(slots) == [{"n": 2}]


def test_times_without_a_zone_are_in_the_zone_of_the_account(
    import_text: Import, lake: Lake, store: Store, workspace_id: str
) -> None:
    header = "published_at,likes,comments,shares\n"
    assert import_text(header + "2024-05-30 10:00,1,1,1\n", account_name="a").loaded == 1
    with store.write() as session:
        list_accounts(session, workspace_id)[0].timezone = "Europe/Berlin"
    report = import_text(header + "2024-07-01 10:00,1,1,1\n", account_name="@A")
    assert "times in Europe/Berlin (the account's zone)" in report.summary
    newest = lake.query("SELECT max(published_at) AS at FROM dims.publications")
    assert newest == [{"at": datetime(2024, 7, 1, 8, tzinfo=UTC)}]


def test_an_import_that_ends_anywhere_and_is_started_again_has_every_row_once(
    import_text: Import, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A progress call stands before each step that is committed: ending there is ending between two commits."""
    monkeypatch.setattr(history, "_TURN_ROWS", 3)
    monkeypatch.setattr(history, "_LOAD_ROWS", 6)
    rows = "".join(
        f"{'ab'[number % 2]},p{number},2024-05-{number + 1:02} 10:00,{number},1,1\n" for number in range(20)
    )
    calls = 0

    def end_at(last: int) -> Any:
        def progress(_what: str, _done: int, _total: int) -> None:
            nonlocal calls
            calls += 1
            if calls == last:
                raise KeyboardInterrupt

        return progress

    for last in (2, 4, 6, 8, 9, 10):
        calls = 0
        with pytest.raises(KeyboardInterrupt):
            import_text(f"{HEADER}\n{rows}", progress=end_at(last), options=ReadOptions(batch_rows=7))
    report = import_text(f"{HEADER}\n{rows}", options=ReadOptions(batch_rows=7))
    assert (report.rows, report.loaded + report.already_there, report.rejected) == (20, 20, [])
    counted = lake.query(
        "SELECT count(*) AS rows, count(DISTINCT publication_id) AS posts, sum(likes)::INTEGER AS likes "
        "FROM raw.post_snapshots"
    )
    assert counted == [{"rows": 20, "posts": 20, "likes": sum(range(20))}]
    assert lake.query("SELECT count(*) AS posts FROM marts.publication_latest") == [{"posts": 20}]


def test_rows_are_put_in_order_without_memory_for_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """75 MB of texts, newest first, beside 64 MB of memory: what is sorted carries keys only."""
    monkeypatch.setattr(read, "_MEMORY", "64MB")
    scratch = Scratch()
    connection = read._connect(scratch.path)
    counts = ", ".join(f"NULL::BIGINT AS {name}" for name in COUNTS if name != "likes")
    measures = ", ".join(f"NULL::DOUBLE AS {name}" for name in MEASURES)
    connection.execute(
        f"""
        CREATE TABLE parsed AS
        SELECT
          line, 'page' || line % 3 AS account, line::VARCHAR AS external_id, NULL::VARCHAR AS permalink,
          line || repeat(' word', 250) AS text, 'text' AS kind, false AS day_only, NULL::TIMESTAMPTZ AS measured_at,
          TIMESTAMPTZ '2026-03-02 00:00:00Z' - to_minutes(line) AS published_at,
          line AS likes, {counts}, {measures}, NULL::JSON AS raw, []::VARCHAR[] AS problems
        FROM range(60_000) AS lines (line)
        """  # noqa: S608 (our own values)
    )
    connection.execute(load_sql("history/identify_rows"))
    batches = read._Batches(connection, scratch, ReadOptions(oldest_first=True, batch_rows=5_000))
    assert [n for batch in batches for n in batch.rows["likes"].to_pylist()] == list(reversed(range(60_000)))


def test_rows_too_long_for_the_memory_are_refused_in_one_sentence(
    import_text: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_MEMORY", "8MB")
    rows = "".join(f"a,p{n},2024-05-30 10:00,1,2,3,{n}{' word' * 1_000}\n" for n in range(3_000))
    with pytest.raises(FileRefusedError, match="too long to be read with 8MB of memory: split the file"):
        import_text(f"{HEADER},text\n{rows}")
