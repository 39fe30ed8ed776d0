"""Three platforms on one host: shared paths are dispatched by the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth

IG, FB, TH = Platform.INSTAGRAM, Platform.FACEBOOK, Platform.THREADS


@pytest.mark.parametrize("platform", [IG, FB, TH])
@pytest.mark.parametrize("prefix", ["", "/v1.0", "/v25.0"])
async def test_me_is_whose_token_it_is(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, platform: Platform, prefix: str
) -> None:
    answer = await client.get(f"{prefix}/me?fields=username", headers=auth(platform))
    assert answer.json()["username"] == account_of(platform).handle
    token = account_of(platform, 1).access_token
    other = await client.get(f"{prefix}/me", params={"fields": "username", "access_token": token})
    assert other.json()["username"] == account_of(platform, 1).handle


@pytest.mark.parametrize("platform", [IG, FB, TH])
async def test_insights_are_those_of_the_platform(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld, platform: Platform
) -> None:
    node = world.timeline(account_of(platform))[-1].external_id
    names = {
        IG: "views,reach,likes,comments,shares,saved,total_interactions",
        FB: "post_media_view,post_total_media_view_unique,post_clicks",
        TH: "views,likes,replies,reposts,quotes,shares",
    }
    for named, metrics in names.items():
        answer = await client.get(f"/{node}/insights?metric={metrics}", headers=auth(platform))
        assert answer.is_success == (named is platform)
    assert world.requests[f"{platform}:metrics"] == 3


@pytest.mark.parametrize("platform", [IG, FB, TH])
@pytest.mark.parametrize("reader", [IG, FB, TH])
async def test_nobody_reads_the_posts_of_another_platform(
    *,
    client: httpx.AsyncClient,
    auth: Auth,
    account_of: AccountOf,
    world: SandboxWorld,
    platform: Platform,
    reader: Platform,
) -> None:
    node = world.timeline(account_of(platform))[-1].external_id
    answer = await client.get(f"/{node}?fields=id", headers=auth(reader))
    if reader is platform:
        assert answer.json() == {"id": node}
    else:
        assert answer.json()["error"]["code"] in {100, 190}


@pytest.mark.parametrize(("platform", "grant"), [(IG, "ig_refresh_token"), (TH, "th_refresh_token")])
async def test_each_renews_its_own_tokens(
    client: httpx.AsyncClient, account_of: AccountOf, platform: Platform, grant: str
) -> None:
    params = {"access_token": account_of(platform).access_token}
    wrong = {"ig_refresh_token": "th_refresh_token", "th_refresh_token": "ig_refresh_token"}[grant]
    refused = await client.get("/refresh_access_token", params={**params, "grant_type": wrong})
    assert refused.json()["error"]["code"] == 100
    answer = (await client.get("/refresh_access_token", params={**params, "grant_type": grant})).json()
    assert answer["expires_in"] == 60 * 86_400
    assert answer["access_token"] == account_of(platform).access_token


async def test_a_token_of_nobody_is_refused_in_the_graphs_words(client: httpx.AsyncClient) -> None:
    for path in ("/me", "/1/insights", "/178", "/1_2", "/me/threads", "/me/published_posts", "/?ids=1"):
        answer = await client.get(path, headers={"authorization": "Bearer nobody"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 190)
