"""Uploads by API: streamed, typed by their bytes, bound to a workspace, kept while something needs them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from api.settings import ApiSettings
from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from tests.api.harness import PNG, RunningServer, SettableClock, in_hours, make_tenant, open_anonymous
from warehouse.media_files import name_fitted
from warehouse.store.posts.media import public_path

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.api.harness import Tenant

MEDIA = "/api/v1/media"
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"v" * 100


def send(
    tenant: Tenant, content: bytes, headers: dict[str, str] | None = None, name: str = "a.png"
) -> httpx.Response:
    return tenant.client.post(MEDIA, files={"file": (name, content)}, headers=headers or {})


def post_with(tenant: Tenant, url: str, *platforms: str, **fields: object) -> httpx.Response:
    body = {
        "content": "see",
        "platforms": platforms or ["twitter"],
        "scheduled_at": in_hours(1),
        "media": [{"url": url, "alt_text": "a picture"}],
        **fields,
    }
    return tenant.client.post("/api/v1/posts", json=body)


def test_an_upload_is_typed_by_its_bytes_and_read_back(tenant: Tenant) -> None:
    answer = send(tenant, PNG, name="holiday.exe")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["content_type"], made["size"]) == ("image", "image/png", len(PNG))
    assert made["url"] == f"upload:{made['id']}"
    assert answer.headers["location"] == f"{MEDIA}/{made['id']}"
    assert tenant.client.get(answer.headers["location"]).json() == made
    content = tenant.client.get(f"{MEDIA}/{made['id']}/content")
    assert (content.content, content.headers["content-type"]) == (PNG, "image/png")
    assert [one["id"] for one in tenant.client.get(MEDIA).json()["data"]] == [made["id"]]


@pytest.mark.parametrize(
    ("request_fields", "pointer"),
    [
        ({"files": {"file": ("a.svg", b"<svg onload=alert(1)>")}}, "/file"),
        ({"files": {"file": ("a.png", b"")}}, "/file"),
        ({"files": {"picture": ("a.png", PNG)}}, "/picture"),
        ({"data": {"file": "no file"}}, "/file"),
        ({"json": {"file": "no form"}}, "/file"),
    ],
)
def test_what_is_no_medium_is_refused(tenant: Tenant, request_fields: Any, pointer: str) -> None:
    answer = tenant.client.post(MEDIA, **request_fields)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert tenant.client.get(MEDIA).json()["data"] == []


def test_a_broken_form_is_said_to_be_one(tenant: Tenant) -> None:
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert tenant.client.post(MEDIA, content=b"--y", headers=broken).status_code in {400, 422}


def test_uploads_have_a_limit_of_their_own(tmp_path: Path) -> None:
    settings = ApiSettings(max_body_bytes=2048, max_upload_bytes=400_000)
    with RunningServer(tmp_path, SettableClock(), settings) as server:
        tenant = make_tenant(server)
        assert send(tenant, PNG + b"x" * 300_000).status_code == 201
        too_long = send(tenant, PNG + b"x" * 500_000)
        assert (too_long.status_code, too_long.json()["code"]) == (413, "body_too_large")

        def in_pieces() -> Any:
            head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            yield head + PNG
            for _ in range(20):
                yield b"x" * 50_000

        # Without a declared length it is counted on its way in.
        chunked = tenant.client.post(
            MEDIA, content=in_pieces(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert chunked.status_code == 413
        files = [one for one in (tmp_path / "media").iterdir() if one.is_file()]
        assert len(files) == 1


def test_one_key_makes_one_upload_and_keeps_one_file(tenant: Tenant) -> None:
    key = {"Idempotency-Key": "picture-1"}
    first, again = send(tenant, PNG, key), send(tenant, PNG, key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert send(tenant, PNG + b"other", key).json()["code"] == "idempotency_key_reused"
    assert len(tenant.client.get(MEDIA).json()["data"]) == 1
    assert tenant.client.get(f"{MEDIA}/{first.json()['id']}/content").content == PNG


def test_several_files_are_uploaded_at_once_or_none(tenant: Tenant) -> None:
    key = {"Idempotency-Key": "several"}
    files = [("files", ("a.png", PNG)), ("files", ("b.mp4", MP4))]
    answer = tenant.client.post(MEDIA, files=files, headers=key)
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    assert [(one["filename"], one["kind"]) for one in made] == [("a.png", "image"), ("b.mp4", "video")]
    assert tenant.client.post(MEDIA, files=files, headers=key).json()["data"] == made
    assert len(tenant.client.get(MEDIA).json()["data"]) == 2
    refused = tenant.client.post(MEDIA, files=[*files, ("files", ("c.txt", b"words"))])
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/files/2")
    assert "c.txt" in refused.json()["detail"]
    both = tenant.client.post(MEDIA, files=[("file", ("a.png", PNG)), *files])
    assert (both.status_code, both.json()["code"]) == (422, "invalid_form")
    twice = tenant.client.post(MEDIA, files=[("file", ("a.png", PNG)), ("file", ("b.png", PNG))])
    assert twice.status_code == 422
    many = tenant.client.post(MEDIA, files=[("files", ("a.png", PNG))] * 21)
    assert many.status_code in {400, 422}
    assert len(tenant.client.get(MEDIA).json()["data"]) == 2


def test_parts_have_media_and_delays(tenant: Tenant) -> None:
    url = tenant.upload()["url"]
    thread = ["two", {"text": "three", "media": [{"url": url}], "after": "PT10M"}]
    body = {"content": "one", "platforms": ["twitter"], "scheduled_at": in_hours(1), "thread": thread}
    body["first_comment"] = {"text": "and", "after": "90s"}
    checked = tenant.client.post("/api/v1/posts/validate", json=body).json()
    assert checked["valid"], checked
    parts = checked["publications"][0]["parts"]
    assert [(one["kind"], len(one["media"]), one["after"]) for one in parts] == [
        ("post", 0, None), ("thread", 0, None), ("thread", 1, 600), ("first_comment", 0, 90),
    ]  # fmt: skip
    made = tenant.client.post("/api/v1/posts", json=body)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert shown["thread"] == [
        "two", {"text": "three", "media": [{"url": url, "kind": "image", "alt_text": None}], "after": 600},
    ]  # fmt: skip
    assert shown["first_comment"] == {"text": "and", "after": 90}
    assert shown["publications"][0]["later_parts"] is None
    again = {"thread": shown["thread"], "first_comment": shown["first_comment"]}
    changed = tenant.client.patch(f"/api/v1/posts/{shown['id']}", json=again)
    assert changed.json()["thread"] == shown["thread"], "what is read can be written"
    refused = tenant.client.delete(f"{MEDIA}/{url.removeprefix('upload:')}")
    assert refused.status_code == 409, "a part uses it"
    for wrong, pointer in (
        ({"thread": [{"text": "a", "after": "soon"}]}, "/thread/0/after"),
        ({"thread": [{"text": "a", "after": "8d"}]}, "/thread/0/after"),
        ({"thread": [{"text": "a", "media": [{"url": "upload:med_none"}]}]}, "/thread/0/media/0/url"),
        ({"first_comment": {"text": "a", "words": "b"}}, "/first_comment/words"),
        ({"thread": [{"text": "a", "media": [{"url": url}] * 5}]}, "/thread/0/media"),
    ):
        answer = tenant.client.post("/api/v1/posts", json={**body, **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


def test_a_converted_picture_is_served_to_its_platform(tenant: Tenant) -> None:
    services, upload = tenant.server.services, tenant.upload()
    fitted_id = name_fitted(upload["id"], CAPABILITIES[Platform.INSTAGRAM].fit_rule)
    path = public_path(services.store.cipher, fitted_id)
    with open_anonymous(tenant.server) as platform:
        assert platform.get(path).status_code == 404
        services.media.save(fitted_id, io.BytesIO(b"\xff\xd8\xff\xe0 converted"))
        fetched = platform.get(path)
        assert (fetched.content, fetched.headers["content-type"]) == (
            b"\xff\xd8\xff\xe0 converted",
            "image/jpeg",
        )
        assert platform.head(path).headers["content-length"] == "14"
        assert platform.get(path.replace(fitted_id, upload["id"])).status_code == 404


def test_a_post_refers_to_an_upload_and_takes_its_kind(tenant: Tenant) -> None:
    video = send(tenant, MP4, name="a.mp4").json()
    made = post_with(tenant, video["url"])
    assert made.status_code == 201, made.text
    (item,) = made.json()["media"]
    assert (item["url"], item["kind"], item["alt_text"]) == (video["url"], "video", "a picture")
    row = tenant.client.get(f"/api/v1/posts/{made.json()['id']}").json()["publications"][0]
    assert row["content"]["media"][0]["kind"] == "video"


def test_an_upload_of_nobody_or_of_others_is_unknown(tenant: Tenant) -> None:
    foreign = make_tenant(tenant.server).upload()
    for url in (foreign["url"], "upload:med_none", "upload:"):
        answer = post_with(tenant, url)
        assert answer.status_code == 422, answer.text
        assert (answer.json()["errors"][0]["pointer"], answer.json()["code"]) == (
            "/media/0/url",
            "unknown_upload",
        )


def test_a_platform_that_fetches_media_needs_a_public_address(tenant: Tenant) -> None:
    tenant.add_account("instagram")
    url = tenant.upload()["url"]
    answer = post_with(tenant, url, "twitter", "instagram")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error["platform"]) == ("no_public_address", "instagram")
    assert "SOCIALFLOW_MEDIA_PUBLIC_URL" in error["detail"]


def test_what_an_unsent_post_needs_stays(tenant: Tenant) -> None:
    upload = tenant.upload()
    post = post_with(tenant, upload["url"]).json()
    refused = tenant.client.delete(f"{MEDIA}/{upload['id']}")
    assert (refused.status_code, refused.json()["existing_id"]) == (409, post["id"])
    tenant.client.patch(f"/api/v1/posts/{post['id']}", json={"media": []})
    assert tenant.client.delete(f"{MEDIA}/{upload['id']}").status_code == 200
    assert tenant.client.get(f"{MEDIA}/{upload['id']}/content").status_code == 404
    assert post_with(tenant, upload["url"], allow_duplicate=True).status_code == 422
    draft = {"content": "later", "status": "draft", "media": [{"url": tenant.upload()["url"]}]}
    kept = tenant.client.post("/api/v1/posts", json=draft).json()["media"][0]["url"].removeprefix("upload:")
    assert tenant.client.delete(f"{MEDIA}/{kept}").status_code == 409


def test_a_platform_fetches_by_a_signed_address_alone(tenant: Tenant) -> None:
    upload = tenant.upload()
    path = public_path(tenant.server.services.store.cipher, upload["id"])
    with open_anonymous(tenant.server) as platform:
        fetched = platform.get(path)
        assert (fetched.content, fetched.headers["content-type"]) == (PNG, "image/png")
        head = platform.head(path)
        assert (head.content, head.headers["content-length"]) == (b"", str(len(PNG)))
        other = tenant.upload()["id"]
        for wrong in (
            path[:-1] + ("0" if path[-1] != "0" else "1"),
            path.replace(upload["id"], other),
            path + "é",
        ):
            assert platform.get(wrong).status_code == 404


def test_a_workspace_has_a_quota(tmp_path: Path) -> None:
    settings = ApiSettings(max_workspace_uploads=1024)
    with RunningServer(tmp_path / "home", SettableClock(), settings) as server:
        first, second = make_tenant(server), make_tenant(server)
        made = first.upload(PNG + bytes(600))
        refused = first.client.post("/api/v1/media", files={"file": ("b.png", PNG + bytes(600))})
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_quota")
        assert [path.name for path in (tmp_path / "home" / "media").iterdir()] == [made["id"]]
        second.upload(PNG + bytes(600))
        first.client.delete(f"/api/v1/media/{made['id']}")
        first.upload(PNG + bytes(600))


def test_a_name_with_a_nul_names_its_field(tenant: Tenant) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\x00.png"\r\n\r\n'
        + PNG
        + b"\r\n--x--\r\n"
    )
    answer = tenant.client.post(
        "/api/v1/media", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code in (400, 422)
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["pointer"] == "/file"
