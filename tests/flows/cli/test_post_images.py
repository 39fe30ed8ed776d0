"""`socialflow posts create --image`, as typed: a file becomes an upload, and one that cannot be sent is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app
from warehouse.media_files import open_media_files
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import Post
from warehouse.store.posts.media import MediaUpload, MediaUse

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.store.database import Store

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture, as far as its first bytes tell"
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(40)
AT = "2090-01-01T12:00:00Z"


@pytest.fixture(autouse=True)
def accounts(store: Store) -> None:
    now = datetime.now(UTC)
    with store.write() as session:
        workspace = ensure_default_workspace(session, now)
        for platform in (Platform.MASTODON, Platform.INSTAGRAM):
            who = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
            connect_account(session, store.cipher, workspace.id, who, platform, now)


def create(*arguments: str, code: int = 0, platform: str = "mastodon", **environment: str) -> str:
    command = [
        "posts",
        "create",
        "--content",
        "see",
        "--platform",
        platform,
        "--at",
        AT,
        "--json",
        *arguments,
    ]
    result = CliRunner().invoke(app, command, env=environment)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def uploads(store: Store) -> list[MediaUpload]:
    with store.read() as session:
        return session.query(MediaUpload).order_by(MediaUpload.id).all()


def media_of(store: Store, created: str) -> list[dict[str, Any]]:
    with store.read() as session:
        details = session.get_one(Post, json.loads(created)["id"]).details
        return list(details["media"])


@pytest.mark.parametrize(
    ("content", "content_type"), [(PNG, "image/png"), (MP4, "video/mp4")], ids=["picture", "video"]
)
def test_a_file_becomes_an_upload_of_the_post(
    store: Store, tmp_path: Path, content: bytes, content_type: str
) -> None:
    file = tmp_path / "a thing"
    file.write_bytes(content)
    created = create("--image", str(file))
    (upload,) = uploads(store)
    assert (upload.content_type, upload.size, upload.filename) == (content_type, len(content), "a thing")
    (media,) = media_of(store, created)
    assert (media["url"], media["kind"]) == (f"upload:{upload.id}", content_type.partition("/")[0])
    with open_media_files(WarehouseSettings(home=tmp_path / "home")).open(upload.id) as kept:
        assert kept.read() == content
    with store.read() as session:
        assert [use.media_id for use in session.query(MediaUse)] == [upload.id]
    # The same upload once more, by its name: its kind is its own.
    again = create("--image", f"upload:{upload.id}", "--allow-duplicate")
    assert media_of(store, again) == [media]
    assert len(uploads(store)) == 1


def test_a_file_that_cannot_be_sent_is_named_and_nothing_is_kept(
    store: Store, warehouse_settings: WarehouseSettings, tmp_path: Path
) -> None:
    text, empty, large = tmp_path / "notes.txt", tmp_path / "empty.png", tmp_path / "large.png"
    text.write_bytes(b"no picture at all")
    empty.write_bytes(b"")
    large.write_bytes(PNG + bytes(2000))
    limit = {"SOCIALFLOW_API_MAX_UPLOAD_BYTES": "1024"}
    for value, words, environment in (
        (str(text), f"{text} is none of image/jpeg", {}),
        (str(empty), f"{empty} is empty", {}),
        (str(large), f"{large} has 2,049 bytes, the limit is 1,024", limit),
        (str(tmp_path), f"{tmp_path} cannot be read (Is a directory)", {}),
        ("none.png", "none.png cannot be read (No such file or directory)", {}),
        ("upload:med_none", "there is no upload med_none", {}),
    ):
        said = create("--image", value, code=1, **environment)
        assert words in said, said
        assert len(said.strip().splitlines()) == 1
    assert uploads(store) == []
    assert not list((warehouse_settings.home / "media").glob("*"))
    with store.read() as session:
        assert session.query(Post).count() == 0


def test_a_post_that_is_refused_keeps_no_file(
    store: Store, warehouse_settings: WarehouseSettings, tmp_path: Path
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    # Instagram fetches pictures itself, and this installation has no address to give.
    said = create("--image", str(file), code=1, platform="instagram")
    assert "SOCIALFLOW_MEDIA_PUBLIC_URL" in said
    assert uploads(store) == []
    assert not list((warehouse_settings.home / "media").glob("*"))
    address = {"SOCIALFLOW_MEDIA_PUBLIC_URL": "https://social.example"}
    create("--image", str(file), platform="instagram", **address)
    assert len(uploads(store)) == 1


def test_parts_have_media_and_delays(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    given = ("--thread", "two", "--thread", "three", "--first-comment", "and")
    created = create(
        *given,
        *("--part", f"3.image={file}", "--part", "3.alt-text=A tree", "--part", "3.after=10m"),
        *("--part", "comment.after=1h", "--option", "media.fit=true"),
    )
    (upload,) = uploads(store)
    shown = json.loads(created)
    media = {"url": f"upload:{upload.id}", "kind": "image", "alt_text": "A tree"}
    assert shown["thread"] == ["two", {"text": "three", "media": [media], "after": 600}]
    assert shown["first_comment"] == {"text": "and", "after": 3600}
    assert shown["options"] == {"media": {"fit": True}}
    for wrong, words in (
        ("4.image=a.png", "names no part"),
        ("1.after=10m", "names no part"),
        ("2.picture=a.png", "PART.NAME=VALUE"),
        ("2.alt-text=A tree", "after its picture"),
        ("2.after=soon", "write how long to wait"),
    ):
        assert words in create(*given, "--part", wrong, code=1)


def test_several_files_are_uploaded_at_once_or_none(store: Store, tmp_path: Path) -> None:
    names = ("a.png", "b.mp4", "c.txt")
    for name, content in zip(names, (PNG, MP4, b"words"), strict=True):
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in names]
    refused = CliRunner().invoke(app, ["media", "upload", *files])
    assert (refused.exit_code, "c.txt is none of" in refused.stderr) == (1, True)
    assert uploads(store) == []
    made = CliRunner().invoke(app, ["media", "upload", *files[:2], "--json"])
    assert [one["kind"] for one in json.loads(made.stdout)] == ["image", "video"]
    single = CliRunner().invoke(app, ["media", "upload", files[0], "--json"])
    assert json.loads(single.stdout)["kind"] == "image"
    assert len(uploads(store)) == 3
