from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.types import ListedPost
from tests.api.harness import NOON
from warehouse.lake.load import (
    load_account_snapshots,
    load_accounts,
    load_post_snapshots,
    load_publications,
)
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.store.models import AccountRow
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from tests.api.harness import Tenant

OVERVIEW = "/api/v1/analytics/overview"


def measure(tenant: Tenant, account: str, likes: list[int | None], *, days_ago: int = 1) -> list[str]:
    """Record posts of an account's history, and measure each twice; returns the post ids."""
    services = tenant.server.services
    account_id, platform = tenant.accounts[account], account.partition("-")[0]
    published = [NOON - timedelta(days=days_ago, minutes=number) for number in range(len(likes))]
    listed = [ListedPost(f"{account}-{at.isoformat()}", at, "text", "text") for at in published]
    with services.store.write() as session:
        row = session.get_one(AccountRow, account_id)
        made = record_external_posts(session, row, listed, NOON).publication_ids
    ids = [made[item.external_id] for item in listed]
    lake = services.lake
    load_accounts(lake, [AccountDim(account_id, tenant.workspace_id, platform, account)])
    load_publications(
        lake,
        [
            PublicationDim(
                one,
                one.replace("pub_", "post_"),
                tenant.workspace_id,
                account_id,
                platform,
                "external",
                "text",
                at,
            )
            for one, at in zip(ids, published, strict=True)
        ],
    )
    for hours, share in ((1, 0.5), (20, 1.0)):
        snapshots = [
            PostSnapshot(
                tenant.workspace_id,
                one,
                account_id,
                at + timedelta(hours=hours),
                at,
                likes=None if count is None else int(count * share),
            )
            for one, at, count in zip(ids, published, likes, strict=True)
        ]
        load_post_snapshots(lake, snapshots, f"run-{hours}")
    return [one.replace("pub_", "post_") for one in ids]


def follow(tenant: Tenant, account: str, *counts: int) -> None:
    rows = [
        AccountSnapshot(
            tenant.workspace_id, tenant.accounts[account], NOON - timedelta(days=len(counts) - number), count
        )
        for number, count in enumerate(counts)
    ]
    load_account_snapshots(tenant.server.services.lake, rows, "run")


def test_the_four_printed_fields(tenant: Tenant) -> None:
    posts = measure(tenant, "twitter-user", [10, 30, None])
    follow(tenant, "twitter-user", 100, 120, 150)
    answer = tenant.client.get(OVERVIEW, params={"period": "30d"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["total_posts"], body["total_engagement"], body["follower_growth"]) == (3, 40, 50)
    assert body["top_performing"] == [
        {"post_id": posts[1], "engagement": 30},
        {"post_id": posts[0], "engagement": 10},
    ]
    assert (body["coverage"]["publications"], body["coverage"]["measured"]) == (3, 2)
    assert body["period"] == {"from": "2026-01-31T12:01:00Z", "to": "2026-03-02T12:01:00Z"}
    assert body["previous"]["total_posts"] == 0
    assert len(body["series"]) == 31


def test_filters_and_periods(tenant: Tenant) -> None:
    measure(tenant, "twitter-user", [10], days_ago=1)
    measure(tenant, "mastodon-user", [5], days_ago=10)

    def total(**params: str) -> int:
        answer = tenant.client.get(OVERVIEW, params=params)
        assert answer.status_code == 200, answer.text
        count: int = answer.json()["total_posts"]
        return count

    assert total() == 2
    assert total(period="7d") == 1
    assert total(platform="mastodon") == 1
    assert total(platform="x", period="365d") == 1
    assert total(account_id=tenant.accounts["mastodon-user"], period="5d") == 0
    assert total(**{"from": "2026-02-19T00:00:00Z", "to": "2026-02-25T00:00:00Z"}) == 1
    looked_back = tenant.client.get(
        OVERVIEW, params={"as_of": "2026-03-01T14:00:00Z", "platform": "x"}
    ).json()
    assert looked_back["total_engagement"] == 5


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"period": "0d"}, "period"),
        ({"period": "366d"}, "period"),
        ({"period": "30"}, "period"),
        ({"period": "30d", "from": "2026-01-01T00:00:00Z"}, "period"),
        ({"to": "2026-01-01T00:00:00Z"}, "from"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"from": "2020-01-01T00:00:00Z"}, "from"),
        ({"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}, "/from"),
        ({"platform": "myspace"}, "/platform"),
        ({"as_of": "then"}, "/as_of"),
    ],
)
def test_wrong_questions(tenant: Tenant, params: dict[str, str], pointer: str) -> None:
    answer = tenant.client.get(OVERVIEW, params=params)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_an_unchanged_lake_is_not_asked_twice(tenant: Tenant) -> None:
    measure(tenant, "twitter-user", [10])
    first = tenant.client.get(OVERVIEW)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = tenant.client.get(OVERVIEW, headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    # Another question is another answer, although the lake is the same.
    other = tenant.client.get(OVERVIEW, params={"period": "7d"}, headers={"If-None-Match": etag})
    assert other.status_code == 200
    measure(tenant, "mastodon-user", [7])
    changed = tenant.client.get(OVERVIEW, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["total_posts"]) == (200, 2)


def test_a_posts_story_in_numbers(tenant: Tenant) -> None:
    (post_id,) = measure(tenant, "twitter-user", [10])
    answer = tenant.client.get(f"/api/v1/analytics/posts/{post_id}")
    assert answer.status_code == 200, answer.text
    (publication,) = answer.json()["publications"]
    assert [(one["age_hours"], one["likes"], one["engagement"]) for one in publication["snapshots"]] == [
        (1.0, 5, 5),
        (20.0, 10, 10),
    ]
    assert publication["snapshots"][0]["impressions"] is None
    again = tenant.client.get(
        f"/api/v1/analytics/posts/{post_id}", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_a_post_that_is_not_out_yet_has_no_numbers(tenant: Tenant) -> None:
    post_id = tenant.create_post()["id"]
    answer = tenant.client.get(f"/api/v1/analytics/posts/{post_id}").json()
    assert answer == {"post_id": post_id, "publications": []}


def test_external_posts_are_listed_when_asked_for(tenant: Tenant) -> None:
    posts = measure(tenant, "twitter-user", [1, 2])
    ours = tenant.create_post()["id"]
    address = "/api/v1/posts"
    assert [one["id"] for one in tenant.client.get(address).json()["data"]] == [ours]
    external = tenant.client.get(address, params={"origin": "external"}).json()["data"]
    assert [one["id"] for one in external] == posts
    assert datetime.fromisoformat(external[0]["publications"][0]["published_at"]) == NOON - timedelta(days=1)
