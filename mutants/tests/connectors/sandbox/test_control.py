from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.accounts import SANDBOX_PLATFORMS
from connectors.sandbox.limits import LIMITS
from connectors.sandbox.settings import SandboxSettings
from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock


async def test_the_accounts_come_with_all_one_needs_to_connect(
    client: httpx.AsyncClient, world: SandboxWorld
) -> None:
    listed = (await client.get("/_sandbox/accounts")).json()
    assert [item["access_token"] for item in listed] == [account.access_token for account in world.accounts]
    by_platform = {item["platform"]: item for item in listed}
    assert list(by_platform) == list(SANDBOX_PLATFORMS)
    assert (
        by_platform["mastodon"]["instance_url"]
        == by_platform["bluesky"]["instance_url"]
        == "http://sandbox.test"
    )
    assert by_platform["twitter"]["refresh_token"]
    assert by_platform["bluesky"]["app_password"]
    assert by_platform["mastodon"]["expires_at"] is None


async def test_posts_are_chosen_by_platform_account_and_origin(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    await client.post("/2/tweets", headers=auth(Platform.TWITTER), json={"text": "hello"})
    live = (await client.get("/_sandbox/posts?via=api")).json()
    assert [(post["platform"], post["text"], post["account"]) for post in live] == [
        ("twitter", "hello", account_of(Platform.TWITTER).handle)
    ]
    assert live[0]["created_at"] == "2026-03-04T12:00:00+00:00"
    everything = (await client.get("/_sandbox/posts?platform=x")).json()
    assert len(everything) == len(world.published(Platform.TWITTER))
    history = (await client.get("/_sandbox/posts?platform=x&via=history")).json()
    assert len(history) == len(everything) - 1
    assert (await client.get("/_sandbox/posts?via=magic")).status_code == 400


async def test_an_owner_can_take_a_post_down(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    post = world.timeline(account_of(Platform.INSTAGRAM))[0]
    params = {"platform": "instagram", "external_id": post.external_id}
    assert (await client.delete("/_sandbox/posts", params=params)).json()["deleted_at"] is not None
    gone = await client.get(f"/{post.external_id}?fields=id", headers=auth(Platform.INSTAGRAM))
    assert gone.json()["error"]["error_subcode"] == 33
    assert (await client.delete("/_sandbox/posts", params={**params, "external_id": "1"})).status_code == 404


async def test_the_truth_names_the_curve_and_its_best_slots(
    client: httpx.AsyncClient, world: SandboxWorld
) -> None:
    (truth,) = (await client.get(f"/_sandbox/truth?platform=x&account={world.accounts[0].handle}")).json()
    assert truth["curve"] == pytest.approx(list(world.accounts[0].audience.curve))
    best = truth["best"][0]
    assert truth["curve"][best["weekday"] * 24 + best["hour"]] == max(truth["curve"])
    followers = [day["followers"] for day in truth["followers"]]
    assert followers == sorted(followers)
    assert len(followers) == 31


async def test_a_wrong_fault_among_good_ones_adds_none(
    client: httpx.AsyncClient, world: SandboxWorld
) -> None:
    rules = [{"kind": "forbidden"}, {"kind": "explode"}]
    answer = await client.post("/_sandbox/faults", json=rules)
    assert answer.status_code == 400
    assert "explode" in answer.json()["error"]
    assert world.faults.rules == []
    assert len((await client.post("/_sandbox/faults", json=rules[:1])).json()) == 1
    assert (await client.delete("/_sandbox/faults")).json() == {"removed": 1}


async def test_settings_are_changed_together_or_not_at_all(
    client: httpx.AsyncClient, world: SandboxWorld
) -> None:
    answer = await client.patch("/_sandbox/settings", json={"mastodon_batch_read": False, "sky": "green"})
    assert answer.status_code == 400
    assert world.settings == SandboxSettings()
    changed = await client.patch("/_sandbox/settings", json={"mastodon_batch_read": False})
    assert changed.json()["mastodon_batch_read"] is False
    for wrong in ({"mastodon_batch_read": 1}, {"duplicate_window_s": -1}, {"retired_insights": "views"}):
        assert (await client.patch("/_sandbox/settings", json=wrong)).status_code == 400


@pytest.mark.parametrize(
    ("platform", "path", "expired", "revoked"),
    [
        ("twitter", "/2/users/me", 401, 401),
        ("instagram", "/me", 400, 400),
        ("mastodon", "/api/v1/accounts/verify_credentials", 401, 401),
        ("bluesky", "/xrpc/com.atproto.server.getSession", 400, 400),
    ],
)
async def test_tokens_can_be_spoiled_and_issued_anew(
    *,
    client: httpx.AsyncClient,
    auth: Auth,
    account_of: AccountOf,
    platform: str,
    path: str,
    expired: int,
    revoked: int,
) -> None:
    account = account_of(Platform(platform))
    for action, status in (("expire", expired), ("revoke", revoked)):
        headers = auth(account.platform)
        assert (await client.get(path, headers=headers)).status_code == 200
        body = {"platform": platform, "account": account.handle, "action": action}
        assert (await client.post("/_sandbox/tokens", json=body)).status_code == 200
        assert (await client.get(path, headers=headers)).status_code == status
        await client.post("/_sandbox/tokens", json={**body, "action": "issue"})
    assert (await client.get(path, headers=auth(account.platform))).status_code == 200


async def test_an_expired_account_is_mended_by_a_refresh_and_a_revoked_one_is_not(
    client: httpx.AsyncClient, account_of: AccountOf
) -> None:
    account = account_of(Platform.TWITTER)
    form = {"grant_type": "refresh_token", "client_id": "app"}
    for action, status in (("expire", 200), ("revoke", 400)):
        body = {"platform": "twitter", "account": account.handle, "action": action}
        await client.post("/_sandbox/tokens", json=body)
        token = {"refresh_token": account.refresh_token}
        assert (await client.post("/2/oauth2/token", data={**form, **token})).status_code == status


async def test_requests_are_counted_by_operation(client: httpx.AsyncClient, auth: Auth) -> None:
    await client.get("/2/users/me", headers=auth(Platform.TWITTER))
    await client.get("/2/users/me")
    assert (await client.get("/_sandbox/requests")).json() == {"twitter:followers": 2}
    await client.delete("/_sandbox/requests")
    assert (await client.get("/_sandbox/requests")).json() == {}


async def test_real_limits_refuse_the_hundred_and_first_post_until_the_window_ends(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, clock: Clock
) -> None:
    world.settings.enforce_rate_limits = True
    limit, window = LIMITS[Platform.TWITTER, "create"]
    headers = auth(Platform.TWITTER)
    for n in range(limit):
        answer = await client.post("/2/tweets", headers=headers, json={"text": f"post {n}"})
        assert answer.status_code == 201
        assert answer.headers["x-rate-limit-remaining"] == str(limit - n - 1)
    refused = await client.post("/2/tweets", headers=headers, json={"text": "one more"})
    assert refused.status_code == 429
    assert int(refused.headers["x-rate-limit-reset"]) == int(clock().timestamp() + window)
    other = await client.post("/2/tweets", headers=auth(Platform.TWITTER, 1), json={"text": "one more"})
    assert other.status_code == 201
    clock.advance(seconds=window)
    assert (await client.post("/2/tweets", headers=headers, json={"text": "one more"})).status_code == 201
    assert len(world.published(via="api")) == limit + 2


async def test_by_default_no_limit_is_in_the_way(client: httpx.AsyncClient, auth: Auth) -> None:
    headers = auth(Platform.TWITTER)
    answers = [
        await client.post("/2/tweets", headers=headers, json={"text": f"post {n}"}) for n in range(150)
    ]
    assert {answer.status_code for answer in answers} == {201}


async def test_there_are_pictures_to_post(client: httpx.AsyncClient) -> None:
    picture = await client.get("/_sandbox/media/photo.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert (await client.get("/_sandbox/media/clip.mp4")).headers["content-type"] == "video/mp4"


async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient) -> None:
    assert (await client.get("/2/nothing/here/at/all")).status_code == 404
