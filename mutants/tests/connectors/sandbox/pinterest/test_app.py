from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sandbox.pinterest.app import board_id
from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

P = Platform.PINTEREST
PICTURE = {"source_type": "image_url", "url": "https://pictures.example/a.jpg"}


async def test_a_pin_is_made_shown_and_taken_down(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    body = {"board_id": board_id(account_of(P)), "description": "tea", "media_source": PICTURE}
    made = await client.post("/v5/pins", headers=auth(P), json=body)
    assert made.status_code == 201
    (post,) = world.published(P, via="api")
    assert (made.json()["id"], made.json()["description"]) == (post.external_id, "tea")
    path = f"/v5/pins/{post.external_id}"
    assert (await client.get(path, headers=auth(P))).json() == made.json()
    assert (await client.get(path, headers=auth(P, 1))).json()["code"] == 50
    assert (await client.delete(path, headers=auth(P))).status_code == 204
    assert (await client.get(path, headers=auth(P))).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"board_id": "1"},
        {"description": "x" * 801},
        {"title": "x" * 101},
        {"media_source": None},
        {"media_source": {"source_type": "image_url", "url": "ftp://x"}},
        {"media_source": {"source_type": "multiple_image_urls", "items": [PICTURE]}},
        {"media_source": {"source_type": "video_id", "media_id": "1"}},
        {"media_source": {"source_type": "pin_url"}},
    ],
)
async def test_a_bad_pin_is_refused_with_a_code(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld, changes: Json
) -> None:
    body = {"board_id": board_id(account_of(P)), "media_source": PICTURE, **changes}
    answer = await client.post("/v5/pins", headers=auth(P), json=body)
    assert answer.status_code in {400, 404}
    assert set(answer.json()) == {"code", "message"}
    assert world.published(P, via="api") == []


async def test_a_video_needs_its_upload_its_fields_and_its_time(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, clock: Clock
) -> None:
    media = (await client.post("/v5/media", headers=auth(P), json={"media_type": "video"})).json()
    path = f"/v5/media/{media['media_id']}"

    async def status() -> str:
        return (await client.get(path, headers=auth(P))).json()["status"]

    assert await status() == "registered"
    file = {"file": ("a.mp4", b"abc", "video/mp4")}
    bare = await client.post(media["upload_url"], files=file)
    assert bare.status_code == 403, "the fields must go with the file"
    signed = await client.post(
        media["upload_url"], headers=auth(P), data=media["upload_parameters"], files=file
    )
    assert signed.status_code == 403, "the storage takes nobody's token"
    sent = await client.post(media["upload_url"], data=media["upload_parameters"], files=file)
    assert sent.status_code == 204
    assert await status() == "processing"
    source = {"source_type": "video_id", "media_id": media["media_id"], "cover_image_key_frame_time": 1}
    body = {"board_id": board_id(account_of(P)), "media_source": source}
    assert (await client.post("/v5/pins", headers=auth(P), json=body)).status_code == 400
    clock.advance(seconds=2)
    assert await status() == "succeeded"
    pin = await client.post("/v5/pins", headers=auth(P), json=body)
    assert pin.json()["media"]["media_type"] == "video"


async def test_analytics_add_up(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    pin = world.timeline(account_of(P))[0]
    names = "IMPRESSION,SAVE,OUTBOUND_CLICK"
    params = {"start_date": "2026-01-01", "end_date": "2026-03-04", "metric_types": names}
    path = f"/v5/pins/{pin.external_id}/analytics"
    block = (await client.get(path, headers=auth(P), params=params)).json()["all"]
    assert block["lifetime_metrics"] == block["summary_metrics"]
    assert block["lifetime_metrics"]["IMPRESSION"] > 0
    days = [day["metrics"].get("IMPRESSION", 0) for day in block["daily_metrics"]]
    assert sum(days) == block["summary_metrics"]["IMPRESSION"]
    assert block["daily_metrics"][0]["data_status"] == "BEFORE_PIN_CREATED"
    for bad in ({"metric_types": "LOVE"}, {"start_date": "2025-01-01"}, {"end_date": "soon"}):
        refused = await client.get(path, headers=auth(P), params={**params, **bad})
        assert refused.status_code == 400


async def test_a_refresh_token_works_once_and_for_the_app_only(
    client: httpx.AsyncClient, account_of: AccountOf
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": account_of(P).refresh_token}
    assert (await client.post("/v5/oauth/token", data=form)).status_code == 401
    first = await client.post("/v5/oauth/token", data=form, auth=("app", "secret"))
    assert first.json()["refresh_token"] != form["refresh_token"]
    assert (await client.post("/v5/oauth/token", data=form, auth=("app", "secret"))).status_code == 400
