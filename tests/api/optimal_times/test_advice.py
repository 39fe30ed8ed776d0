"""When to post: the advised week, posts that ask for it, suggestions, and what a given time is worth."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import ListedPost
from tests.api.harness import NOON, in_hours, make_tenant
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from datetime import datetime

    from tests.api.harness import Server, Tenant

OPTIMAL = "/api/v1/schedules/optimal-times"
SUGGEST = "/api/v1/schedules/suggest"
SCORE = "/api/v1/schedules/score"
WORKSPACE = "/api/v1/workspace"


def advise(tenant: Tenant, account: str, lifts: dict[tuple[int, int], float], **more: object) -> None:
    """Put advised slots into the lake, as the nightly computation would; it knows of all others too."""
    lake = tenant.server.services.lake
    account_id = tenant.accounts[account]
    platform = account.partition("-")[0]
    load_accounts(lake, [AccountDim(account_id, tenant.workspace_id, platform, account)])
    rows = [
        {
            "workspace_id": tenant.workspace_id,
            "account_id": account_id,
            "platform": platform,
            "timezone": "UTC",
            "weekday": weekday,
            "hour": hour,
            "expected_lift": lift,
            "lift_low": lift - 0.1,
            "lift_high": lift + 0.1,
            "p_better": 0.9,
            "n_posts": 9,
            "n_nearby": 60,
            "basis": "own",
            "confidence": "low",
            "score": 100.0,
            "account_posts": 400,
            "model_version": "test",
            "computed_at": NOON,
            **more,
        }
        for (weekday, hour), lift in lifts.items()
    ]
    names = ", ".join(rows[0])
    values = ", ".join(f"${name}" for name in rows[0])
    with lake.write() as cursor:
        for row in rows:
            cursor.execute(f"INSERT INTO marts.optimal_times ({names}) VALUES ({values})", row)  # noqa: S608 (our own names)


def test_before_the_first_computation_the_answer_says_so(tenant: Tenant) -> None:
    answer = tenant.client.get(OPTIMAL)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["data"], told["combined"]) == ([], None)
    assert "not proof" in told["caveats"][0]
    assert [(one["posts"], one["basis"], one["confidence"]) for one in told["accounts"]] == [
        (0, "prior", None)
    ] * 2
    assert all("Nothing has been computed" in one["verdict"] for one in told["accounts"])


def test_advice(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.14, (2, 9): 0.1})
    advise(tenant, "mastodon-user", {(4, 7): 0.05}, confidence="none")
    answer = tenant.client.get(OPTIMAL, params={"limit": 2}).json()
    assert [(one["platform"], one["weekday"], one["hour"]) for one in answer["data"]] == [
        ("twitter", 1, 18),
        ("mastodon", 4, 7),
    ]
    best = answer["data"][0]
    assert best["next_at"] == "2026-03-03T18:00:00Z"
    assert (best["expected_lift_pct"], best["interval_80"], best["posts_observed"]) == (14.0, [4.0, 24.0], 9)
    assert {one["account_id"]: one["posts"] for one in answer["accounts"]} == {
        tenant.accounts["twitter-user"]: 400,
        tenant.accounts["mastodon-user"]: 400,
    }
    verdicts = {one["platform"]: one["verdict"] for one in answer["accounts"]}
    assert verdicts["twitter"].startswith("Timing seems to matter (low confidence)")
    assert verdicts["mastodon"].startswith("No reliable timing effect")
    assert {one["noise_log_sd"] for one in answer["accounts"]} == {None}, "no post was measured"
    of_one = tenant.client.get(OPTIMAL, params={"platform": "x", "timezone": "Asia/Tokyo"}).json()["data"]
    assert [(one["weekday"], one["hour"]) for one in of_one] == [(2, 3), (2, 18)]
    by_account = tenant.client.get(OPTIMAL, params={"account_id": tenant.accounts["mastodon-user"]}).json()
    assert [one["platform"] for one in by_account["data"]] == ["mastodon"]
    assert by_account["combined"] is None


def test_a_time_for_all_accounts_shows_what_each_gives_up(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3, (2, 9): 0.2})
    advise(tenant, "mastodon-user", {(1, 18): -0.2, (2, 9): 0.1})
    combined = tenant.client.get(OPTIMAL).json()["combined"]
    best = combined["data"][0]
    assert (best["next_at"], best["expected_lift_pct"]) == ("2026-03-04T09:00:00Z", 15.0)
    losses = {one["platform"]: (one["own_best_lift_pct"], one["loss_pct"]) for one in best["accounts"]}
    assert losses == {"twitter": (30.0, 7.7), "mastodon": (10.0, 0.0)}
    assert "Loss against their own best hours: X (Twitter) 8 %" in best["sentence"]
    # Independent errors of 10 points each make one of 7 for their mean.
    assert best["interval_80"] == [7.9, 22.1]
    heavy = tenant.client.get(OPTIMAL, params={"weight": ["x:5", "mastodon:1"]}).json()["combined"]["data"][0]
    assert heavy["next_at"] == "2026-03-03T18:00:00Z"
    for wrong in ("x", "x:0", "x:-1", "x:nan", "x:many", "myspace:1"):
        answer = tenant.client.get(OPTIMAL, params={"weight": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/weight"), wrong


def test_an_optimal_post_takes_the_next_best_free_time_and_says_why(tenant: Tenant) -> None:
    no_advice = tenant.client.post(
        "/api/v1/posts", json={"content": "x", "platforms": ["twitter"], "scheduled_at": "optimal"}
    )
    assert (no_advice.status_code, no_advice.json()["code"]) == (422, "no_advised_time")
    advise(tenant, "twitter-user", {(1, 18): 0.3, (2, 9): 0.1})
    first = tenant.create_post(content="a", scheduled_at="optimal")
    second = tenant.create_post(content="b", scheduled_at="optimal")
    assert [first["scheduled_at"], second["scheduled_at"]] == ["2026-03-03T18:00:00Z", "2026-03-04T09:00:00Z"]
    assert first["scheduling"]["resolution"] == "optimal"
    assert first["scheduling"]["note"].startswith("Tue 2026-03-03 18:00 (UTC): the best of ")
    assert "expected +30 % against its usual times (80 % range +20 to +40 %)" in first["scheduling"]["note"]
    placement = first["placement"]
    assert (placement["kind"], placement["expected_lift_pct"], placement["random_share"]) == (
        "recommended",
        30.0,
        None,
    )
    assert tenant.create_post(content="c")["placement"]["kind"] == "manual"


def test_a_moved_post_does_not_stand_in_its_own_way(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3, (2, 9): 0.1})
    post = tenant.create_post(content="a", scheduled_at="optimal")
    address = f"/api/v1/posts/{post['id']}"
    again = tenant.client.post(f"{address}/reschedule", json={"scheduled_at": "optimal"}).json()
    assert again["scheduled_at"] == post["scheduled_at"]
    by_patch = tenant.client.patch(address, json={"scheduled_at": "optimal"}).json()
    assert (by_patch["scheduled_at"], by_patch["placement"]["kind"]) == (post["scheduled_at"], "recommended")
    kept = tenant.client.patch(address, json={"content": "b"}).json()
    assert kept["placement"]["kind"] == "recommended"
    moved = tenant.client.post(f"{address}/reschedule", json={"scheduled_at": in_hours(30)}).json()
    assert moved["placement"] == {**moved["placement"], "kind": "manual", "reason": None}


def test_what_is_out_keeps_its_distance_too(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(0, 14): 0.5, (0, 15): 0.4, (2, 9): 0.1})
    out = tenant.create_post(content="out", scheduled_at=in_hours(0.01))
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, out["publications"][0]["id"])
        row.status, row.published_at = "published", NOON + timedelta(minutes=30)
    tenant.server.clock.at = NOON + timedelta(minutes=55)
    assert (
        tenant.create_post(content="next", scheduled_at="optimal")["scheduled_at"] == "2026-03-02T15:00:00Z"
    )


def test_a_dry_run_takes_part_in_no_experiment(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3})
    assert tenant.client.patch(WORKSPACE, json={"random_share": 0.5}).status_code == 200
    body = {"content": "x", "platforms": ["twitter"], "scheduled_at": "optimal"}
    for _ in range(8):
        told = tenant.client.post("/api/v1/posts?dry_run=true", json=body).json()
        assert (told["placement"]["kind"], told["placement"]["random_share"]) == ("recommended", None)
    rows = [{**body, "content": str(number)} for number in range(5)]
    previews = [
        tenant.client.post("/api/v1/posts/bulk?dry_run=true", json=rows).json()["rows"] for _ in range(2)
    ]
    assert previews[0] == previews[1], "nothing was drawn"
    assert len({row["scheduled_at"] for row in previews[0]}) == 5, "each row has a time of its own"
    left_out = tenant.create_post(**body, experiment=False)
    assert (left_out["placement"]["kind"], left_out["placement"]["random_share"]) == ("recommended", None)


def test_posts_of_an_experiment_are_marked(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3})
    told = tenant.client.patch(WORKSPACE, json={"random_share": 0.5}).json()
    assert (told["random_share"], told["weekly_exploration"]) == (0.5, False)
    placements = [
        tenant.create_post(content=str(number), scheduled_at="optimal")["placement"] for number in range(4)
    ]
    assert {(one["random_share"], one["acceptable"]) for one in placements} <= {
        (0.5, n) for n in range(1, 169)
    }
    for one in placements:
        # What was kept tells the draw again.
        drawn = random.Random(one["seed"]).random() < 0.5
        assert one["kind"] == ("random" if drawn else "recommended")
        assert ("drawn at random among" in one["reason"]) == drawn
    assert tenant.client.patch(WORKSPACE, json={"random_share": 0}).json()["random_share"] == 0
    assert tenant.client.get(WORKSPACE).json()["random_share"] == 0


def test_an_exploration_comes_once_a_week_and_is_labelled(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3, (2, 9): 0.1})
    advise(tenant, "twitter-user", {(3, 9): 0.0}, lift_high=0.9)
    tenant.client.patch(WORKSPACE, json={"weekly_exploration": True})
    kinds = [
        tenant.create_post(content=str(number), scheduled_at="optimal")["placement"]["kind"]
        for number in range(3)
    ]
    assert kinds == ["exploration", "recommended", "recommended"]


@pytest.mark.parametrize(
    "body", [{"random_share": 0.6}, {"random_share": -0.1}, {"random_share": "all"}, {"more": 1}]
)
def test_wrong_experiments_are_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    assert tenant.client.patch(WORKSPACE, json=body).status_code == 422
    assert tenant.client.get(WORKSPACE).json()["random_share"] == 0


def test_a_workspace_without_accounts_is_answered_too(server: Server) -> None:
    lonely = make_tenant(server)
    with lonely.client:
        told = lonely.client.get(OPTIMAL).json()
        assert (told["data"], told["accounts"], told["combined"]) == ([], [], None)
        assert score(lonely)["verdict"] == "No account is connected here."
        answer = lonely.client.post(SUGGEST, json={"count": 1})
        assert (answer.status_code, answer.json()["code"]) == (422, "platform_not_connected")


def suggest(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(SUGGEST, json={"count": 3, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_suggestions_keep_their_distance_and_come_in_order(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3, (1, 19): 0.29, (2, 9): 0.1, (3, 9): 0.2})
    tenant.create_post(content="there", scheduled_at="2026-03-05T10:00:00Z")
    told = suggest(tenant, platforms=["twitter"], timezone="Europe/Berlin")
    assert (told["asked"], told["found"], told["timezone"]) == (3, 3, "Europe/Berlin")
    assert "All 3 fit" in told["note"]
    best = [one for one in told["data"] if one["rank"] <= 2]
    assert [(one["at"], one["rank"]) for one in best] == [
        ("2026-03-03T19:00:00+01:00", 1),
        ("2026-03-04T10:00:00+01:00", 2),
    ]
    assert told["data"] == sorted(told["data"], key=lambda one: one["at"])
    assert best[0]["reason"].startswith("Tue 2026-03-03 19:00: number 1 of the free times; expected +30 %")
    # Nothing is reserved, and asked again it is the same.
    assert suggest(tenant, platforms=["twitter"], timezone="Europe/Berlin") == told
    both = suggest(tenant, account_ids=list(tenant.accounts.values()), weights={"x": 3})
    assert {len(one["accounts"]) for one in both["data"]} == {2}
    assert "nothing has been computed yet for 1 of 2 accounts" in both["data"][0]["reason"]


def test_fewer_than_asked_is_said_clearly(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(0, 13): 0.3})
    told = suggest(tenant, count=5, platforms=["twitter"], to=in_hours(5.5))
    assert (told["asked"], told["found"], len(told["data"])) == (5, 3, 3)
    assert told["note"].startswith("Only 3 of 5 fit at least 120 minutes")
    packed = suggest(tenant, count=5, platforms=["twitter"], to=in_hours(5.5), gap_minutes=30)
    assert packed["found"] == 3, "13:00, 17:00 and one between: a fourth would make three within three hours"
    assert "no more than two" in packed["note"]


def test_a_suggestion_is_repeatable(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3})
    key = {"Idempotency-Key": "suggest-1"}
    first = tenant.client.post(SUGGEST, json={"count": 1, "platforms": ["twitter"]}, headers=key)
    tenant.create_post(content="in between", scheduled_at="2026-03-03T18:00:00Z")
    again = tenant.client.post(SUGGEST, json={"count": 1, "platforms": ["twitter"]}, headers=key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"count": 0}, "/count"),
        ({"count": 101}, "/count"),
        ({"gap_minutes": 29}, "/gap_minutes"),
        ({"from": "2026-03-01T00:00:00Z"}, "/from"),
        ({"to": "2026-03-02T11:00:00Z"}, "/to"),
        ({"to": "2026-07-01T00:00:00Z"}, "/to"),
        ({"platforms": ["myspace"]}, "/platforms/0"),
        ({"platforms": ["bluesky"]}, "/platforms"),
        ({"account_ids": ["acct_none"]}, "/account_ids"),
        ({"weights": {"x": 0}}, "/weights/x"),
        ({"weights": {"myspace": 1}}, "/weights/myspace"),
        ({"timezone": "Nowhere"}, "/timezone"),
        ({}, "/platforms"),
    ],
)
def test_wrong_wishes_are_named(tenant: Tenant, body: dict[str, Any], pointer: str) -> None:
    if body:
        advise(tenant, "twitter-user", {(1, 18): 0.3})
    answer = tenant.client.post(SUGGEST, json={"count": 1, **body})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


def score(tenant: Tenant, **params: str) -> dict[str, Any]:
    answer = tenant.client.get(SCORE, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_time_is_scored_with_what_is_near_it(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.3})
    near = tenant.create_post(content="near", scheduled_at="2026-03-03T17:00:00Z")
    close = tenant.create_post(
        content="close", scheduled_at="2026-03-03T18:30:00Z", platforms=["twitter", "mastodon"]
    )
    tenant.create_post(content="far", scheduled_at="2026-03-03T20:10:00Z")
    told = score(tenant, at="2026-03-03T18:10:00Z", platform="twitter", timezone="Asia/Tokyo")
    assert (told["at"], told["expected_lift_pct"], told["interval_80"]) == (
        "2026-03-04T03:10:00+09:00",
        30.0,
        [20.0, 40.0],
    )
    (one,) = told["data"]
    assert [(hit["post_id"], hit["minutes_away"], hit["severity"]) for hit in one["collisions"]] == [
        (close["id"], 20, "too_close"),
        (near["id"], 70, "near"),
    ]
    assert one["limit"] == {"posts": 100, "window_minutes": 15, "used": 0, "exceeded": False}
    assert "less than 30 minutes away" in one["sentence"]
    assert told["verdict"].endswith("There are conflicts on 1 of 1 accounts.")
    everywhere = score(tenant, at="2026-03-03T18:10:00Z")
    of = {row["platform"]: row for row in everywhere["data"]}
    assert (of["twitter"]["expected_lift_pct"], everywhere["expected_lift_pct"]) == (30.0, 30.0)
    unknown = ("expected_lift_pct", "interval_80", "confidence", "own_best_lift_pct", "loss_pct", "p_better")
    assert [of["mastodon"][name] for name in unknown] == [None] * 6, "not computed is null, never 0"
    assert "nothing has been computed yet for 1 of 2 accounts" in everywhere["verdict"]
    assert {row["platform"]: row["limit"] for row in everywhere["data"]}["mastodon"] is None


def test_a_platforms_own_limit_counts_a_moving_day(tenant: Tenant) -> None:
    account_id = tenant.add_account("threads")
    advise(tenant, "threads-user", {(1, 18): 0.1})
    at = NOON + timedelta(days=1)
    with tenant.server.services.store.write() as session:
        for number in range(250):
            add_published(session, tenant, account_id, at - timedelta(hours=20) + timedelta(minutes=number))
    (told,) = score(tenant, at=at.isoformat(), account_id=account_id)["data"]
    assert told["limit"] == {"posts": 250, "window_minutes": 1440, "used": 250, "exceeded": True}
    assert "too many" in told["sentence"]
    later = at + timedelta(hours=6)
    (told,) = score(tenant, at=later.isoformat(), account_id=account_id)["data"]
    assert (told["limit"]["used"], told["limit"]["exceeded"]) == (129, False)


def add_published(session: Any, tenant: Tenant, account_id: str, at: datetime) -> None:
    account = session.get_one(AccountRow, account_id)
    listed = ListedPost(external_id=f"out-{at.isoformat()}", published_at=at, text="", kind="text")
    record_external_posts(session, account, [listed], tenant.server.clock())


def test_scores_of_nothing_and_of_the_past(tenant: Tenant) -> None:
    now = score(tenant)
    assert (now["at"], now["expected_lift_pct"], now["interval_80"]) == ("2026-03-02T12:00:00Z", None, None)
    assert now["verdict"] == "Nothing has been computed for these accounts yet."
    for wrong, code in (("2026-03-02T11:00:00Z", "in_the_past"), ("soon", "invalid_time")):
        answer = tenant.client.get(SCORE, params={"at": wrong})
        assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (
            422,
            code,
            "/at",
        )
