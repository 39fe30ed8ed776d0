"""Options over HTTP: stored, returned, checked with a pointer, and carried by every way to write a post."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connectors.options import OPTIONS
from tests.api.harness import in_hours

if TYPE_CHECKING:
    import httpx

    from tests.api.harness import Tenant

UNLISTED = {"mastodon": {"visibility": "unlisted"}}


def refuse(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    body = {"content": "hello", "platforms": ["mastodon"], "scheduled_at": in_hours(1), **fields}
    answer = tenant.client.post("/api/v1/posts", json=body)
    assert answer.status_code == 422, answer.text
    problem: dict[str, Any] = answer.json()
    assert tenant.client.get("/api/v1/posts").json()["data"] == []
    return problem


def content_of(tenant: Tenant, post_id: str) -> dict[str, Any]:
    (publication,) = tenant.client.get(f"/api/v1/posts/{post_id}").json()["publications"]
    content: dict[str, Any] = publication["content"]
    return content


def test_options_are_stored_with_the_post_and_for_their_platform_only(tenant: Tenant) -> None:
    options = {**UNLISTED, "x": {"reply_settings": "following"}, "youtube": {"privacy": "private"}}
    post = tenant.create_post(platforms=["mastodon", "twitter"], options=options)
    told = {"mastodon": options["mastodon"], "twitter": options["x"], "youtube": options["youtube"]}
    assert post["options"] == told
    shown = tenant.client.get(f"/api/v1/posts/{post['id']}").json()
    assert {one["platform"]: one["content"]["options"] for one in shown["publications"]} == {
        "mastodon": options["mastodon"],
        "twitter": options["x"],
    }


def test_a_variant_takes_precedence_option_by_option(tenant: Tenant) -> None:
    post = tenant.create_post(
        platforms=["mastodon"],
        options={"mastodon": {"visibility": "unlisted", "language": "en"}},
        variants={"mastodon": {"options": {"language": "de"}}},
    )
    assert content_of(tenant, post["id"])["options"] == {"visibility": "unlisted", "language": "de"}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"options": {"mastodon": {"visbility": "unlisted"}}}, "/options/mastodon/visbility"),
        ({"options": {"mastodon": {"visibility": "secret"}}}, "/options/mastodon/visibility"),
        ({"options": {"myspace": {}}}, "/options/myspace"),
        ({"options": {"mastodon": {"poll": {"choices": ["one"]}}}}, "/options/mastodon/poll/choices"),
        ({"options": {"mastodon": {"sensitive": True}}}, "/options/mastodon/sensitive"),
        ({"options": {"mastodon": {"sensitive": "yes"}}}, "/options/mastodon/sensitive"),
        ({"variants": {"mastodon": {"options": {"visbility": "x"}}}}, "/variants/mastodon/options/visbility"),
        (
            {"variants": {"mastodon": {"options": {"sensitive": True}}}},
            "/variants/mastodon/options/sensitive",
        ),
    ],
)
def test_what_is_wrong_with_an_option_is_pointed_at(
    tenant: Tenant, fields: dict[str, Any], pointer: str
) -> None:
    assert [entry["pointer"] for entry in refuse(tenant, **fields)["errors"]] == [pointer]


def test_a_content_warning_counts_with_the_text(tenant: Tenant) -> None:
    (entry,) = refuse(tenant, content="t" * 450, options={"mastodon": {"content_warning": "w" * 60}})[
        "errors"
    ]
    assert (entry["pointer"], entry["code"]) == ("/options/mastodon/content_warning", "text_too_long")
    assert "shorten them by 10" in entry["detail"]


def test_a_change_replaces_options_and_leaves_them_where_it_does_not_name_them(tenant: Tenant) -> None:
    post = tenant.create_post(platforms=["mastodon"], options=UNLISTED)
    path = f"/api/v1/posts/{post['id']}"
    assert tenant.client.patch(path, json={"content": "other"}).json()["options"] == UNLISTED
    cleared = tenant.client.patch(path, json={"options": {}})
    assert cleared.json()["options"] == {}
    assert "options" not in content_of(tenant, post["id"])


def test_the_same_words_with_other_options_are_no_duplicate(tenant: Tenant) -> None:
    tenant.create_post(platforms=["mastodon"])
    tenant.create_post(platforms=["mastodon"], options=UNLISTED)
    body = {"content": "hello", "platforms": ["mastodon"], "scheduled_at": in_hours(1), "options": UNLISTED}
    assert tenant.client.post("/api/v1/posts", json=body).status_code == 409


def test_drafts_bulk_rows_and_recurrences_have_them(tenant: Tenant) -> None:
    draft = tenant.client.post(
        "/api/v1/posts",
        json={"content": "d", "platforms": ["mastodon"], "status": "draft", "options": UNLISTED},
    ).json()
    assert draft["options"] == UNLISTED
    rows = [{"content": "row", "platforms": ["mastodon"], "scheduled_at": in_hours(1), "options": UNLISTED}]
    answer = send(tenant, json.dumps(rows), "application/json")
    assert content_of(tenant, answer.json()["rows"][0]["post_id"])["options"] == UNLISTED["mastodon"]
    rule = tenant.create_recurrence(platforms=["mastodon"], options=UNLISTED)
    assert rule["options"] == UNLISTED
    post_id = rule["upcoming"][0]["post_id"]
    assert content_of(tenant, post_id)["options"] == UNLISTED["mastodon"]
    cleared = tenant.client.patch(f"/api/v1/recurrences/{rule['id']}", json={"options": {}})
    assert cleared.json()["options"] == {}
    assert "options" not in content_of(tenant, post_id)


def send(tenant: Tenant, body: str, kind: str) -> httpx.Response:
    return tenant.client.post("/api/v1/posts/bulk", content=body.encode(), headers={"content-type": kind})


def test_columns_of_a_file_are_options(tenant: Tenant) -> None:
    header = "content,platforms,scheduled_at,option.mastodon.visibility,option.mastodon.poll.choices"
    sheet = f'{header},option.twitter.paid_partnership\nhello,mastodon twitter,{in_hours(1)},unlisted,"tea,rye",true\n'
    answer = send(tenant, sheet, "text/csv")
    assert answer.status_code == 200, answer.text
    shown = tenant.client.get(f"/api/v1/posts/{answer.json()['rows'][0]['post_id']}").json()
    assert shown["options"] == {
        "mastodon": {"visibility": "unlisted", "poll": {"choices": ["tea", "rye"]}},
        "twitter": {"paid_partnership": True},
    }
    wrong = send(tenant, "content,option.mastodon.visbility\nhello,x\n", "text/csv")
    assert wrong.status_code == 422
    assert "mastodon.visbility is not an option: use visibility" in wrong.json()["detail"]


def test_every_limit_and_option_is_listed(tenant: Tenant) -> None:
    listed = {one["platform"]: one for one in tenant.client.get("/api/v1/platforms").json()["data"]}
    assert set(listed) == {platform.value for platform in OPTIONS}
    for platform, model in OPTIONS.items():
        options = {one["name"]: one for one in listed[platform]["options"]}
        assert set(options) == set(model.model_fields)
        assert all(one["description"] for one in options.values())
    mastodon = {one["name"]: one for one in listed["mastodon"]["options"]}
    assert mastodon["visibility"]["choices"] == ["public", "unlisted", "private", "direct"]
    assert mastodon["visibility"]["default"] == "public"
    assert (mastodon["sensitive"]["type"], mastodon["poll"]["type"]) == ("boolean", "object")
    assert listed["bluesky"]["text"]["limit"] == 300
    assert listed["twitter"]["publishing_limit"] == {"posts": 100, "window_seconds": 900}
    assert not listed["instagram"]["supports_unpublish"]
    (one,) = tenant.client.get("/api/v1/platforms", params={"platform": "x"}).json()["data"]
    assert one["platform"] == "twitter"
    assert tenant.client.get("/api/v1/platforms", params={"platform": "myspace"}).status_code == 422


def test_a_validation_shows_every_text_count_and_problem_and_saves_nothing(tenant: Tenant) -> None:
    tenant.add_account("linkedin")
    body = {
        "content": "Five teas " + "x" * 280,
        "platforms": ["twitter", "mastodon", "linkedin"],
        "scheduled_at": in_hours(1),
        "link": "https://example.com/tea",
        "thread": ["two"],
        "options": {"linkedin": {"article": {"title": "Five teas"}}, "mastodon": {"sensitive": True}},
    }
    answer = tenant.client.post("/api/v1/posts/validate", json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert not shown["valid"]
    by_platform = {one["platform"]: one for one in shown["publications"]}
    first, second = by_platform["twitter"]["parts"]
    assert first["text"] == f"{body['content']}\n\nhttps://example.com/tea"
    assert (first["length"], first["limit"], first["remaining"]) == (315, 280, -35)
    assert first["links"] == ["https://example.com/tea"]
    assert (second["kind"], second["text"], second["remaining"]) == ("thread", "two", 277)
    assert by_platform["linkedin"]["parts"][0]["text"] == body["content"], "the link is in the card"
    assert by_platform["linkedin"]["link"] == "https://example.com/tea"
    assert by_platform["mastodon"]["options"]["visibility"] == "public", "defaults are shown"
    found = {(one["platform"], entry["code"]) for one in shown["publications"] for entry in one["problems"]}
    assert found == {
        ("twitter", "text_too_long"),
        ("mastodon", "invalid_option"),
        ("linkedin", "thread_unsupported"),
    }
    assert len(shown["problems"]) == 3
    assert tenant.client.get("/api/v1/posts").json()["data"] == []


def test_a_validation_agrees_with_creation(tenant: Tenant) -> None:
    body = {"content": "hello", "platforms": ["mastodon"], "scheduled_at": in_hours(1), "options": UNLISTED}
    shown = tenant.client.post("/api/v1/posts/validate", json=body).json()
    assert (shown["valid"], shown["problems"]) == (True, [])
    assert tenant.client.post("/api/v1/posts", json=body).status_code == 201
    again = tenant.client.post("/api/v1/posts/validate", json=body).json()
    assert (again["valid"], again["problems"][0]["code"]) == (False, "duplicate")
    late = tenant.client.post("/api/v1/posts/validate", json={**body, "scheduled_at": "2001-01-01T00:00:00Z"})
    assert not late.json()["valid"]
    unknown = tenant.client.post("/api/v1/posts/validate", json={**body, "platforms": ["tiktok"]}).json()
    assert (unknown["valid"], unknown["publications"]) == (False, [])
    nowhere = tenant.client.post("/api/v1/posts/validate", json={"content": "hello"}).json()
    assert [entry["code"] for entry in nowhere["problems"]] == ["no_target"]


def test_a_missing_picture_is_a_warning_before_its_time_and_a_problem_at_once(tenant: Tenant) -> None:
    tenant.add_account("instagram")
    body: dict[str, Any] = {"content": "hello", "platforms": ["instagram"], "scheduled_at": in_hours(1)}
    shown = tenant.client.post("/api/v1/posts/validate", json=body).json()
    assert (shown["valid"], shown["problems"], len(shown["warnings"])) == (True, [], 1)
    at_once = tenant.client.post("/api/v1/posts/validate", json={**body, "scheduled_at": None}).json()
    assert (at_once["valid"], at_once["problems"][0]["code"]) == (False, "media_required")


def test_boards_are_asked_of_pinterest_and_of_no_other_platform(tenant: Tenant) -> None:
    (account,) = [one for one in tenant.server.world.accounts if one.platform == "pinterest"]
    asked = {"platform": "pinterest", "access_token": account.access_token}
    account_id = tenant.client.post("/api/v1/accounts/connect", json=asked).json()["id"]
    boards = tenant.client.get(f"/api/v1/accounts/{account_id}/boards").json()["data"]
    assert [(one["name"], one["privacy"], one["is_default"]) for one in boards] == [
        ("Drafts", "secret", False),
        ("All of it", "public", True),
        ("Tea", "public", False),
    ]
    other = tenant.client.get(f"/api/v1/accounts/{tenant.add_account('mastodon')}/boards")
    assert other.status_code == 422
    assert "only Pinterest" in other.json()["detail"]
