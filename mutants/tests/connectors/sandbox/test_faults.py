from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from connectors.sandbox.faults import KINDS, FaultKind, FaultPlan, FaultRule, parse_rule
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

X, IG, M, B = Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY


async def send(
    client: httpx.AsyncClient, auth: Auth, platform: Platform, account_of: AccountOf, text: str = "hello"
) -> httpx.Response:
    """Send one publishing request on the platform."""
    if platform is X:
        return await client.post("/2/tweets", headers=auth(X), json={"text": text})
    if platform is M:
        return await client.post("/api/v1/statuses", headers=auth(M), json={"status": text})
    account = account_of(platform).external_id
    if platform is B:
        record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-03-04T12:00:00Z"}
        body = {"repo": account, "collection": "app.bsky.feed.post", "rkey": "3k", "record": record}
        return await client.post("/xrpc/com.atproto.repo.putRecord", headers=auth(B), json=body)
    made = await client.post(
        f"/{account}/media", headers=auth(IG), data={"image_url": "https://p.example/a.png", "caption": text}
    )
    body = {"creation_id": made.json()["id"]}
    return await client.post(f"/{account}/media_publish", headers=auth(IG), data=body)


@pytest.mark.parametrize("platform", [X, IG, M, B])
@pytest.mark.parametrize(
    ("kind", "is_out"),
    [("error_500_before", False), ("error_500_after", True), ("html_error", False), ("forbidden", False)],
)
async def test_an_error_before_publishes_nothing_and_one_after_does(
    *,
    client: httpx.AsyncClient,
    auth: Auth,
    world: SandboxWorld,
    account_of: AccountOf,
    platform: Platform,
    kind: FaultKind,
    is_out: bool,
) -> None:
    world.faults.add(FaultRule(kind, platform, "publish"))
    answer = await send(client, auth, platform, account_of)
    assert answer.status_code == {"html_error": 502, "forbidden": 403}.get(kind, 500)
    assert bool(world.published(platform, via="api")) is is_out
    assert (await send(client, auth, platform, account_of, "next")).is_success or is_out


@pytest.mark.parametrize("platform", [X, IG, M, B])
@pytest.mark.parametrize(("kind", "is_out"), [("reset_before", False), ("reset_after", True)])
async def test_a_reset_is_a_transport_error_without_a_server(
    *,
    client: httpx.AsyncClient,
    auth: Auth,
    world: SandboxWorld,
    account_of: AccountOf,
    platform: Platform,
    kind: FaultKind,
    is_out: bool,
) -> None:
    world.faults.add(FaultRule(kind, platform, "publish"))
    with pytest.raises(httpx.ReadError):
        await send(client, auth, platform, account_of)
    assert bool(world.published(platform, via="api")) is is_out


@pytest.mark.parametrize("platform", [X, IG, M, B])
async def test_a_malformed_answer_is_no_json_yet_the_post_is_out(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, platform: Platform
) -> None:
    world.faults.add(FaultRule("malformed", platform, "publish"))
    answer = await send(client, auth, platform, account_of)
    assert answer.is_success
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert len(world.published(platform, via="api")) == 1


@pytest.mark.parametrize(
    ("platform", "status", "code"), [(X, 401, None), (IG, 400, 190), (M, 401, None), (B, 400, "InvalidToken")]
)
async def test_each_platform_words_a_bad_token_its_own_way(
    *,
    client: httpx.AsyncClient,
    auth: Auth,
    world: SandboxWorld,
    account_of: AccountOf,
    platform: Platform,
    status: int,
    code: int | str | None,
) -> None:
    world.faults.add(FaultRule("unauthorized", platform, "publish"))
    answer = await send(client, auth, platform, account_of)
    assert answer.status_code == status
    if code is not None:
        error = answer.json()["error"]
        assert (error["code"] if platform is IG else error) == code
    assert world.published(platform, via="api") == []


async def test_a_rate_limit_tells_the_reset_as_each_platform_does(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, clock: Clock
) -> None:
    reset = int(clock().timestamp()) + 90
    answers = {}
    for platform in (X, IG, M, B):
        world.faults.add(FaultRule("rate_limited", platform, "publish", retry_after=90))
        answers[platform] = await send(client, auth, platform, account_of)
    assert {answer.status_code for answer in answers.values()} == {429}
    assert answers[X].headers["x-rate-limit-remaining"] == "0"
    assert answers[X].headers["x-rate-limit-reset"] == str(reset)
    assert answers[M].headers["x-ratelimit-reset"] == "2026-03-04T12:01:30.000Z"
    assert answers[B].headers["ratelimit-reset"] == str(reset)
    assert answers[B].headers["retry-after"] == "90"
    (usage,) = json.loads(answers[IG].headers["x-business-use-case-usage"]).values()
    assert usage[0]["estimated_time_to_regain_access"] == 2
    assert world.published(via="api") == []


