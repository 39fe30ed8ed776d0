"""Rankings, accounts and exports over HTTP: pages, tags, filters, and files that are whole."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from api.analytics.routes_export import Table, _turns
from tests.api.analytics.test_overview import follow, measure
from tests.api.harness import NOON
from warehouse.lake.export.workspace_files import TABLES
from warehouse.lake.load import load_post_snapshots
from warehouse.lake.rows import PostSnapshot
from warehouse.store.measuring.export_cursors import list_cursors

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.harness import Tenant

RANKING = "/api/v1/analytics/posts"
ACCOUNTS = "/api/v1/analytics/accounts"
EXPORT = "/api/v1/analytics/export"


MAY_BE_EMPTY = {
    "optimal_times",
    "timing_accounts",
    "posting_habits",
    "growth_curves",
    "suspicious_counts",
    "findings",
}


def test_a_ranking_page_by_page(tenant: Tenant) -> None:
    posts = measure(tenant, "twitter-user", [10, 50, 30, None, 40], days_ago=3)
    asked: dict[str, Any] = {"age": "latest", "limit": 2, "period": "7d"}
    first = tenant.client.get(RANKING, params=asked)
    assert first.status_code == 200, first.text
    page = first.json()
    assert [(one["rank"], one["post_id"], one["engagement"]) for one in page["data"]] == [
        (1, posts[1], 50),
        (2, posts[4], 40),
    ]
    assert (page["ranked"], page["unranked"], page["age"], page["sort"]) == (4, 1, "latest", "engagement")
    assert page["period"]["to"] == "2026-03-02T12:01:00Z"
    for other in ({"sort": "likes"}, {"period": "30d"}, {"age": "24h"}):
        answer = tenant.client.get(RANKING, params=asked | other | {"cursor": page["next_cursor"]})
        assert answer.json()["code"] == "cursor_of_another_filter"
    young = tenant.client.get(RANKING, params={"age": "1h", "sort": "likes"}).json()["data"]
    assert [(one["likes"], one["impressions"]) for one in young] == [
        (25, None),
        (20, None),
        (15, None),
        (5, None),
    ]
    assert tenant.client.get(RANKING, params={"age": "7d"}).json()["unranked"] == 5
    assert tenant.client.get(RANKING, params={"platform": "mastodon"}).json()["data"] == []
    # What comes in between, a minute later too, changes nothing about this list.
    tenant.server.clock.advance(minutes=5)
    account_id = tenant.accounts["twitter-user"]
    at = NOON - timedelta(days=3)
    row = PostSnapshot(tenant.workspace_id, posts[0].replace("post_", "pub_"), account_id, NOON, at, likes=99)
    load_post_snapshots(tenant.server.services.lake, [row], "run-later")
    second = tenant.client.get(RANKING, params=asked | {"cursor": page["next_cursor"]})
    assert [one["post_id"] for one in second.json()["data"]] == [posts[2], posts[0]]
    assert second.json()["data"][1]["engagement"] == 10
    assert second.json()["next_cursor"] is None
    assert "link" not in second.headers
    assert page["next_cursor"] in first.headers["link"]
    assert tenant.client.get(RANKING, params=asked).json()["data"][0]["post_id"] == posts[0]
    again = tenant.client.get(
        RANKING,
        params=asked | {"cursor": page["next_cursor"]},
        headers={"If-None-Match": second.headers["etag"]},
    )
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"sort": "reach"}, "sort"),
        ({"age": "2d"}, "age"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"platform": "myspace"}, "/platform"),
        ({"period": "0d"}, "period"),
    ],
)
def test_wrong_questions_about_a_ranking(tenant: Tenant, params: dict[str, str], pointer: str) -> None:
    answer = tenant.client.get(RANKING, params=params)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_accounts_with_what_was_measured_of_them(tenant: Tenant) -> None:
    measure(tenant, "twitter-user", [10, 30, None])
    follow(tenant, "twitter-user", 100, 120, 150)
    answer = tenant.client.get(ACCOUNTS, params={"period": "7d"})
    assert answer.status_code == 200, answer.text
    by_platform = {one["platform"]: one for one in answer.json()["data"]}
    twitter = by_platform["twitter"]
    assert (twitter["followers"], twitter["follower_growth"], twitter["follower_growth_rate"]) == (
        150,
        50,
        0.5,
    )
    assert (twitter["publications"], twitter["measured"], twitter["engagement"]) == (3, 2, 40)
    assert twitter["engagement_mean"] == 20
    mastodon = by_platform["mastodon"]
    assert (mastodon["followers"], mastodon["publications"], mastodon["engagement"]) == (None, 0, None)
    etag = {"If-None-Match": answer.headers["etag"]}
    assert tenant.client.get(ACCOUNTS, params={"period": "7d"}, headers=etag).status_code == 304
    # A new account is another answer, although the lake is the same.
    tenant.add_account("bluesky")
    changed = tenant.client.get(ACCOUNTS, params={"period": "7d"}, headers=etag)
    assert len(changed.json()["data"]) == 3

    one = tenant.client.get(f"{ACCOUNTS}/{twitter['account_id']}", params={"period": "7d"})
    body = one.json()
    assert {name: body[name] for name in twitter} == twitter
    assert [(day["date"], day["followers"], day["follower_growth"]) for day in body["series"]] == [
        ("2026-02-27", 100, None),
        ("2026-02-28", 120, 20),
        ("2026-03-01", 150, 30),
    ]


def read(path: Path, kind: str) -> list[dict[str, Any]]:
    relation = duckdb.read_csv(str(path)) if kind == "csv" else duckdb.read_parquet(str(path))
    return relation.to_arrow_table().to_pylist()


def test_a_table_is_taken_along(tenant: Tenant, tmp_path: Path) -> None:
    posts = measure(tenant, "twitter-user", [10, None])
    measure(tenant, "mastodon-user", [7], days_ago=9)
    path = tmp_path / "rows"

    def take(kind: str, **params: str) -> list[dict[str, Any]]:
        answer = tenant.client.get(EXPORT, params={"format": kind, **params})
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.headers["content-disposition"].endswith(f'.{kind}"')
        path.write_bytes(answer.content)
        return read(path, kind)

    book = tenant.client.get(EXPORT, params={"format": "xlsx", "table": "posts_wide"})
    assert int(book.headers["content-length"]) == len(book.content)
    with zipfile.ZipFile(io.BytesIO(book.content)) as file:
        assert b"<row" in file.read("xl/worksheets/sheet1.xml")
    for kind in ("csv", "parquet"):
        rows = take(kind)
        assert sorted(row["post_id"] for row in rows if row["platform"] == "twitter") == sorted(posts)
        assert [row["engagement"] for row in rows if row["post_id"] == posts[1]] == [None]
        assert {row["workspace_id"] for row in rows} == {tenant.workspace_id}
        assert len(rows) == 3
    assert len(take("csv", platform="mastodon")) == 1
    assert len(take("csv", account_id=tenant.accounts["twitter-user"])) == 2
    assert len(take("csv", **{"from": "2026-02-28T00:00:00Z"})) == 2
    assert len(take("csv", to="2026-02-28T00:00:00Z")) == 1
    assert len(take("csv", table="post_snapshots", platform="twitter")) == 4
    etag = {"If-None-Match": tenant.client.get(EXPORT).headers["etag"]}
    assert tenant.client.get(EXPORT, headers=etag).status_code == 304
    assert tenant.client.get(EXPORT, params={"format": "csv"}, headers=etag).status_code == 200
    assert list((tenant.server.services.lake.settings.home / "lake" / "tmp").glob("export-*")) == []


def test_every_open_table_can_be_taken_and_holds_only_the_own_rows(tenant: Tenant, tmp_path: Path) -> None:
    assert set(TABLES) == set(Table.__args__)  # type: ignore[attr-defined]  # what Literal keeps its values in
    measure(tenant, "twitter-user", [10])
    follow(tenant, "twitter-user", 5, 6)
    path = tmp_path / "rows.parquet"
    for table in TABLES:
        answer = tenant.client.get(EXPORT, params={"table": table, "platform": "twitter"})
        assert answer.status_code == 200, (table, answer.text)
        path.write_bytes(answer.content)
        rows = read(path, "parquet")
        assert {row["workspace_id"] for row in rows} <= {tenant.workspace_id}
        assert rows or table in MAY_BE_EMPTY, table
        assert all("raw" not in row for row in rows)


def test_a_filter_without_a_column_is_refused(tenant: Tenant) -> None:
    account_id = tenant.accounts["twitter-user"]
    for table, name, value in (
        ("slot_engagement", "from", "2026-01-01T00:00:00Z"),
        ("post_performance", "account_id", account_id),
    ):
        answer = tenant.client.get(EXPORT, params={"table": table, name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "no_such_filter")
        assert name in answer.json()["detail"]


def test_only_so_many_are_written_at_once(tenant: Tenant) -> None:
    while _turns.acquire(blocking=False):
        pass
    try:
        answer = tenant.client.get(EXPORT)
    finally:
        _turns.release()
        _turns.release()
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert answer.headers["retry-after"]
    assert tenant.client.get(EXPORT).status_code == 200


def test_what_changed_since_the_cursor_of_the_last_answer(tenant: Tenant, tmp_path: Path) -> None:
    measure(tenant, "twitter-user", [10, 20])
    first = tenant.client.get(EXPORT, params={"table": "publication_latest"})
    cursor = first.headers["x-next-cursor"]
    nothing = tenant.client.get(EXPORT, params={"table": "publication_latest", "changed_since": cursor})
    path = tmp_path / "rows.parquet"
    path.write_bytes(nothing.content)
    assert read(path, "parquet") == []
    measure(tenant, "mastodon-user", [7])
    for kind in ("parquet", "csv"):
        params = {"table": "publication_latest", "changed_since": cursor, "format": kind}
        answer = tenant.client.get(EXPORT, params=params)
        assert answer.status_code == 200, answer.text
        path = tmp_path / f"rows.{kind}"
        path.write_bytes(answer.content)
        (row,) = read(path, kind)
        assert (row["change"], row["platform"]) == ("inserted", "mastodon")
    assert int(answer.headers["x-next-cursor"]) > int(cursor)
    services = tenant.server.services
    with services.store.read() as session:
        assert {int(cursor), int(answer.headers["x-next-cursor"])} <= set(
            list_cursors(session, services.clock())
        )
    refused = tenant.client.get(EXPORT, params={"changed_since": 10**9})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_snapshot")