LISTS = {
    X: ("/2/users/{id}/tweets?max_results=5", "data"),
    IG: ("/{id}/media?limit=5", "data"),
    M: ("/api/v1/accounts/{id}/statuses?limit=5", None),
    B: ("/xrpc/app.bsky.feed.getAuthorFeed?actor={id}&limit=5", "feed"),
}


def read_cursor(platform: Platform, answer: httpx.Response) -> str:
    if platform is M:
        return answer.links["next"]["url"].rpartition("max_id=")[2]
    body = answer.json()
    cursors = {X: lambda: body["meta"]["next_token"], IG: lambda: body["paging"]["cursors"]["after"]}
    return cursors.get(platform, lambda: body["cursor"])()


CURSOR_NAMES = {X: "pagination_token", IG: "after", M: "max_id", B: "cursor"}


@pytest.mark.parametrize("platform", [X, IG, M, B])
async def test_an_empty_page_has_no_posts_and_no_cursor(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, platform: Platform
) -> None:
    path, name = LISTS[platform]
    world.faults.add(FaultRule("empty_page", platform, "read"))
    answer = await client.get(path.format(id=account_of(platform).external_id), headers=auth(platform))
    body = answer.json()
    assert answer.status_code == 200
    assert (body if name is None else body.get(name, [])) == []
    assert "link" not in answer.headers


@pytest.mark.parametrize("platform", [X, IG, M, B])
async def test_a_repeated_cursor_is_the_one_that_was_sent(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, platform: Platform
) -> None:
    path = LISTS[platform][0].format(id=account_of(platform).external_id)
    first = await client.get(path, headers=auth(platform))
    cursor = read_cursor(platform, first)
    world.faults.add(FaultRule("repeated_cursor", platform, "read", count=2))
    for _ in range(2):
        answer = await client.get(f"{path}&{CURSOR_NAMES[platform]}={cursor}", headers=auth(platform))
        assert read_cursor(platform, answer) == cursor


async def test_a_hang_after_answers_late(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    world.faults.add(FaultRule("hang_after", X, "publish", seconds=0.2))
    started = asyncio.get_running_loop().time()
    answer = await send(client, auth, X, account_of)
    assert asyncio.get_running_loop().time() - started >= 0.2
    assert answer.status_code == 201


def test_a_rule_strikes_as_often_as_told_and_only_where_told() -> None:
    plan = FaultPlan()
    plan.add(FaultRule("forbidden", X, "publish", account="tea", count=2))
    assert plan.take(M, "publish", ("tea",)) is None
    assert plan.take(X, "metrics", ("tea",)) is None
    assert plan.take(X, "publish", ("other",)) is None
    strikes = [plan.take(X, "publish", ("tea", "1")) for _ in range(3)]
    assert [rule is not None for rule in strikes] == [True, True, False]
    assert plan.fired == {"twitter:publish:forbidden": 2}


def test_a_chance_is_reproducible_and_about_right() -> None:
    def draw(seed: int) -> list[bool]:
        plan = FaultPlan()
        plan.add(FaultRule("forbidden", probability=0.3, count=None, seed=seed))
        return [plan.take(X, "publish", ()) is not None for _ in range(2000)]

    assert draw(1) == draw(1) != draw(2)
    assert 0.25 < sum(draw(1)) / 2000 < 0.35


def test_the_first_rule_that_fits_wins_and_rules_can_be_removed() -> None:
    plan = FaultPlan()
    first, second = plan.add(FaultRule("forbidden")), plan.add(FaultRule("html_error", count=None))
    assert plan.take(X, "publish", ()) is first
    assert plan.take(X, "publish", ()) is second
    assert plan.clear(second.id) == 1
    assert plan.take(X, "publish", ()) is None
    assert plan.clear() == 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": "forbidden", "platform": "myspace"}, "platform"),
        ({"kind": "forbidden", "operation": "dance"}, "operation"),
        ({"kind": "forbidden", "count": 0}, "count"),
        ({"kind": "forbidden", "count": True}, "count"),
        ({"kind": "forbidden", "probability": 1.5}, "probability"),
        ({"kind": "forbidden", "seconds": "3"}, "seconds"),
        ({"kind": "forbidden", "account": 3}, "account"),
        ({"kind": "forbidden", "colour": 1}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_by_the_name_of_its_field(body: Json, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_rule(body)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_asked_for(kind: FaultKind) -> None:
    rule = parse_rule({"kind": kind, "platform": "x", "operation": "any", "count": None})
    assert (rule.kind, rule.platform, rule.remaining) == (kind, X, None)
